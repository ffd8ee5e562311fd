"""The keeper: writes down what must survive of a stream beside its frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ssechat.core.deltas import EndState
from ssechat.core.errors import JournalProblem
from ssechat.core.resume import KEPT, Rung, Settle
from ssechat.core.schemes import HOPED, NOTHING
from ssechat.hub.live import Live
from ssechat.hub.outcome import outcome
from ssechat.hub.recorder import Recorder
from ssechat.journal import STOPPING, LeaseLost, StreamJournal

_RETRY = 1.0  # s
_STOP_TIME = 0.5  # s that a stop waits to be written down before it is asked for


class Keeper:
    """The handle, the wish to stop, and the end. What the journal refuses is tried again each
    second, until `close`.

    `dispossessed` is called when another process turns out to own the stream.
    """

    def __init__(
        self,
        live: Live,
        journal: StreamJournal,
        recorder: Recorder,
        dispossessed: Callable[[], None],
    ) -> None:
        self._live = live
        self._journal = journal
        self._recorder = recorder
        self._dispossessed = dispossessed
        self._closing = asyncio.Event()
        self._stopping: asyncio.Task[bool] | None = None
        self._saved = live.handle if live.handle.known else None

    @property
    def behind(self) -> bool:
        """Whether the journal does not say yet how one gets back to the stream."""
        return self._saved != self._live.handle

    def close(self) -> None:
        """Try nothing again."""
        self._closing.set()

    def trouble(self, problem: JournalProblem | None) -> None:
        """Let readers know that the journal cannot be written, or that it can be again."""
        self._live.unsaved = problem
        self._live.changed()

    async def handle(self) -> None:
        """Write down how one gets back to the stream, or that one cannot; its end says it too."""
        while self._live.outcome is None and not await self._written(self._update()):
            if await self._closes():
                return

    async def ours(self) -> bool:
        """Whether the stream is still this process'. While it waited to ask again another may have
        taken it, and ended it: what is asked for then would be paid for twice."""
        try:
            resumes = self._live.fold.resumes
            await self._journal.update_stream(self._live.stream_id, resumes=resumes)
        except LeaseLost:
            self._dispossessed()
            return False
        except JournalProblem:
            pass  # nobody else can write then, either
        return True

    async def stopping(self) -> None:
        """Write down that the user wants it to end; a locked journal does not hold that up."""
        writing = self._journal.update_stream(self._live.stream_id, state=STOPPING)
        self._stopping = asyncio.ensure_future(self._written(writing))
        await asyncio.wait({self._stopping}, timeout=_STOP_TIME)

    async def end(self, settle: Settle) -> bool:
        """Close the stream and write how it ended, once all that arrived is folded; False if that
        was not to be done."""
        await self._recorder.idle()
        live = self._live
        live.close(settle)
        # It was cut behind the server, which has no more.
        relayed = live.fold.reply.verdict is not None
        no_way = live.machine.rung is Rung.NONE or live.handle.scheme == HOPED or relayed
        if no_way and live.way in KEPT and settle.end is EndState.CUT:
            live.handle = NOTHING
        while not (await self._recorder.saved() and await self._written(self._write(settle))):
            if await self._closes():
                return False
        return True

    async def pack(self) -> None:
        """Compress the frames of a stream that has ended."""
        try:
            await self._journal.pack(self._live.stream_id)
        except JournalProblem:
            pass  # the frames stay as they are; nothing depends on it

    async def _update(self) -> None:
        live, handle = self._live, self._live.handle
        await self._journal.update_stream(
            live.stream_id,
            scheme=handle.scheme,
            resume_path=handle.path,
            remote_id=handle.id,
            rung=live.shown,
        )
        self._saved = handle

    async def _write(self, settle: Settle) -> None:
        if self.behind:
            await self._update()
        await self._journal.settle(self._live.stream_id, outcome(self._live, settle))

    async def _closes(self) -> bool:
        """Wait before the next try to write; whether there is to be none."""
        try:
            await asyncio.wait_for(self._closing.wait(), _RETRY)
        except TimeoutError:
            return False
        return True

    async def _written(self, writing: Coroutine[Any, Any, None]) -> bool:
        """Whether there is no need to try this again."""
        try:
            await writing
        except LeaseLost:
            self._dispossessed()
        except JournalProblem as problem:
            self.trouble(problem)
            return False
        if self._live.unsaved is not None and not self._recorder.unsaved:
            self.trouble(None)
        return True
