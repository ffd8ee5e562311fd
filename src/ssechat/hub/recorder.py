"""The recorder: from arrival to fold. A frame is folded only once the journal holds it.

Frames that arrive while a commit is under way are committed together next. If the journal cannot be
written, frames are kept in memory up to a bound, folded all the same, and written when it can be.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import reduce
from typing import NamedTuple

from ssechat.core.errors import JournalProblem
from ssechat.core.frames import Frame
from ssechat.core.splice import moved
from ssechat.journal import LeaseLost, StreamJournal

BOUND = 16 * 2**20  # bytes, about, held in memory per stream before reading pauses
FRAME_SIZE = 250  # bytes, about, of a frame beside its text
RETRY = 1.0  # s
SLICE = 64  # frames folded in one go: a millisecond or two


class Recorder:
    """The one way of a stream's frames into its journal.

    After each commit, in order, `safe(frames)` is called, and once whoever waited for them has had
    a turn, `recorded(frames)`; `trouble(problem or None)` when
    writing fails and when it works again; `dispossessed()` once another process owns the stream:
    from then on frames are dropped. `saved_seq` is the number of the last frame in the journal.
    `pace` is how many seconds apart commits are at least; the first after a pause comes at once.
    """

    def __init__(
        self,
        journal: StreamJournal,
        stream_id: str,
        *,
        cursor: str,
        saved_seq: int,
        safe: Callable[[list[Frame]], object],
        recorded: Callable[[list[Frame]], None],
        trouble: Callable[[JournalProblem | None], None],
        dispossessed: Callable[[], None],
        pace: float = 0.0,
    ) -> None:
        self.unsaved: list[Frame] = []
        self.saved_seq = saved_seq
        self._journal = journal
        self._stream_id = stream_id
        self._cursor = cursor
        self._safe = safe
        self._recorded = recorded
        self._trouble = trouble
        self._dispossessed = dispossessed
        self._ours = True
        self._pace = pace
        self._next = 0.0
        self._waiting: list[Frame] = []
        self._held = 0
        self._due = False  # to try again to write what is unsaved
        self._worker: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._roomy = asyncio.Event()
        self._roomy.set()

    def put(self, frames: list[Frame]) -> None:
        """Take frames over. They are safe from the caller's cancellation."""
        self._waiting += frames
        self._held += sum(map(_size, frames))
        if self._held > BOUND:
            self._roomy.clear()
        self._start()

    async def room(self) -> None:
        """Wait until there is room for more."""
        await self._roomy.wait()

    async def idle(self) -> None:
        """Wait until all that was put has been folded (and saved, if it can be)."""
        while self._worker is not None:
            await asyncio.shield(self._worker)

    async def saved(self) -> bool:
        """Try once more to write what could not be written; whether nothing is left."""
        self._try_again()
        await self.idle()
        return not self.unsaved

    def close(self) -> None:
        if self._retry is not None:
            self._retry.cancel()

    def _start(self) -> None:
        """Write at once where that may be: not only when a task has its turn."""
        if self._worker is None and (self._waiting or self._due):
            first = self._begin() if self._wait() <= 0 else None
            self._worker = asyncio.ensure_future(self._work(first))

    def _try_again(self) -> None:
        self._due = bool(self.unsaved)
        self._start()

    async def _work(self, writing: _Writing | None) -> None:
        try:
            while writing or self._waiting or self._due:
                if writing is None:
                    if (pause := self._wait()) > 0:
                        await asyncio.sleep(pause)
                    writing = self._begin()
                if await self._written(writing):
                    await self._fold(writing.batch)
                writing = None
        finally:
            self._worker = None

    def _wait(self) -> float:
        """Seconds: what comes right after a commit waits for others to be committed with it."""
        return self._next - time.monotonic() if self._pace else 0.0

    async def _fold(self, batch: list[Frame]) -> None:
        """In slices: a replay may bring thousands at once, and others have their turn."""
        for at in range(0, len(batch), SLICE):
            part = batch[at : at + SLICE]
            self._safe(part)
            await asyncio.sleep(0)
            self._recorded(part)

    def _begin(self) -> _Writing:
        """Hand what waits to the journal. While that refuses, frames gather until the next try,
        however many come."""
        batch, self._waiting = self._waiting, []
        self._next = time.monotonic() + self._pace
        if not self._ours:
            return _Writing([])
        self._cursor = reduce(moved, batch, self._cursor)
        if self.unsaved and not self._due:
            self.unsaved += batch
            return _Writing(batch)
        self._due = False
        frames = self.unsaved + batch
        number = self._journal.append(self._stream_id, frames, self._cursor)
        return _Writing(batch, frames, number)

    async def _written(self, writing: _Writing) -> bool:
        """Whether the stream is ours; then what has been written, or cannot be, may be folded."""
        if writing.number is not None:
            await self._save(writing.frames, writing.number)
        return self._ours

    async def _save(self, frames: Sequence[Frame], number: Awaitable[int]) -> None:
        try:
            self.saved_seq = await number
        except LeaseLost:
            self._ours = False
            self.unsaved = []
            self._dispossessed()
        except JournalProblem as problem:
            self.unsaved = list(frames)
            self._trouble(problem)
            self._retry_later()
            return
        late, self.unsaved = self.unsaved, []
        if late:
            self._trouble(None)
        self._held = sum(map(_size, self._waiting))
        self._roomy.set()

    def _retry_later(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = asyncio.get_running_loop().call_later(RETRY, self._try_again)


class _Writing(NamedTuple):
    """A batch, and the `frames` that are being written with it; the last one's number to come."""

    batch: list[Frame]
    frames: Sequence[Frame] = ()
    number: Awaitable[int] | None = None


def _size(frame: Frame) -> int:
    return len(frame.data) + len(frame.event) + len(frame.id) + FRAME_SIZE
