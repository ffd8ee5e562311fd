"""Gemini's `streamGenerateContent` with one model, which breaks its streams as a test tells it to.

    gemini = GeminiServer(["Hel", "lo"], cuts=[Cut(events=1)])
    async with FaultServer(gemini) as server:
        ... f"{server.base_url}/v1beta", gemini.prompts ...

It is the handler for a `FaultServer`, and depends on no clock.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from support.fault_server import Request, Wire

MODEL = "gemini-x"
MODELS = {
    "models": [
        {"name": "models/embeds", "supportedGenerationMethods": ["embedContent"]},
        {"name": f"models/{MODEL}", "supportedGenerationMethods": ["generateContent"]},
    ]
}
OVERLOADED = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}

How = Literal["cut", "end", "hang", "error", "stray", "half"]


class Cut(NamedTuple):
    """Where a body is broken off, and how.

    After so many `events`, or after so many `bytes`, by closing the connection (`cut`); ending the
    body cleanly (`end`); silence (`hang`); an `error` event; an error between the lines (`stray`);
    `half` an event. The body ends cleanly after the last three.
    """

    events: int | None = None
    bytes: int | None = None
    how: How = "cut"


class Busy(NamedTuple):
    """A refusal, with `Retry-After` if it is given."""

    status: int = 429
    retry_after: int | None = None


@dataclass
class GeminiServer:
    """`streamGenerateContent`: it answers `pieces`, after `thinking`, a chunk each; the last one
    has the reason `finish`, or none if that is "".

    The first requests are refused as `busy` says. The n-th answer after these is broken off by
    `cuts[n]`; later ones pass whole. Asked to go on from a text of its own, it does, and repeats
    the last `overlap` characters. `prompts` are the requests' bodies.
    """

    pieces: Sequence[str]
    thinking: Sequence[str] = ()
    finish: str = "STOP"
    cuts: Sequence[Cut] = ()
    busy: Sequence[Busy] = ()
    overlap: int = 0
    prompts: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, request: Request, wire: Wire) -> None:
        url = urlsplit(request.target)
        if (request.method, url.path) == ("GET", "/v1beta/models"):
            await _json(wire, 200, MODELS)
        elif (request.method, unquote(url.path)) != ("POST", _path()) or url.query != "alt=sse":
            await _refuse(wire, 404, f"{url.path} is not found.")
        else:
            await self._generate(request.json(), wire)

    async def _generate(self, prompt: dict[str, Any], wire: Wire) -> None:
        number = len(self.prompts)
        self.prompts.append(prompt)
        if number < len(self.busy):
            await _busy(wire, self.busy[number])
            return
        number -= len(self.busy)
        cut = self.cuts[number] if number < len(self.cuts) else None
        await _stream(wire, self.events(prompt["contents"]), cut)

    def events(self, contents: Sequence[dict[str, Any]] = ()) -> list[str]:
        """The whole answer, as it goes over the wire."""
        said = [content["parts"][0]["text"] for content in contents if content["role"] == "model"]
        pieces = _after(self.pieces, said[-1] if said else "", self.overlap)
        thoughts = [{"text": piece, "thought": True} for piece in self.thinking]
        parts = [*thoughts, *({"text": piece} for piece in pieces)]
        return [self._chunk(part, at, len(parts)) for at, part in enumerate(parts, 1)]

    def _chunk(self, part: dict[str, Any], at: int, count: int) -> str:
        candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}, "index": 0}
        if at == count and self.finish:
            candidate["finishReason"] = self.finish
        thoughts = min(at, len(self.thinking))
        counts = {"promptTokenCount": 5, "candidatesTokenCount": at - thoughts}
        usage = {**counts, "thoughtsTokenCount": thoughts, "totalTokenCount": 5 + at}
        return _data(candidates=[candidate], usageMetadata=usage, modelVersion=MODEL)


async def _stream(wire: Wire, events: Sequence[str], cut: Cut | None) -> None:
    """All events, a chunk each, as far as `cut` lets them."""
    await wire.open_stream()
    left = None if cut is None else cut.bytes
    for number, event in enumerate(events):
        data = event.encode()
        if cut and (cut.events == number or (left is not None and len(data) > left)):
            if left:
                await wire.chunk(data[:left])
            await _break(wire, cut, event)
            return
        await wire.chunk(data)
        left = None if left is None else left - len(data)
    await wire.end()


async def _break(wire: Wire, cut: Cut, event: str) -> None:
    match cut.how:
        case "cut":
            wire.cut()
            return
        case "hang":
            await wire.hang()
            return
        case "error":
            await wire.chunk(_data(error=OVERLOADED))
        case "stray":
            await wire.chunk(json.dumps({"error": OVERLOADED}, indent=2) + "\n")
        case "half":
            await wire.chunk(event[: len(event) * 2 // 3].rstrip("\n"))
    await wire.end()


def _path() -> str:
    return f"/v1beta/models/{MODEL}:streamGenerateContent"


def _after(pieces: Sequence[str], said: str, overlap: int) -> list[str]:
    """What comes after `said` and the `overlap` before it, or all if that is another text."""
    whole = "".join(pieces)
    if not said or not whole.startswith(said):
        return list(pieces)
    return [whole[max(0, len(said) - overlap) :]]


def _data(**fields: Any) -> str:
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n"


async def _busy(wire: Wire, busy: Busy) -> None:
    headers = {} if busy.retry_after is None else {"Retry-After": str(busy.retry_after)}
    await _refuse(wire, busy.status, "Try again later.", **headers)


async def _refuse(wire: Wire, status: int, message: str, **headers: str) -> None:
    await _json(wire, status, {"error": {"code": status, "message": message}}, **headers)


async def _json(wire: Wire, status: int, fields: dict[str, Any], **headers: str) -> None:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    await wire.reply(status, json.dumps(fields), {**kind, **headers})
