"""One HTTP exchange, in a task that is cancelled once at most."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

from ssechat.core.errors import LinkProblem

Trace = Callable[[str, dict[str, Any]], Any]
"""httpx' `trace` extension: an async function of a step's name and what it is about."""

AHEAD = 64 * 2**10
"""Bytes that are read before the caller has taken what was read before."""
_PATIENCE = 1.0  # s
_AT_ONCE = 0.0005  # s in which what has come already is read
_MANY = 6  # chunks at once, after which it is worth while to wait for more


class Chunk(NamedTuple):
    """Bytes of a body, and when they came: seconds since the epoch, and monotonic."""

    data: bytes
    wall: float
    mono: float


class Exchange:
    """A request and its response. httpx runs in a task of its own, never in the caller's.

    httpcore 1.0 loses a connection for good if a task is cancelled again while it cleans up. The
    task here is cancelled once, however often its caller is. `AHEAD` bytes are read while the
    caller is busy, about. `pace`: so many seconds after a read the next one follows (twice as many
    where much comes), and all that has come meanwhile is one chunk; the first after a pause comes
    at once.
    """

    opened: float
    """When the response's headers came, in monotonic seconds."""
    sending_since: float | None
    """When the request began to leave, in monotonic seconds; a proxy's CONNECT is not it."""

    def __init__(
        self,
        opening: Callable[[Trace], AbstractAsyncContextManager[httpx.Response]],
        on_sent: Callable[[], None] = lambda: None,
        pace: float = 0.0,
    ) -> None:
        self.opened = 0.0
        self.sending_since = None
        self._on_sent = on_sent
        self._response: httpx.Response | None = None
        self._pace = pace
        self._held: list[Chunk] = []
        self._size = 0
        self._problem: LinkProblem | None = None
        self._left = False
        self._news = asyncio.Event()
        self._taken = asyncio.Event()
        self._task = asyncio.create_task(self._run(opening(self._trace)), name="exchange")
        self._task.add_done_callback(self._over)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The connection is closed, or back in the pool if the body was read to its end.

        While it connects, httpcore loses what is cancelled, so it goes on for a moment by itself;
        the request is then not sent.
        """
        self._left = True
        if self.sending_since is None and not self._task.done():
            asyncio.get_running_loop().call_later(_PATIENCE, self._task.cancel)
            return
        self._task.cancel()
        cancelled = False
        while not self._task.done():
            try:
                await asyncio.wait({self._task})
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError

    async def response(self, connect: float, headers: float) -> httpx.Response:
        """The response's head. TimeoutError if the request has not begun to leave after `connect`
        seconds, or if no headers come within `headers` seconds from then on. Raises httpx' errors,
        and ssl's.
        """
        begun = time.monotonic()
        while self._response is None:
            since = self.sending_since
            limit = begun + connect if since is None else since + headers
            async with asyncio.timeout_at(limit):
                await self._wait()
        return self._response

    async def chunks(self) -> AsyncIterator[Chunk]:
        """The body, as it came, to its end. Raises httpx' errors, and ssl's."""
        while True:
            if held := self._held:
                self._held, self._size = [], 0
                self._taken.set()
                if self._pace:
                    joined = b"".join(chunk.data for chunk in held)
                    held = [Chunk(joined, *held[-1][1:])]
                for chunk in held:
                    yield chunk
            elif self._task.done():
                self._task.result()
                return
            else:
                await self._wait()

    async def beginning(self, most: int, seconds: float) -> bytes:
        """What comes of the body within `seconds`, and `most` bytes of it."""
        body = bytearray()
        try:
            async with asyncio.timeout(seconds):
                async for chunk in self.chunks():
                    body += chunk.data
                    if len(body) >= most:
                        break
        except (OSError, httpx.HTTPError):
            pass
        return bytes(body[:most])

    async def whole(self, most: int, seconds: float) -> bytes:
        """All of the body. LinkProblem if it is cut, or takes longer, or has more bytes."""
        body = bytearray()
        try:
            async with asyncio.timeout(seconds):
                async for chunk in self.chunks():
                    body += chunk.data
                    if len(body) > most:
                        raise LinkProblem(f"the answer has more than {most} bytes", kind="limit")
        except (OSError, httpx.HTTPError):
            raise LinkProblem("the answer was cut off", kind="lost") from None
        return bytes(body)

    def give_up(self, problem: LinkProblem) -> None:
        """Who waits for this exchange gets `problem`."""
        self._problem = problem
        self._news.set()

    async def _wait(self) -> None:
        if self._task.done():
            self._task.result()
        await self._news.wait()
        self._news.clear()
        if self._problem is not None:
            raise self._problem

    def _over(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # asyncio complains of errors that nobody looked at
        self._news.set()

    async def _run(self, opening: AbstractAsyncContextManager[httpx.Response]) -> None:
        async with opening as response:
            self.opened = time.monotonic()
            self._response = response
            self._news.set()
            rested, came = 0.0, 0
            async for data in response.aiter_raw():
                now = time.monotonic()
                while self._size > AHEAD:
                    self._taken.clear()
                    await self._taken.wait()
                self._held.append(Chunk(data, time.time(), now))
                self._size += len(data)
                self._news.set()
                came += 1
                if self._pace and now - rested > _AT_ONCE:  # it was not among what waited
                    await asyncio.sleep(self._pace if came < _MANY else 2 * self._pace)
                    rested, came = time.monotonic(), 0

    async def _trace(self, name: str, about: dict[str, Any]) -> None:
        step = name.partition(".")[2]
        if step == "send_request_headers.started":
            if self._left:
                raise asyncio.CancelledError
            if about["request"].method == b"CONNECT":
                return
            self.sending_since = time.monotonic()
            self._news.set()
        elif step == "send_request_body.complete" and self.sending_since is not None:
            self._on_sent()
