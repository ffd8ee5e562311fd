"""The recorder: from arrival to fold. A frame is folded only once the journal holds it.

Frames that arrive while a commit is under way are committed together next. If the journal cannot be
written, frames are kept in memory up to a bound, folded all the same, and written when it can be.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import reduce

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

    `recorded(frames)` is called after each commit, in order; `trouble(problem or None)` when
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
        if self._worker is None:
            self._worker = asyncio.ensure_future(self._work())

    def _try_again(self) -> None:
        self._due = bool(self.unsaved)
        self._start()

    async def _work(self) -> None:
        try:
            while self._waiting or self._due:
                await self._keep_pace()
                batch, self._waiting = self._waiting, []
                if await self._take(batch) and batch:
                    await self._fold(batch)
        finally:
            self._worker = None

    async def _keep_pace(self) -> None:
        """What comes right after a commit waits for others to be committed with it."""
        if self._pace:
            now = time.monotonic()
            if now < self._next:
                await asyncio.sleep(self._next - now)
            self._next = max(now, self._next) + self._pace

    async def _fold(self, batch: list[Frame]) -> None:
        """In slices: a replay may bring thousands at once, and others have their turn."""
        for at in range(0, len(batch), SLICE):
            if at:
                await asyncio.sleep(0)
            self._recorded(batch[at : at + SLICE])

    async def _take(self, batch: list[Frame]) -> bool:
        """Save what can be saved; whether the stream is ours. While the journal refuses, frames
        gather until the next try, however many come."""
        if not self._ours:
            return False
        self._cursor = reduce(moved, batch, self._cursor)
        if self.unsaved and not self._due:
            self.unsaved += batch
            return True
        self._due = False
        await self._save(self.unsaved + batch)
        return self._ours

    async def _save(self, frames: list[Frame]) -> None:
        try:
            self.saved_seq = await self._journal.append(self._stream_id, frames, self._cursor)
        except LeaseLost:
            self._ours = False
            self.unsaved = []
            self._dispossessed()
        except JournalProblem as problem:
            self.unsaved = frames
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


def _size(frame: Frame) -> int:
    return len(frame.data) + len(frame.event) + len(frame.id) + FRAME_SIZE
