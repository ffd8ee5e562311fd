"""One reader's connection: events as they come, a sign of life in between, and its end noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ssechat.core.errors import JournalProblem
from ssechat.relay import access
from ssechat.relay.access import Entry
from ssechat.relay.feed import Feed, Forgotten

HEARTBEAT = 15.0
"""Seconds without an event after which a comment says that the connection lives."""
PATIENCE = 60.0
"""Seconds that a reader may take nothing, before its connection breaks off: it has its cursor."""
STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}
NDJSON = {"Content-Type": "application/x-ndjson"}
_OURS = frozenset(name.lower() for name in STREAM_HEADERS)


class Reading(Response):
    """The response that a stream's events after number `after` are.

    Whoever hangs up changes nothing, but that `left` is called then, if it is given and nobody
    else reads. With `lines` it is the upstream's NDJSON. A reader whose token is revoked is let go.
    """

    def __init__(
        self,
        feed: Feed,
        after: int = 0,
        *,
        headers: Mapping[str, str] | None = None,
        left: Callable[[], Awaitable[object]] | None = None,
        lines: bool = False,
    ) -> None:
        own = NDJSON if lines else {}
        others = {name: value for name, value in (headers or {}).items() if name not in _OURS}
        super().__init__(headers={**others, **STREAM_HEADERS, **own})
        del self.headers["content-length"]
        self._feed = feed
        self._after = after
        self._left = left
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._feed.readers += 1
        sending = asyncio.ensure_future(self._send(send))
        hearing = asyncio.ensure_future(_hung_up(receive))
        try:
            await _first(sending, hearing, scope.get("state", {}).get("entry"))
            left = hearing.done() and not sending.done()
            if sending.done():
                sending.result()
        finally:
            self._feed.readers -= 1
            self._feed.rest()
            for task in (sending, hearing):
                task.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)
        if left and self._left is not None and not self._feed.readers:
            await self._left()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        events = self._feed.follow(self._after, lines=self._lines)
        try:
            async for data in events if self._lines else _alive(events):
                async with asyncio.timeout(PATIENCE):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
        except (Forgotten, JournalProblem, TimeoutError):
            return
        if self._feed.closed:  # else the connection breaks off, lest it looks like the end
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _first(
    sending: asyncio.Future[None], hearing: asyncio.Future[None], entry: Entry | None
) -> None:
    """Returns when all is sent, the reader has hung up, or what let them in does not hold."""
    while True:
        ends = asyncio.wait(
            {sending, hearing}, timeout=access.LOOK, return_when=asyncio.FIRST_COMPLETED
        )
        done, _ = await ends
        if done or (entry is not None and not await entry.holds()):
            return


async def _alive(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The events, and a comment where there is none for long."""
    coming: asyncio.Future[bytes] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({coming}, timeout=HEARTBEAT)
            if not done:
                yield b": alive\n"
                continue
            try:
                data = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            yield data
    finally:
        if coming is not None:
            coming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await coming


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
