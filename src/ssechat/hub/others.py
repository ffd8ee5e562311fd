"""Streams that other processes read: followed, taken over when those die or the user asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from ssechat.core.errors import ConfigProblem, JournalProblem
from ssechat.core.schemes import outlives
from ssechat.hub.follower import keep_following
from ssechat.hub.live import Live
from ssechat.hub.pump import Pump
from ssechat.journal import UNFINISHED, StreamJournal, StreamRow

_RETRY = 1.0  # s

Start = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Runs work beside the event loop's other work, until the hub closes."""
Resume = Callable[[StreamRow, Live], Awaitable[object]]
"""Goes on with a stream that is ours now."""


class Others:
    """One task for each stream that is followed."""

    def __init__(
        self,
        journal: StreamJournal,
        start: Start,
        resume: Resume,
        may_take: Callable[[StreamRow], Awaitable[bool]],
    ) -> None:
        self._journal = journal
        self._may_take = may_take
        self._start = start
        self._resume = resume
        self._following: dict[str, asyncio.Task[None]] = {}

    def follow(self, live: Live) -> None:
        """Fold what the stream's owner writes; take the stream over if that dies."""
        live.followed = True
        self._following[live.stream_id] = self._start(self._keep_following(live))

    def unfollow(self, live: Live) -> None:
        if (following := self._following.pop(live.stream_id, None)) is not None:
            following.cancel()

    async def take_over(self, live: Live) -> bool:
        """Take the stream from its living owner, who notices; False if it was too late.

        ConfigProblem where the answer would end with the owner's connection.
        """
        row = await self._journal.stream(live.stream_id)
        if row.state not in UNFINISHED or not live.followed:
            return False
        if not outlives(row.handle, row.cursor):
            raise ConfigProblem(
                "this answer would end with the connection of the window that reads it",
                remedy="wait for its end, or stop it there",
            )
        if (following := self._following.pop(live.stream_id, None)) is not None:
            following.cancel()
        adopted = await self._journal.adopt(row.id, row.lease)
        row = await self._journal.stream(row.id)
        if not adopted and row.lease != self._journal.owner:  # else the follower just did it
            self.follow(live)
            return False
        live.followed = False
        await self.take(row, live)
        return True

    async def notice(self, pumps: Mapping[str, Pump]) -> None:
        """Let go of what others have taken: a stream that brings nothing does not show it."""
        for row in await self._journal.foreign():
            if pump := pumps.get(row.id):
                pump.let_go()

    async def take(self, row: StreamRow, live: Live) -> Live:
        """Go on with a stream that is ours now; as soon as the journal can be read, if it cannot
        be at once."""
        if not await self._resumed(row, live):
            self._start(self._keep_taking(row, live))
        return live

    async def _resumed(self, row: StreamRow, live: Live) -> bool:
        try:
            await self._resume(row, live)
        except JournalProblem as problem:
            live.unsaved = problem
            live.changed()
            return False
        return True

    async def _keep_taking(self, row: StreamRow, live: Live) -> None:
        await asyncio.sleep(_RETRY)
        while not await self._resumed(row, live):  # noqa: ASYNC110 - a locked file tells nobody
            await asyncio.sleep(_RETRY)
        live.unsaved = None
        live.changed()

    async def _keep_following(self, live: Live) -> None:
        try:
            row = await keep_following(self._journal, live, self._may_take)
        finally:
            self._following.pop(live.stream_id, None)
        if row is not None:
            live.followed = False
            await self.take(row, live)
