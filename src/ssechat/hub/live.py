"""A live stream as its readers see it: what has been folded so far, and what is going on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from ssechat.core.deltas import EndState
from ssechat.core.dialects import Decoder
from ssechat.core.errors import Problem
from ssechat.core.fold import Fold
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.history import History
from ssechat.core.resume import KEPT, STREAMS, Rung, Settle, Stream
from ssechat.core.schemes import HOPED, Handle, outlives, rung


class Taken(NamedTuple):
    """What frames added: `meant` events that meant something; `late`: text after a verdict;
    `at_once`: a verdict in one event with text."""

    meant: int
    late: bool
    at_once: bool


class Live:
    """One stream of this process. The hub, its pump or follower change it; everybody may look.

    `machine` is the resume machine's state. `cursor` is the last committed event id, number or byte
    offset, `seq` the number of the last frame folded, which is `latest`. `handle` is how to get
    back to it at its server; `policy` is the profile's `resume`; `continues`: the API has a form
    for a new request that goes on from a partial answer. `due` is when the machine tries again
    (monotonic), if it waits. `outcome` is how it ended, before that is written; `ended` is set
    after. `unsaved` is why the journal cannot be written at present, `problem` what went wrong
    last. `followed`: another process reads it. `humble`: its server has taken the humbler request,
    after it had refused the first. `relayed`: the background relay keeps it. `version` rises with
    every change.
    """

    def __init__(
        self,
        stream_id: str,
        conversation_id: str,
        message_id: str,
        *,
        profile: str,
        model: str,
        fold: Fold,
        dialect: str = "",
        named: bool = False,
    ) -> None:
        self.stream_id = stream_id
        self.conversation_id = conversation_id
        self.message_id = message_id
        self.profile = profile
        self.model = model
        self.dialect = dialect
        self.fold = fold
        self.history = History(named=named)
        self.machine = Stream()
        self.seq = 0
        self.handle = Handle()
        self.policy = "auto"
        self.continues = False
        self.due: float | None = None
        self.unsaved: Problem | None = None
        self.outcome: Settle | None = None
        self.problem: Problem | None = None
        self.followed = False
        self.humble = False
        self.relayed = False
        self.version = 0
        self.ended = asyncio.Event()
        self._watchers: list[Callable[[Live], None]] = []
        self._changed = asyncio.Event()
        self.latest: Frame | None = None
        self.restarted: Callable[[], object] = lambda: None
        self.tap: Callable[[list[Frame]], object] = lambda frames: None

    @property
    def cursor(self) -> str:
        return self.fold.last_id

    @property
    def way(self) -> Rung:
        """The best rung to be tried, as far as the user lets us use it."""
        return rung(self.handle, self.cursor, self.policy)

    @property
    def shown(self) -> Rung:
        """The same, but only what the server has shown: hope is not told."""
        return Rung.NONE if self.handle.scheme == HOPED else self.way

    @property
    def replays(self) -> bool:
        """Whether its server, asked without a cursor, begins with it anew, and not another one."""
        return rung(self.handle, "", self.policy) in STREAMS

    @property
    def rung(self) -> Rung:
        """How the stream would go on if it were cut now, or goes on if it was."""
        best = Rung.FETCH if self.machine.rung is Rung.FETCH else self.shown
        best = Rung.NONE if self.end is EndState.EXPIRED else best
        return Rung.CONTINUE if best is Rung.NONE and self.continues else best

    @property
    def kept(self) -> bool:
        """Whether it can be gone on with, or fetched, by itself."""
        return self.rung in KEPT

    @property
    def outlives(self) -> bool:
        """Whether the server goes on without us, so that leaving it costs nothing."""
        return self.kept and outlives(self.handle, self.cursor)

    @property
    def stopping(self) -> bool:
        return self.machine.state == "cancelling"

    @property
    def end(self) -> EndState | None:
        return self.outcome.end if self.outcome else None

    def take(self, frames: list[Frame]) -> Taken:
        """Pass committed frames on, and fold them."""
        self.tap(frames)
        return self.add(frames)

    def add(self, frames: list[Frame]) -> Taken:
        """Fold committed frames that have been passed on."""
        meant, late, at_once = 0, False, False
        for frame in frames:
            self.history.add(frame)
            ended, length = self.fold.reply.verdict, self.fold.reply.chars
            meant += bool(self.fold.take(frame)) and frame.kind is FrameKind.EVENT
            if self.fold.reply.chars > length:
                late = late or ended is not None
                at_once = at_once or self.fold.reply.verdict is not ended
            self.latest = frame
        self.seq += len(frames)
        self.changed()
        return Taken(meant, late, at_once)

    def close(self, outcome: Settle) -> None:
        """No frame will follow; the end need not be written yet."""
        last = self.fold.meter.last_token
        if last is None:
            last = self.latest.mono if self.latest else 0.0
        self.fold.close(last)
        self.outcome = outcome
        self.changed()

    def restart(self, decoder: Decoder) -> None:
        """Forget all frames, to fold them again from the journal."""
        self.fold, self.history = type(self.fold)(decoder), History(named=self.history.named)
        self.seq, self.latest = 0, None
        self.restarted()
        self.changed()

    def changed(self) -> None:
        """Wake whoever looks."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()
        for watcher in tuple(self._watchers):
            watcher(self)

    @property
    def watched(self) -> bool:
        return bool(self._watchers)

    async def change(self, version: int) -> None:
        """Return once the stream has moved on from `version`."""
        while self.version == version:
            await self._changed.wait()

    def watch(self, watcher: Callable[[Live], None]) -> Callable[[], None]:
        """Call `watcher` at every change, on the event loop. Returns how to end that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)
