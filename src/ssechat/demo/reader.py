"""One reader's connection: it sends events as they fall due, and breaks where it was told to."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ssechat.demo.provider import Provider
from ssechat.demo.script import Script
from ssechat.demo.stream import Stream
from ssechat.demo.wire import Head, wire

_BEAT = 15.0
_STALL_BEAT = 1.0
_RETRY = 1000
_BURST = 64
_FLUSH = 0.1


class Reader(Response):
    """The response to a request for a stream's events after number `after`.

    Whoever hangs up changes nothing; only a plain stream, which nobody can ask for, is gone.
    """

    def __init__(
        self,
        provider: Provider,
        stream: Stream,
        play: Script,
        after: int = 0,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(headers=_headers(stream) | (headers or {}))
        del self.headers["content-length"]
        self.stream = stream
        self._provider = provider
        self._play = play
        self._sent = after
        self._api = wire(stream.dialect)
        self._head = _head(stream, play)
        self._bell = asyncio.Event()
        self._wrote = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._send = send
        self._transport: asyncio.Transport = scope["state"]["transport"]
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await self._end()
            return
        watch = asyncio.create_task(self._watch(receive))
        self._provider.listeners.add(self)
        try:
            await self._write("ssechat demo")
            if not (self._sent == 0 and await self._broken()):
                await self._follow()
            if self._transport.is_closing():
                await watch
        finally:
            self._provider.listeners.discard(self)
            watch.cancel()

    def wake(self) -> None:
        self._bell.set()

    def hang_up(self) -> None:
        self._transport.abort()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.wake()

    async def _follow(self) -> None:
        while not self._transport.is_closing():
            if self._sent >= self.stream.last:
                await self._end()
                return
            wait = self.stream.due(self._sent + 1) - time.time()
            if wait > 0:
                await self._quiet(wait)
                continue
            await self._event()
            if await self._broken():
                return

    async def _event(self) -> None:
        self._sent += 1
        number, plain = self._sent, self.stream.plain
        name, data = self._api.event(self._play.steps[number - 1], self._head)
        lines = [f"retry: {_RETRY}"] if number == 1 and not plain else []
        if not plain and number % self._play.asked.sparse == 0:
            lines.append(f"id: {self.stream.event_id(number)}")
        if name:
            lines.append(f"event: {name}")
        await self._put("\n".join([*lines, f"data: {data}", "", ""]))
        if number % _BURST == 0:
            await asyncio.sleep(0)

    async def _quiet(self, wait: float) -> None:
        beat = _STALL_BEAT if self.stream.stalls_after(self._sent) else _BEAT
        left = self._wrote + beat - time.monotonic()
        if left <= 0:
            await self._write("keepalive")
        else:
            await self._sleep(min(wait, left))

    async def _sleep(self, seconds: float) -> None:
        self._bell.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            pass

    async def _broken(self) -> bool:
        """Do what the knobs say for this place. True: the response is over."""
        number, asked = self._sent, self._play.asked
        if self._due(asked.silence_of(number), "silence"):
            await self._silence(asked.silence_of(number))
        if self._due(number in asked.eof, "eof"):
            await self._end()
            return True
        if self._due(number in asked.cut, "cut"):
            self._transport.close()
            return True
        if self._due(number in asked.reset, "reset"):
            # A reset throws away what the kernel has not sent yet.
            await asyncio.sleep(_FLUSH)
            if not self._transport.is_closing():
                _reset(self._transport)
            return True
        return False

    def _due(self, asked: object, fault: str) -> bool:
        return bool(asked) and self._provider.fire(self.stream, f"{fault}:{self._sent}")

    async def _silence(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._transport.is_closing() and (left := until - time.monotonic()) > 0:
            await self._sleep(left)

    async def _write(self, comment: str) -> None:
        # No blank line: some decoders would take it for an empty event.
        await self._put(f": {comment}\n")

    async def _put(self, text: str) -> None:
        await self._send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        self._wrote = time.monotonic()

    async def _end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _head(stream: Stream, play: Script) -> Head:
    token = stream.id.removeprefix("st_")[:24]
    return Head(token, int(stream.began), stream.model, play.input, play.ask.usage)


def _headers(stream: Stream) -> dict[str, str]:
    headers = {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store, no-transform",
        "X-Accel-Buffering": "no",
    }
    if not stream.plain:
        headers["Location"] = f"/v1/streams/{stream.id}/events"
        headers["Ssechat-Stream-Id"] = stream.id
    return headers


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST instead of FIN."""
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
