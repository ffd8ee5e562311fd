"""One connection of the model's client: what `hub.Reader` does, without sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.history import History
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
)
from ssechat.core.schemes import SCHEMES
from ssechat.core.splice import Finding, Ordering, Splice
from ssechat.core.sse import SseDecoder
from ssechat.hub import Live
from ssechat.hub.outgoing import Outgoing
from support.model_server import Line, ModelServer


class Owner(Protocol):
    """What a connection needs of the client."""

    live: Live
    out: Outgoing
    server: ModelServer
    now: float
    refetched: set[str]
    opens: Callable[[Line], None]

    def tell(self, happening: Happening) -> None: ...

    def note(self, name: MarkName, **data: object) -> None: ...

    def put(self, frames: list[Frame]) -> None: ...

    def commit(self) -> None: ...


class Reading:
    """`line` is what it is connected by, `done` that it has said how it ended; `over` that the
    machine has dropped it: what it says from then on is not heard."""

    def __init__(self, owner: Owner, how: Connect) -> None:
        self.how = how
        self.line: Line | None = None
        self.done = self.over = False
        self._owner = owner
        self._decoder = SseDecoder()
        self._splice = Splice(History(), "")
        self.ordering = Ordering.OPAQUE
        self._numbered = ""
        self._away = False

    @property
    def connecting(self) -> bool:
        return self.line is None and not self.done

    def hang_up(self) -> None:
        if self.line is not None:
            self.line = None
            self._owner.server.hang_up()

    def request(self) -> Line | int | None:
        """What the server says to the request; None if there is none that could be made."""
        live, out, server = self._owner.live, self._owner.out, self._owner.server
        how = self.how
        cursor = live.cursor if how.resume and not how.from_start else ""
        if how.resume and not (cursor or live.replays):
            return None
        self._numbered = cursor
        call = out.request(live, how, cursor)
        scheme = SCHEMES.get(live.handle.scheme)
        in_header = cursor if scheme and scheme.in_header else ""
        counts = out.ordering(live) is Ordering.OFFSET
        self._decoder = SseDecoder(
            last_event_id=in_header,
            end_mark=out.dialect.END_MARK,
            offset=int(cursor or 0) if counts else 0,
        )
        if not how.resume:
            return server.post(call, wish=not how.fallback)
        said = server.get(call, in_header)
        assert not isinstance(said, str)
        return said

    def sent(self) -> None:
        if self._owner.live.machine.state is State.SUBMITTING:
            self._owner.note(MarkName.SENT)
        self._tell(Sent())

    def opened(self, line: Line) -> None:
        self.line = line
        live, out = self._owner.live, self._owner.out
        self._owner.opens(line)
        can = {"stoppable": bool(out.cancel(live)), "fetchable": bool(out.poll(live))}
        self._tell(Opened(live.shown, **can))
        self._away = live.fold.away
        self.ordering = out.ordering(live)
        self._splice = Splice(live.history, self._numbered, ordering=self.ordering)

    def receive(self, data: bytes) -> None:
        self._read(self._decoder.feed(data, self._owner.now, self._owner.now))

    def body_ended(self) -> None:
        """Cleanly: what its last bytes mean still counts."""
        self._read(self._decoder.close(self._owner.now, self._owner.now))
        self.lost("the server closed the stream before its end")

    def lost(self, why: str) -> None:
        self.ends(Lost(why))

    def refused(self, status: int | None) -> None:
        self.ends(Refused("refused", status))

    def ends(self, happening: Happening) -> None:
        """All that it brought is committed before its end is told."""
        if self.done or self.over:
            return
        self.done = True
        self.hang_up()
        self._owner.commit()
        if isinstance(happening, Lost) and self._owner.live.machine.verdict is None:
            self._note(MarkName.LOST, why=happening.why)
        self._tell(happening)

    def _tell(self, happening: Happening) -> None:
        if not self.over:
            self._owner.tell(happening)

    def _note(self, name: MarkName, **data: object) -> None:
        if not self.over:
            self._owner.note(name, **data)

    def _read(self, frames: list[Frame]) -> None:
        if self.over or self.done:
            return
        ordering = self._owner.out.ordering(self._owner.live)
        if ordering is not self.ordering:
            self.ordering = ordering
            self._splice.trust(ordering)
        self._sift([self._named(frame) for frame in frames])

    def _named(self, frame: Frame) -> Frame:
        live, out = self._owner.live, self._owner.out
        scheme = SCHEMES.get(live.handle.scheme)
        if frame.kind not in (FrameKind.EVENT, FrameKind.CURSOR):
            return frame
        if scheme and scheme.in_header and frame.own_id:
            return frame
        counts = out.ordering(live) is Ordering.OFFSET
        name = str(frame.end) if counts else out.dialect.event_id(frame)
        if name:
            self._numbered = name
            return msgspec.structs.replace(frame, id=name, own_id=True)
        if self._numbered and not (scheme and scheme.in_header):
            return msgspec.structs.replace(frame, id=self._numbered, own_id=False)
        return frame

    def _sift(self, frames: list[Frame]) -> None:
        while frames:
            new, broken, frames = self._splice.sift(frames)
            if self._away and any(frame.kind is FrameKind.EVENT for frame in new):
                self._away = False
                self._note(MarkName.RESUMED, checked=self._splice.checked)
            self._owner.put(new)
            if broken is Finding.DIFFERS:
                self._tell(Differed())
                return
            if broken is Finding.GAP and self._gap(frames[0]):
                return

    def _gap(self, frame: Frame) -> bool:
        owner = self._owner
        if frame.id not in owner.refetched:
            owner.refetched.add(frame.id)
            self.lost("the server skipped some events")
            return True
        if owner.live.machine.fetchable:
            self._note(MarkName.LOST, why="the server skipped some events")
            self._tell(Gapped())
            return True
        self._note(MarkName.GAP, **{"from": owner.live.cursor, "to": frame.id})
        self._splice.accept(frame)
        return False
