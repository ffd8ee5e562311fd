"""The journal as the rest of the program sees it: the streams, and what `Library` adds to them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Unpack

from ssechat.core.errors import JournalProblem
from ssechat.core.frames import Frame
from ssechat.journal import begin, frames, ownership, packs, streams, tabs
from ssechat.journal.database import Database
from ssechat.journal.lease import Lease
from ssechat.journal.library import Library
from ssechat.journal.records import Begun, NewStream, Outcome, StreamChange, StreamRow

_LOOK = 0.25  # s between looks at what another process writes


class Journal(Library):
    """One file, as one of perhaps many processes that have it open.

    What is awaited is committed on return. Everything may raise JournalProblem or, where it says
    so, one of its kinds; the file is then as before, and the same may be tried again.
    """

    shared = False
    heartbeat = 5.0
    """Seconds between two `beat`s."""

    def __init__(self, database: Database, lease: Lease) -> None:
        super().__init__(database, lease)
        self._database = database

    @classmethod
    async def open(cls, path: Path, lease: Lease | None = None) -> Journal:
        """Open or create the file. `lease` names this process if the system is not to be asked."""
        if lease is None:
            lease = await asyncio.to_thread(Lease.current)
        return cls(await Database.open(path), lease)

    @property
    def owner(self) -> str:
        """What `StreamRow.lease` says of this process' streams."""
        return self._own

    async def flush(self) -> None:
        """Return once all writes asked for so far are committed or have failed."""
        await self._database.flush()

    def hurry(self) -> None:
        """The process is about to end: another one's lock is waited for only for a moment."""
        self._database.hurry()

    async def release(self) -> None:
        """Leave this process' streams and tabs to whoever comes next."""
        await self._write(lambda c: _release(c, self._own))

    async def close(self) -> None:
        """Release, flush and close. Safe to call twice."""
        with suppress(JournalProblem):
            await self.release()
        await self._database.close()

    async def begin(self, new: NewStream) -> Begun:
        """Write down a question and the stream that is to answer it; the head moves there."""
        return await self._write(lambda c: begin.begin(c, self._own, new, time.time()))

    def append(self, stream_id: str, batch: Sequence[Frame], cursor: str) -> Awaitable[int]:
        """Append frames and move the cursor, as one. Returns the last number. May be LeaseLost."""
        own = self._own
        return self._database.write(lambda c: frames.append(c, own, stream_id, batch, cursor))

    async def update_stream(self, stream_id: str, **change: Unpack[StreamChange]) -> None:
        """Note what became known of a live stream. May be LeaseLost."""
        await self._write(lambda c: streams.update(c, self._own, stream_id, change))

    async def settle(self, stream_id: str, outcome: Outcome) -> None:
        """End a stream and write its message; done once, it changes no more. May be LeaseLost."""
        await self._write(lambda c: streams.settle(c, self._own, stream_id, outcome, time.time()))

    async def reopen(self, stream_id: str) -> bool:
        """Make an ended stream live again and ours; False if it is not ended. May be NotFound."""
        return await self._write(lambda c: streams.reopen(c, self._own, stream_id, time.time()))

    async def stream(self, stream_id: str) -> StreamRow:
        """May be NotFound."""
        return await self._read(lambda c: streams.get(c, stream_id))

    async def met_relay(self, profile: str) -> bool:
        """Whether a relay of ours has answered for this profile."""
        return await self._read(lambda c: streams.met_relay(c, profile))

    async def streams(self, *states: str, limit: int = 100) -> list[StreamRow]:
        """The newest first, in these states or in any."""
        return await self._read(lambda c: streams.recent(c, states, limit))

    async def frames(
        self, stream_id: str, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, Frame]]:
        """Up to `limit` frames that follow number `after`, with their numbers, packed or not."""
        return await self._read(lambda c: packs.read(c, stream_id, after, limit))

    async def pack(self, stream_id: str) -> bool:
        """Compress an ended stream's frames; False if there was nothing to do."""
        packed = await self._read(lambda c: packs.build(c, stream_id))
        return packed is not None and await self._write(lambda c: packs.store(c, packed))

    async def purge(self, days: float = 30) -> None:
        """Drop the frames of streams that ended more than `days` ago. Messages stay."""
        await self._write(lambda c: _purge(c, days, time.time()))

    async def orphans(self) -> list[StreamRow]:
        """Unfinished streams whose process is dead."""
        return (await self._by_life())[0]

    async def foreign(self) -> list[StreamRow]:
        """Unfinished streams of other, living processes."""
        return (await self._by_life())[1]

    async def lives(self, row: StreamRow) -> bool:
        """Whether the process that owns the stream lives."""
        return self.lease.alive(row.lease, row.beat, time.time())

    async def news(self, stream_id: str, after: int) -> None:
        """Return when it is time to look again what another process has written."""
        await asyncio.sleep(_LOOK)

    async def adopt(self, stream_id: str, old_lease: str) -> bool:
        """Take an unfinished stream over from `old_lease`; False if somebody else was faster."""
        return await self._write(
            lambda c: ownership.adopt(c, self._own, stream_id, old_lease, time.time())
        )

    async def beat(self) -> None:
        """Say that this process lives; to be called every 5 s."""
        await self._write(lambda c: ownership.claim(c, self._own, time.time()))

    async def _by_life(self) -> tuple[list[StreamRow], list[StreamRow]]:
        return await self._read(lambda c: streams.by_life(c, self.lease, time.time()))


def _release(connection: sqlite3.Connection, lease: str) -> None:
    ownership.release(connection, lease)
    tabs.release(connection, lease)


def _purge(connection: sqlite3.Connection, days: float, now: float) -> None:
    packs.purge(connection, days, now)
    ownership.forget_owners(connection, now)
