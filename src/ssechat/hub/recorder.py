"""The recorder: from arrival to fold. A frame is folded only once the journal holds it.

Frames that arrive while a commit is under way are committed together next. If the journal cannot be
written, frames are kept in memory up to a bound, folded all the same, and written when it can be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ssechat.core.errors import JournalProblem
from ssechat.core.frames import Frame
from ssechat.journal import Journal, LeaseLost

BOUND = 16 * 2**20  # characters of data held in memory per stream before reading pauses
RETRY = 1.0  # s


class Recorder:
    """The one way of a stream's frames into its journal.

    `recorded(frames)` is called after each commit, in order; `trouble(problem or None)` when
    writing fails and when it works again; `dispossessed()` if another process owns the stream now.
    """

    def __init__(
        self,
        journal: Journal,
        stream_id: str,
        *,
        cursor: str,
        recorded: Callable[[list[Frame]], None],
        trouble: Callable[[JournalProblem | None], None],
        dispossessed: Callable[[], None],
    ) -> None:
        self.unsaved: list[Frame] = []
        self._journal = journal
        self._stream_id = stream_id
        self._cursor = cursor
        self._recorded = recorded
        self._trouble = trouble
        self._dispossessed = dispossessed
        self._waiting: list[Frame] = []
        self._held = 0
        self._worker: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._roomy = asyncio.Event()
        self._roomy.set()

    def put(self, frames: list[Frame]) -> None:
        """Take frames over. They are safe from the caller's cancellation."""
        self._waiting += frames
        self._held += sum(len(frame.data) for frame in frames)
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
        self._start()
        await self.idle()
        return not self.unsaved

    def close(self) -> None:
        if self._retry is not None:
            self._retry.cancel()

    def _start(self) -> None:
        if self._worker is None:
            self._worker = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        try:
            first = True
            while self._waiting or (first and self.unsaved):
                first = False
                batch, self._waiting = self._waiting, []
                await self._save(batch)
                if batch:
                    self._recorded(batch)
        finally:
            self._worker = None

    async def _save(self, batch: list[Frame]) -> None:
        frames = self.unsaved + batch
        cursor = self._cursor
        for frame in batch:
            if frame.id or frame.own_id:
                cursor = frame.id
        self._cursor = cursor
        try:
            await self._journal.append(self._stream_id, frames, cursor)
        except LeaseLost:
            self.unsaved = []
            self._dispossessed()
        except JournalProblem as problem:
            self.unsaved = frames
            self._trouble(problem)
            self._retry_later()
            return
        if self.unsaved:
            self._trouble(None)
        self.unsaved = []
        self._held = sum(len(frame.data) for frame in self._waiting)
        self._roomy.set()

    def _retry_later(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = asyncio.get_running_loop().call_later(RETRY, self._start)
