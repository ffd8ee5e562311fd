"""llama.cpp's server as it behaves in tools/server: it keeps what it streams, by byte offset.

    async with LlamaServer(["Hel", "lo"], thinking=["Hm."], hold=3) as server:
        ... server.base_url, server.generations, server.go() ...

A request with `X-Conversation-Id` begins a generation that goes on without readers. Without it a
disconnect ends the generation; before the headers, which wait for the first token, it always does.
Seen on the real one (commit 0c1e570): the streams of a stopped generation end cleanly, without an
end mark; an offset beyond the end gets 200; the text of every 404 is the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.fault_server import FaultServer, Request, Wire
from support.llama_answer import ANSWERS, PING

RING = 4 * 2**20
"""Bytes that it keeps of each generation."""
NOT_FOUND = "File Not Found"
OFFSET_LOST = "Stream offset lost, please restart"
NO_PREFILL = "Assistant response prefill is incompatible with enable_thinking."
STREAM = "/v1/stream"
LOOKUP = "/v1/streams/lookup"
_HEADERS = {"Server": "llama.cpp", "X-Accel-Buffering": "no"}


@dataclass
class Generation:
    """One answer. `body` is all that was ever streamed of it, `dropped` bytes of that are lost.

    `ended` is "" while it goes on, else "done", "stopped", "replaced" or "disconnected".
    """

    name: str
    blocks: list[bytes]
    ring: int
    body: bytearray = field(default_factory=bytearray)
    ended: str = ""
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def dropped(self) -> int:
        return max(0, len(self.body) - self.ring)

    def append(self, block: bytes) -> None:
        self.body += block
        self._move()

    def end(self, how: str) -> None:
        self.ended = self.ended or how
        self._move()

    def _move(self) -> None:
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()


class LlamaServer(FaultServer):
    """Every generation says `thinking`, then `pieces`, a token each.

    With `hold` it stands still after so many events, until `go()`; with 0, before the headers. A
    comment goes before the events whose numbers are in `pings`. `ring`: bytes that are kept of
    each. `keeps`: whether it has the resume API at all. `notices`: whether it learns before the
    headers that the client has gone, which it does not over a dead network. `prefill`: whether it
    goes on from a last message of the assistant's, which it then repeats whole; else it refuses
    that. `on_stop` is called before a DELETE is answered. All may be changed while it runs.
    """

    def __init__(
        self,
        pieces: Sequence[str],
        *,
        thinking: Sequence[str] = (),
        hold: int | None = None,
        pings: frozenset[int] = frozenset(),
        ring: int = RING,
        keeps: bool = True,
        notices: bool = True,
        prefill: bool = True,
        on_stop: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(self._serve)
        self.pieces = pieces
        self.thinking = thinking
        self.hold = hold
        self.pings = pings
        self.ring = ring
        self.keeps = keeps
        self.notices = notices
        self.prefill = prefill
        self.on_stop = on_stop
        self.generations: list[Generation] = []
        self._kept: dict[str, Generation] = {}
        self._going = asyncio.Event()
        self._producers: set[asyncio.Task[None]] = set()

    @property
    def posts(self) -> list[Request]:
        """The requests for an answer."""
        return [one for one in self.requests if one.method == "POST" and one.target != LOOKUP]

    @property
    def offsets(self) -> list[int]:
        """From where a stream was to go on, in the order of asking."""
        asked = [one for one in self.requests if one.method == "GET" and STREAM in one.target]
        return [int(_query(one)["from"]) for one in asked]

    @property
    def stops(self) -> list[str]:
        """The names of the generations that were to be stopped."""
        return [_query(one)["conv_id"] for one in self.requests if one.method == "DELETE"]

    def go(self) -> None:
        """Go on, for good."""
        self._going.set()

    def restart(self) -> None:
        """Lose every generation and every connection."""
        for generation in self._kept.values():
            generation.end("stopped")
        self._kept.clear()
        for wire in self.wires:
            wire.abort()

    async def __aexit__(self, *error: object) -> None:
        for task in self._producers:
            task.cancel()
        await asyncio.gather(*self._producers, return_exceptions=True)
        await super().__aexit__(*error)

    async def _serve(self, request: Request, wire: Wire) -> None:
        path = urlsplit(request.target).path
        match request.method:
            case "POST" if path in ANSWERS:
                await self._generate(request, path, wire)
            case "POST" if path == LOOKUP and self.keeps:
                await self._look_up(request, wire)
            case "GET" if path == STREAM and self.keeps:
                await self._replay(_query(request), wire)
            case "DELETE" if path == STREAM and self.keeps:
                await self._stop(_query(request)["conv_id"], wire)
            case "GET" if path == "/v1/models":
                model = {"id": "a-model", "object": "model", "owned_by": "llamacpp"}
                await _reply(wire, 200, {"object": "list", "data": [model]})
            case _:
                await _refuse(wire, 404, NOT_FOUND)

    async def _generate(self, request: Request, path: str, wire: Wire) -> None:
        *_, before, last = ({"role": ""}, *turns(request.json()))
        if last["role"] == "assistant" and not self.prefill:
            await _refuse(wire, 400, NO_PREFILL)
            return
        thinking, pieces = self.thinking, self.pieces
        if last["role"] == "assistant":
            thinking, pieces = (), _after(last["content"], pieces)
        elif before["role"] == "assistant":
            pieces = _after(before["content"], pieces, repeats=False)
        generation = self._begin(request, ANSWERS[path](len(self.generations), thinking, pieces))
        if self.hold == 0:
            gone = wire.peer_closed if self.notices else asyncio.Event()
            await _first(self._going.wait(), gone.wait())
        if self.notices and wire.peer_closed.is_set():
            self._kept.pop(generation.name, None)
            generation.end("disconnected")
            return
        self._producers.add(asyncio.create_task(self._produce(generation)))
        try:
            await self._stream(generation, 0, wire)
        finally:
            if not generation.name:
                generation.end("disconnected")

    def _begin(self, request: Request, blocks: list[bytes]) -> Generation:
        name = request.headers.get("x-conversation-id", "") if self.keeps else ""
        blocks = [PING * (n in self.pings) + block for n, block in enumerate(blocks)]
        generation = Generation(name, blocks, self.ring)
        self.generations.append(generation)
        if name:
            if old := self._kept.get(name):
                old.end("replaced")
            self._kept[name] = generation
        return generation

    async def _produce(self, generation: Generation) -> None:
        for number, block in enumerate(generation.blocks):
            if number == self.hold:
                await self._going.wait()
            if generation.ended:
                return
            generation.append(block)
            await asyncio.sleep(0)
        generation.end("done")

    async def _stream(self, generation: Generation, offset: int, wire: Wire) -> None:
        """The body from `offset` on, as it comes, to its end."""
        await wire.open_stream(_HEADERS)
        while offset >= generation.dropped:
            moved = generation.moved
            if data := bytes(generation.body[offset:]):
                offset += len(data)
                await wire.chunk(data)
            elif generation.ended:
                break
            else:
                await _first(moved.wait(), wire.peer_closed.wait())
                if wire.peer_closed.is_set():
                    return
        await wire.end()

    async def _look_up(self, request: Request, wire: Wire) -> None:
        asked = request.json()["conversation_ids"]
        found = [self._kept[name] for name in asked if name in self._kept]
        rows = [
            {"conversation_id": one.name, "is_done": bool(one.ended), "total_bytes": len(one.body)}
            for one in found
        ]
        await wire.reply(200, json.dumps(rows), {"Content-Type": "application/json", **_HEADERS})

    async def _replay(self, query: dict[str, str], wire: Wire) -> None:
        generation, offset = self._kept.get(query["conv_id"]), int(query["from"])
        if generation is None:
            await _refuse(wire, 404, NOT_FOUND)
        elif offset < generation.dropped:
            await _refuse(wire, 400, OFFSET_LOST)
        else:
            await self._stream(generation, offset, wire)

    async def _stop(self, name: str, wire: Wire) -> None:
        self.on_stop()
        if generation := self._kept.pop(name, None):
            generation.end("stopped")
        await wire.reply(204, headers={**_HEADERS, "Content-Type": "application/json"})


def _query(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(request.target).query).items()}


def turns(body: dict[str, Any]) -> list[dict[str, str]]:
    """The messages of a request, in any dialect."""
    return body.get("messages") or body["input"]


def _after(said: str, pieces: Sequence[str], *, repeats: bool = True) -> list[str]:
    """What is left of the answer after `said`; with `repeats` that comes in the first piece."""
    rest = "".join(pieces).removeprefix(said)
    return [said * repeats + rest[:1], *(rest[at : at + 4] for at in range(1, len(rest), 4))]


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when one of them does."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _refuse(wire: Wire, status: int, message: str) -> None:
    kind = "not_found_error" if status == 404 else "invalid_request_error"
    error = {"message": message, "type": kind, "code": status}
    await _reply(wire, status, {"error": error})


async def _reply(wire: Wire, status: int, fields: dict[str, Any]) -> None:
    kind = {"Server": "llama.cpp", "Content-Type": "application/json; charset=utf-8"}
    await wire.reply(status, json.dumps(fields), kind)
