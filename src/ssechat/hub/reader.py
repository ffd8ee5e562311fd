"""The reader: the life of one connection, from the request to its end."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import msgspec

from ssechat import link
from ssechat.core.errors import LinkProblem, Problem
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.resume import (
    Connect,
    Differed,
    Gapped,
    Happening,
    Lost,
    Opened,
    Refused,
    Sent,
    State,
    Unreached,
    Withdrawn,
)
from ssechat.core.resume.limits import TRANSIENT
from ssechat.core.schemes import HOPED, SCHEMES
from ssechat.core.splice import Finding, Ordering, Splice
from ssechat.hub.live import Live
from ssechat.hub.outgoing import Outgoing
from ssechat.hub.recorder import Recorder
from ssechat.hub.slots import Slot
from ssechat.link import Clients
from ssechat.link.target import sendable

_RESUME_TIME = 60.0
"""Seconds until the headers of a stream that exists already: no model has to be loaded for it."""
_NO_END = "the server closed the stream before its end"


class Reader:
    """Reads one connection into the recorder and tells the machine what happens to it.

    `tell` must ignore what it is told once the machine has dropped this connection.
    """

    def __init__(
        self,
        live: Live,
        out: Outgoing,
        recorder: Recorder,
        clients: Clients,
        *,
        tell: Callable[[Happening], None],
        note: Callable[..., None],
        opened: Callable[[link.Connection], None],
        lost: Callable[[], Awaitable[None]],
        refetched: set[str],
        slot: Slot,
        pace: float,
        ours: Callable[[], Awaitable[bool]],
    ) -> None:
        self._live = live
        self._out = out
        self._recorder = recorder
        self._clients = clients
        self._tell = tell
        self._note = note
        self._on_open = opened
        self._on_lost = lost
        self._refetched = refetched
        self._slot = slot
        self._pace = pace
        self._ours = ours
        self._away = False
        self._numbered = ""
        self._ordering = Ordering.OPAQUE
        self.over = False

    async def run(self, how: Connect) -> None:
        """Connect, read to the end, and say how it ended."""
        try:
            await self._slot.take()
            await self._recorder.idle()
            if not await self._ours():
                return
            happening = await self._attempt(how)
        finally:
            self._slot.give()
        await self._recorder.idle()
        if isinstance(happening, Lost) and self._live.machine.verdict is None:
            await self._on_lost()
            self._note(MarkName.LOST, why=happening.why)
        self._tell(happening)

    async def _attempt(self, how: Connect) -> Happening:
        live, dialect = self._live, self._out.dialect
        ordering = self._out.ordering(live)
        cursor = live.cursor if how.resume and not how.from_start else ""
        cursor = cursor if sendable(cursor) else ""
        if how.resume and not (cursor or live.replays):
            return Refused("asking again without an id would begin another answer")
        in_header = how.resume and SCHEMES[live.handle.scheme].in_header
        self._numbered = cursor
        try:
            async with link.connect(
                self._clients,
                self._out.target,
                self._out.request(live, how, cursor),
                on_sent=self._sent,
                error_text=dialect.error_text,
                last_event_id=cursor if in_header else "",
                end_mark=dialect.END_MARK,
                framing=dialect.FRAMING,
                offset=int(cursor or 0) if ordering is Ordering.OFFSET else 0,
                headers_time=_RESUME_TIME if how.resume else math.inf,
                passing=None if how.resume else self._out.passing,
                pace=self._pace,
            ) as connection:
                self._on_open(connection)
                cancel, poll = self._out.cancel(live), self._out.poll(live)
                opened = Opened(live.way, stoppable=bool(cancel), fetchable=bool(poll))
                self._tell(opened)
                self._slot.give()
                self._away = live.fold.away
                self._ordering = self._out.ordering(live)
                splice = Splice(live.history, cursor, ordering=self._ordering)
                async with aclosing(connection.frames()) as arriving:
                    await self._read(arriving, splice)
                if not self.over:
                    self._record(splice.close(), splice)
                whole = splice.caught_up
        except LinkProblem as problem:
            if how.resume and live.handle.scheme == HOPED and _is_no(problem):
                return Withdrawn()
            live.problem = problem
            return happening_of(problem)
        except Problem as problem:
            live.problem = problem
            return Unreached(problem.title, futile=True)
        if dialect.ENDS_AT_EOF and whole and not self.over:
            self._note(MarkName.EOF)
        return Lost(dialect.CUT_NOTE or _NO_END, clean=True)

    def _sent(self) -> None:
        if self._live.machine.state is State.SUBMITTING:
            self._note(MarkName.SENT)
        self._tell(Sent())

    async def _read(self, arriving: AsyncIterator[list[Frame]], splice: Splice) -> None:
        """To the end, also once it is over, unless what came here ended it: a body that is read
        to its end leaves the connection fit for use."""
        async for frames in arriving:
            if self.over:
                continue
            self._trust(splice)
            self._sift(splice, [self._named(frame) for frame in frames])
            if self.over:
                return
            await self._recorder.room()

    def _trust(self, splice: Splice) -> None:
        """Some APIs say in an event, not in a header, that they keep the answer in order."""
        ordering = self._out.ordering(self._live)
        if ordering is not self._ordering:
            self._ordering = ordering
            splice.trust(ordering)

    def _named(self, frame: Frame) -> Frame:
        """The frame under the name by which the server is asked to go on behind it: where that is
        not an `id:` line, those mean nothing."""
        scheme = SCHEMES.get(self._live.handle.scheme)
        if frame.kind not in (FrameKind.EVENT, FrameKind.CURSOR):
            return frame
        if scheme and scheme.in_header and frame.own_id:
            return frame
        counts = self._out.ordering(self._live) is Ordering.OFFSET
        name = str(frame.end) if counts else self._out.dialect.event_id(frame)
        if name:
            self._numbered = name
            return msgspec.structs.replace(frame, id=name, own_id=True)
        if self._numbered and not (scheme and scheme.in_header):
            return msgspec.structs.replace(frame, id=self._numbered, own_id=False)
        return frame

    def _sift(self, splice: Splice, frames: list[Frame]) -> None:
        """Record what is new. A gap is asked for again once; then the final object, if there is
        one, tells what is missing; else it is marked."""
        while frames:
            new, broken, frames = splice.sift(frames)
            self._record(new, splice)
            if broken is Finding.DIFFERS:
                self._tell(Differed())
                return
            if broken is Finding.GAP and self._gap(splice, frames[0]):
                return

    def _record(self, new: list[Frame], splice: Splice) -> None:
        if self._away and any(frame.kind is FrameKind.EVENT for frame in new):
            self._away = False
            self._note(MarkName.RESUMED, checked=splice.checked)
        if new:
            self._recorder.put(new)

    def _gap(self, splice: Splice, frame: Frame) -> bool:
        """Whether reading ends here. Raises LinkProblem to be connected anew."""
        if frame.id not in self._refetched:
            self._refetched.add(frame.id)
            raise LinkProblem("the server skipped some events", kind="lost")
        if self._live.machine.fetchable:
            self._note(MarkName.LOST, why="the server skipped some events")
            self._tell(Gapped())
            return True
        self._note(MarkName.GAP, **{"from": self._live.cursor, "to": frame.id})
        splice.accept(frame)
        return False


def _is_no(problem: LinkProblem) -> bool:
    """Whether the server has answered, and for good."""
    return problem.kind in ("status", "content") and problem.status not in TRANSIENT


def happening_of(problem: LinkProblem) -> Happening:
    """What a failed connection means to the machine."""
    from ssechat.link.problems import futile

    match problem.kind:
        case "connect":
            return Unreached(problem.title, futile=futile(problem))
        case "status":
            return Refused(problem.title, problem.status, problem.retry_after)
        case "content" | "limit":
            return Refused(problem.title)
    return Lost(problem.title)
