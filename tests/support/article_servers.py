"""Servers as tutorials on streaming an answer write them, each in its usual few lines.

    minimal      bare text and `[DONE]`
    numbered     `id:`, `event:` and `retry:` lines; `Last-Event-ID` is honoured
    multimodal   typed objects of text, images and audio
    heartbeat    comments while it thinks; it stops when the client goes away
    Buffered     keeps what it made, so that a client can come back for the rest

Each is a handler for a `FaultServer` and takes `{"prompt"}` by POST or `?prompt=` by GET, as a
framework would that validates it. Their faults are theirs: line breaks in bare text are lost, an
end is not always marked.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from support.fault_server import Handler, Request, Wire

HEADERS = {"Cache-Control": "no-cache", "Connection": "keep-alive", "X-Accel-Buffering": "no"}
EVENT_STREAM = "text/event-stream; charset=utf-8"
DONE = "data: [DONE]\n\n"


def asked(request: Request) -> str:
    """The prompt, from the query or from the JSON that was posted."""
    if request.method == "GET":
        return parse_qs(urlsplit(request.target).query).get("prompt", [""])[0]
    return str(request.json().get("prompt", ""))


def minimal(pieces: Sequence[str], *, done: bool = True, cut_after: int | None = None) -> Handler:
    """`done`: it says so at the end; else the body just ends. It is cut after so many pieces."""

    async def handler(request: Request, wire: Wire) -> None:
        if not await _opened(request, wire):
            return
        for piece in pieces[:cut_after]:
            await wire.chunk(f"data: {piece}\n\n")
        if cut_after is not None:
            wire.cut()
            return
        if done:
            await wire.chunk(DONE)
        await wire.end()

    return handler


def numbered(
    pieces: Sequence[str], *, cuts: Sequence[int] = (), retry: int = 3000, deaf: bool = False
) -> Handler:
    """Ids count from 1. The n-th answer is cut after `cuts[n]` events; later ones pass whole. With
    `deaf` each begins anew, whatever the client knows."""
    answers = 0

    async def handler(request: Request, wire: Wire) -> None:
        nonlocal answers
        after = 0 if deaf else _last_id(request)
        most = cuts[answers] if answers < len(cuts) else None
        answers += 1
        if not await _opened(request, wire):
            return
        payloads = [("message", json.dumps({"content": piece})) for piece in pieces]
        events = [
            f"id: {number}\nevent: {name}\nretry: {retry}\ndata: {data}\n\n"
            for number, (name, data) in enumerate([*payloads, ("end", "[DONE]")], 1)
        ]
        for event in events[after:][:most]:
            await wire.chunk(event)
        if most is not None:
            wire.cut()
            return
        await wire.end()

    return handler


def multimodal(*parts: tuple[str, str | bytes, str]) -> Handler:
    """`parts` are (type, content, mime): text as it is, bytes in base64, or a URL."""

    async def handler(request: Request, wire: Wire) -> None:
        if not await _opened(request, wire):
            return
        for kind, content, mime in parts:
            text = b64encode(content).decode() if isinstance(content, bytes) else content
            fields = {"type": kind, "content": text} | ({"mime": mime} if mime else {})
            await wire.chunk(f"data: {json.dumps(fields, ensure_ascii=False)}\n\n")
        await wire.chunk(DONE)
        await wire.end()

    return handler


@dataclass
class Heartbeat:
    """A comment goes out before each piece, and further ones until `go_on` is set.

    `left` is set when it noticed that its client has gone; it makes nothing more then.
    """

    pieces: Sequence[str]
    interval: float = 0.01  # s
    go_on: asyncio.Event | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: Request, wire: Wire) -> None:
        if not await _opened(request, wire):
            return
        try:
            await self._stream(wire)
        except ConnectionError:
            self.left.set()
            raise

    async def _stream(self, wire: Wire) -> None:
        for piece in self.pieces:
            await wire.chunk(": heartbeat\n\n")
            await wire.chunk(f"data: {json.dumps({'text': piece})}\n\n")
        while self.go_on and not self.go_on.is_set():
            await wire.chunk(": heartbeat\n\n")
            await self._pause(wire)
        await wire.chunk(DONE)
        await wire.end()

    async def _pause(self, wire: Wire) -> None:
        try:
            await asyncio.wait_for(wire.peer_closed.wait(), self.interval)
        except TimeoutError:
            return
        raise ConnectionResetError


@dataclass
class Buffered:
    """Keeps the events of its one answer. A request without `Last-Event-ID` makes it anew, one
    with an id gets what came after that; `generations` counts the first kind.

    The n-th response is cut after `cuts[n]` events. With `fails_after` an `event: error` comes
    after so many pieces. `forgets`: the buffer is gone when somebody comes back. `done`: it says so
    at the end.
    """

    pieces: Sequence[str]
    cuts: Sequence[int] = ()
    fails_after: int | None = None
    forgets: bool = False
    done: bool = True
    generations: int = 0
    responses: int = 0
    buffer: list[str] = field(default_factory=list)

    async def __call__(self, request: Request, wire: Wire) -> None:
        most = self.cuts[self.responses] if self.responses < len(self.cuts) else None
        self.responses += 1
        if not await _opened(request, wire):
            return
        if "last-event-id" not in request.headers:
            self.generations += 1
            self.buffer = list(self._events())
        elif self.forgets:
            await wire.chunk(_failure("stream not found or expired"))
            await wire.end()
            return
        for event in self.buffer[_last_id(request) :][:most]:
            await wire.chunk(event)
        if most is not None:
            wire.cut()
            return
        await wire.end()

    def _events(self) -> list[str]:
        pieces = self.pieces[: self.fails_after]
        events = [
            f"id: {number}\ndata: {json.dumps({'content': piece})}\n\n"
            for number, piece in enumerate(pieces, 1)
        ]
        if self.fails_after is not None:
            return [*events, _failure("the model failed")]
        return [*events, DONE] if self.done else events


def _failure(message: str) -> str:
    return f"event: error\ndata: {json.dumps({'error': message})}\n\n"


def _last_id(request: Request) -> int:
    """What ids are at most this are known; 0 if the client said nothing that could be one."""
    said = request.headers.get("last-event-id", "")
    return int(said) if said.isdecimal() else 0


async def _opened(request: Request, wire: Wire) -> bool:
    """Whether the stream is open; without a prompt it is refused instead."""
    if not asked(request):
        missing = {"type": "missing", "loc": ["prompt"], "msg": "Field required", "input": None}
        await wire.reply(
            422, json.dumps({"detail": [missing]}), {"Content-Type": "application/json"}
        )
        return False
    await wire.open_stream(HEADERS, content_type=EVENT_STREAM)
    return True
