"""The reader: the life of one connection, from the request to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import msgspec

from ssechat.core.conversation import Call
from ssechat.core.dialects import Dialect
from ssechat.core.errors import LinkProblem, Problem
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.resume import (
    Connect,
    Differed,
    Happening,
    Lost,
    Opened,
    Refused,
    Rung,
    Sent,
    State,
    Unreached,
)
from ssechat.core.splice import Finding, Splice
from ssechat.hub.live import Live
from ssechat.hub.recorder import Recorder
from ssechat.link import Clients, Connection, Target, connect
from ssechat.link.connection import sendable
from ssechat.link.problems import futile


class Outgoing(msgspec.Struct, frozen=True):
    """What a stream sends, and where to. `may_resume` is False where the user switched it off."""

    target: Target
    call: Call
    dialect: Dialect
    idempotency_key: str = ""
    may_resume: bool = True


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
        opened: Callable[[Connection], None],
        refetched: set[str],
    ) -> None:
        self._live = live
        self._out = out
        self._recorder = recorder
        self._clients = clients
        self._tell = tell
        self._note = note
        self._on_open = opened
        self._refetched = refetched
        self._away = False
        self.over = False

    async def run(self, how: Connect) -> None:
        """Connect, read to the end, and say how it ended."""
        await self._recorder.idle()
        happening = await self._attempt(how)
        await self._recorder.idle()
        if isinstance(happening, Lost) and self._live.machine.verdict is None:
            self._note(MarkName.LOST, why=happening.why)
        self._tell(happening)

    async def _attempt(self, how: Connect) -> Happening:
        cursor = self._live.cursor if how.resume and not how.from_start else ""
        cursor = cursor if sendable(cursor) else ""
        try:
            async with connect(
                self._clients,
                self._out.target,
                self._call(how),
                on_sent=self._sent,
                error_text=self._out.dialect.error_text,
                last_event_id=cursor,
                end_mark=self._out.dialect.END_MARK,
            ) as connection:
                self._on_open(connection)
                self._tell(Opened(rung_of(self._live), stoppable=bool(cancel_path(self._live))))
                self._away = self._live.fold.away
                ordered = bool(self._live.remote_id)
                splice = Splice(self._live.history, cursor, ordered=ordered)
                async with aclosing(connection.frames()) as arriving:
                    await self._read(arriving, splice)
        except LinkProblem as problem:
            self._live.problem = problem
            return _happening(problem)
        except Problem as problem:
            self._live.problem = problem
            return Unreached(problem.title, futile=True)
        return Lost("the server closed the stream before its end")

    def _call(self, how: Connect) -> Call:
        if how.resume:
            return Call("GET", self._live.resume_path, {})
        if not self._out.idempotency_key:
            return self._out.call
        headers = self._out.call.headers | {"Idempotency-Key": self._out.idempotency_key}
        return msgspec.structs.replace(self._out.call, headers=headers)

    def _sent(self) -> None:
        if self._live.machine.state is State.SUBMITTING:
            self._note(MarkName.SENT)
        self._tell(Sent())

    async def _read(self, arriving: AsyncIterator[list[Frame]], splice: Splice) -> None:
        async for frames in arriving:
            if not self.over:
                self._sift(splice, frames)
                await self._recorder.room()

    def _sift(self, splice: Splice, frames: list[Frame]) -> None:
        """Record what is new. A gap is asked for again once, then marked."""
        while frames:
            new, broken, frames = splice.sift(frames)
            if self._away and any(frame.kind is FrameKind.EVENT for frame in new):
                self._away = False
                self._note(MarkName.RESUMED, checked=splice.checked)
            if new:
                self._recorder.put(new)
            if broken is Finding.DIFFERS:
                self._tell(Differed())
                return
            if broken is Finding.GAP:
                self._gap(splice, frames[0])

    def _gap(self, splice: Splice, frame: Frame) -> None:
        if frame.id not in self._refetched:
            self._refetched.add(frame.id)
            raise LinkProblem("the server skipped some events", kind="lost")
        self._note(MarkName.GAP, **{"from": self._live.cursor, "to": frame.id})
        splice.accept(frame)


def rung_of(live: Live) -> Rung:
    """What the server has shown so far of how the stream can continue."""
    if not live.resume_path:
        return Rung.NONE
    return Rung.EXACT if live.cursor or live.remote_id else Rung.REPLAY


def cancel_path(live: Live) -> str:
    """Where a server that names its streams as our relay does is told to stop; or ""."""
    path, _, last = live.resume_path.partition("?")[0].rpartition("/")
    return f"{path}/cancel" if live.remote_id and last == "events" else ""


def _happening(problem: LinkProblem) -> Happening:
    match problem.kind:
        case "connect":
            return Unreached(problem.title, futile=futile(problem))
        case "status":
            return Refused(problem.title, problem.status, problem.retry_after)
        case "content" | "limit":
            return Refused(problem.title)
    return Lost(problem.title)
