"""Streams that other processes read: followed, taken over when those die or the user asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ssechat.core.errors import ConfigProblem
from ssechat.core.resume import KEPT
from ssechat.core.schemes import rung
from ssechat.hub.follower import keep_following
from ssechat.hub.live import Live
from ssechat.journal import UNFINISHED, Journal, StreamRow

Start = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Runs work beside the event loop's other work, until the hub closes."""
Resume = Callable[[StreamRow, Live], Awaitable[object]]
"""Goes on with a stream that is ours now."""


class Others:
    """One task for each stream that is followed."""

    def __init__(self, journal: Journal, start: Start, resume: Resume) -> None:
        self._journal = journal
        self._start = start
        self._resume = resume
        self._following: dict[str, asyncio.Task[None]] = {}

    def follow(self, live: Live) -> None:
        """Fold what the stream's owner writes; take the stream over if that dies."""
        live.followed = True
        self._following[live.stream_id] = self._start(self._keep_following(live))

    async def take_over(self, live: Live) -> bool:
        """Take the stream from its living owner, who notices; False if it was too late.

        ConfigProblem where the answer would end with the owner's connection.
        """
        row = await self._journal.stream(live.stream_id)
        if row.state not in UNFINISHED or not live.followed:
            return False
        if rung(row.handle, row.cursor) not in KEPT:
            raise ConfigProblem(
                "this answer would end with the connection of the window that reads it",
                remedy="wait for its end, or stop it there",
            )
        if (following := self._following.pop(live.stream_id, None)) is not None:
            following.cancel()
        if not await self._journal.adopt(row.id, row.lease):
            self.follow(live)
            return False
        live.followed = False
        await self._resume(row, live)
        return True

    async def _keep_following(self, live: Live) -> None:
        row = await keep_following(self._journal, live)
        if row is not None:
            live.followed = False
            await self._resume(row, live)
