"""Gemini's `streamGenerateContent` with one model, by PROTOCOLS.md §5.1.

gemini = GeminiServer(["Hel", "lo"], cuts=[Cut(events=1)])
async with FaultServer(gemini) as server:
    ... f"{server.base_url}/v1beta", gemini.prompts ...
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from support.chat_servers import Busy, ChatServer, Cut, Event, Fields, Said, data

__all__ = ["MODEL", "MODELS", "Busy", "Cut", "GeminiServer", "How"]

MODEL = "gemini-x"
MODELS = {
    "models": [
        {"name": "models/embeds", "supportedGenerationMethods": ["embedContent"]},
        {"name": f"models/{MODEL}", "supportedGenerationMethods": ["generateContent"]},
    ]
}
OVERLOADED = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}

How = str
"""As in `Cut`; an error comes as an event (`error`), or between the lines (`stray`)."""


@dataclass
class GeminiServer(ChatServer):
    """The last chunk has the reason `finish`, or none if that is ""."""

    finish: str = "STOP"

    DIALECT = "gemini"
    MODEL = MODEL
    BELOW = "/v1beta"
    ASKED = f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
    LISTS: ClassVar = {"/v1beta/models": MODELS}
    FAILURES: ClassVar = {
        "error": data(error=OVERLOADED),
        "stray": json.dumps({"error": OVERLOADED}, indent=2) + "\n",
    }

    def script(self, asked: Fields | None = None) -> Iterator[Event]:
        """A chunk for each part."""
        parts: list[Fields] = [{"text": piece, "thought": True} for piece in self.thinking]
        parts += [{"text": piece} for piece in self._rest(asked) or [""]]
        for at, part in enumerate(parts, 1):
            kind = "thinking" if "thought" in part else "text"
            last = at == len(parts)
            chunk = self._chunk(part, at, self.finish if last else "")
            yield Event(chunk, ends=last)._replace(**{kind: part["text"]})

    def turns(self, asked: Fields) -> list[Said]:
        roles = {"model": "assistant"}
        return [
            Said(roles.get(turn["role"], turn["role"]), "".join(_texts(turn["parts"])))
            for turn in asked["contents"]
        ]

    def _chunk(self, part: Fields, at: int, finish: str) -> str:
        candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        thoughts = min(at, len(self.thinking))
        counts = {"promptTokenCount": 5, "candidatesTokenCount": at - thoughts}
        usage = {**counts, "thoughtsTokenCount": thoughts, "totalTokenCount": 5 + at}
        return data(candidates=[candidate], usageMetadata=usage, modelVersion=MODEL)


def _texts(parts: list[Fields]) -> Iterator[str]:
    return (part["text"] for part in parts)
