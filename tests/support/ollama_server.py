"""An Ollama with one model, which breaks its streams as a test tells it to.

ollama = Ollama(["Hel", "lo"], after=1)
async with FaultServer(ollama) as server:
    ... server.base_url, ollama.prompts ...
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from support.fault_server import Request, Wire

MODEL = "qwen3:4b"
BUSY = "server busy, please try again.  maximum pending requests exceeded"
CRASHED = "an error was encountered while running the model"


@dataclass
class Ollama:
    """The handler for a `FaultServer`. It answers `pieces`, after `thinking`, a line each.

    The first `busy` requests are refused. The n-th answer is cut after `cuts[n]` bytes of its body;
    the others break `after` so many lines by a `cut`, a clean `end` or an `error` in the stream, or
    not at all. `loading` keeps an answer's headers back until it is set. After a last message of
    the assistant's it goes on, like the real one. `prompts` are the requests' bodies.
    """

    pieces: Sequence[str]
    thinking: Sequence[str] = ()
    done_reason: str = "stop"
    cuts: Sequence[int] = ()
    after: int | None = None
    then: Literal["cut", "end", "error"] = "cut"
    loading: asyncio.Event | None = None
    busy: int = 0
    prompts: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, request: Request, wire: Wire) -> None:
        match request.method, request.target:
            case "GET", "/":
                await wire.reply(200, "Ollama is running")
            case "GET", "/api/tags":
                await _json(wire, 200, {"models": [{"name": MODEL, "model": MODEL}]})
            case "GET", "/v1/models":
                await _json(wire, 200, {"object": "list", "data": [{"id": MODEL}]})
            case "POST", "/api/chat":
                await self._chat(request.json(), wire)
            case _:
                await wire.reply(404, "404 page not found", {"Content-Type": "text/plain"})

    async def _chat(self, prompt: dict[str, Any], wire: Wire) -> None:
        self.prompts.append(prompt)
        answers = len(self.prompts) - 1
        if answers < self.busy:
            await _json(wire, 503, {"error": BUSY})
            return
        if prompt["model"] != MODEL:
            await _json(wire, 404, {"error": f"model '{prompt['model']}' not found"})
            return
        if self.loading:
            await self.loading.wait()
        await wire.open_stream(content_type="application/x-ndjson")
        lines = self.lines(prompt["messages"])
        if answers - self.busy < len(self.cuts):
            await wire.chunk("".join(lines).encode()[: self.cuts[answers - self.busy]])
            wire.cut()
            return
        for line in lines[: self.after]:
            await wire.chunk(line)
        match self.then if self.after is not None else "end":
            case "cut":
                wire.cut()
                return
            case "error":
                await wire.chunk(_line({"error": CRASHED}))
        await wire.end()

    def lines(self, messages: Sequence[dict[str, str]] = ()) -> list[str]:
        """The whole answer, as it goes over the wire."""
        pieces, thinking = list(self.pieces), self.thinking
        if messages and messages[-1]["role"] == "assistant":
            pieces, thinking = _after(pieces, messages[-1]["content"]), ()
        return [
            *(_said(content="", thinking=piece) for piece in thinking),
            *(_said(content=piece) for piece in pieces),
            _done(self.done_reason, len(pieces) + len(thinking)),
        ]


def _after(pieces: list[str], said: str) -> list[str]:
    """What comes after `said`, or all of it if that is another text."""
    whole = "".join(pieces)
    return [whole[len(said) :]] if whole.startswith(said) else pieces


def _said(**message: str) -> str:
    return _line({**_HEAD, "message": {"role": "assistant", **message}, "done": False})


def _done(reason: str, count: int) -> str:
    times = {"total_duration": 4883583458, "load_duration": 1334875, "eval_duration": 4535599000}
    counts = {"prompt_eval_count": 26, "prompt_eval_duration": 342546000, "eval_count": count}
    message = {"role": "assistant", "content": ""}
    end = {**_HEAD, "message": message, "done": True, "done_reason": reason}
    return _line(end | times | counts)


_HEAD = {"model": MODEL, "created_at": "2026-11-20T09:12:31.097767Z"}


def _line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


async def _json(wire: Wire, status: int, fields: dict[str, Any]) -> None:
    await wire.reply(
        status, json.dumps(fields), {"Content-Type": "application/json; charset=utf-8"}
    )
