"""An Ollama with one model, by PROTOCOLS.md §6.1, which breaks its streams as a test tells it to.

ollama = Ollama(["Hel", "lo"], cuts=[Cut(events=1)])
async with FaultServer(ollama) as server:
    ... server.base_url, ollama.prompts ...
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from support.chat_servers import ChatServer, Event, Fields
from support.fault_server import Request, Wire

MODEL = "qwen3:4b"
CRASHED = "an error was encountered while running the model"
_HEAD = {"model": MODEL, "created_at": "2026-11-20T09:12:31.097767Z"}


def _line(fields: Fields) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


@dataclass
class Ollama(ChatServer):
    """A line for each piece. After a last message of the assistant's it goes on, like the real
    one."""

    done_reason: str = "stop"

    DIALECT = "ollama"
    MODEL = MODEL
    ASKED = "/api/chat"
    LISTS: ClassVar = {
        "/api/tags": {"models": [{"name": MODEL, "model": MODEL}]},
        "/v1/models": {"object": "list", "data": [{"id": MODEL}]},
    }
    CONTENT_TYPE = "application/x-ndjson"
    KEEPALIVE = "\n"
    FAILURES: ClassVar = {"error": _line({"error": CRASHED})}

    async def __call__(self, request: Request, wire: Wire) -> None:
        if (request.method, request.target) == ("GET", "/"):
            await wire.reply(200, "Ollama is running")
        else:
            await super().__call__(request, wire)

    def script(self, asked: Fields | None = None) -> Iterator[Event]:
        pieces, thinking = self._rest(asked), () if self._prefilled(asked) else self.thinking
        for piece in thinking:
            yield Event(_said(content="", thinking=piece), thinking=piece)
        for piece in pieces:
            yield Event(_said(content=piece), text=piece)
        yield Event(_done(self.done_reason, len(pieces) + len(thinking)), ends=True)

    def refusal(self, asked: Fields) -> tuple[int, str] | None:
        model = asked["model"]
        return None if model == MODEL else (404, f"model '{model}' not found")

    def error(self, status: int, message: str) -> Fields:
        return {"error": message}


def _said(**message: str) -> str:
    return _line({**_HEAD, "message": {"role": "assistant", **message}, "done": False})


def _done(reason: str, count: int) -> str:
    times = {"total_duration": 4883583458, "load_duration": 1334875, "eval_duration": 4535599000}
    counts = {"prompt_eval_count": 26, "prompt_eval_duration": 342546000, "eval_count": count}
    message = {"role": "assistant", "content": ""}
    end = {**_HEAD, "message": message, "done": True, "done_reason": reason}
    return _line(end | times | counts)
