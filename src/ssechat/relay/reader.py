"""One reader's connection: events as they come, a sign of life in between, and its end noticed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ssechat.core.errors import JournalProblem
from ssechat.relay import access
from ssechat.relay.access import Entry
from ssechat.relay.feed import Feed, Forgotten

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
        self._taking_since: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._feed.readers += 1
        sending = asyncio.ensure_future(self._send(send))
        hearing = asyncio.ensure_future(_hung_up(receive))
        try:
            await self._over(sending, hearing, scope.get("state", {}).get("entry"))
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
        try:
            async for data in self._feed.follow(self._after, lines=self._lines):
                self._taking_since = time.monotonic()
                await send({"type": "http.response.body", "body": data, "more_body": True})
                self._taking_since = None
        except (Forgotten, JournalProblem):
            return
        if self._feed.closed:  # else the connection breaks off, lest it looks like the end
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _over(
        self, sending: asyncio.Future[None], hearing: asyncio.Future[None], entry: Entry | None
    ) -> None:
        """Returns when all is sent, the reader has hung up or takes nothing any more, or what let
        them in does not hold."""
        while True:
            ends = asyncio.wait(
                {sending, hearing}, timeout=access.LOOK, return_when=asyncio.FIRST_COMPLETED
            )
            done, _ = await ends
            if done or self._stuck() or (entry is not None and not await entry.holds()):
                return

    def _stuck(self) -> bool:
        since = self._taking_since
        return since is not None and time.monotonic() - since > PATIENCE


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
