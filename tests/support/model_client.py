"""A client made of the real pure parts (machine, splice, fold, schemes, dialects), with a list as
its journal. It does what `hub.Pump`, `hub.Reader` and `hub.Hub._resume` do, without time and
sockets: whatever is under way there waits here until a test lets it go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

import msgspec

from ssechat.core.conversation import Call, Prompt, Role, Turn
from ssechat.core.deltas import Verdict
from ssechat.core.dialects import Dialect, dialect
from ssechat.core.fold import Fold, mark
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.resume import (
    KEPT,
    RECEIVING,
    STREAMS,
    Action,
    Arrived,
    AskStop,
    Close,
    Confirmed,
    Connect,
    Differed,
    Fork,
    Gapped,
    Happening,
    Judged,
    Linger,
    Lost,
    Opened,
    Poll,
    Polled,
    Refused,
    Rung,
    Sent,
    Settle,
    State,
    Step,
    Stream,
    Unreached,
    Wait,
    Withdrawn,
    Woken,
    step,
    submit,
    take_up,
)
from ssechat.core.schemes import (
    CONVERSATION_HEADER,
    NOTHING,
    SCHEMES,
    Handle,
    by_conversation,
    cancel_by_key,
    kept,
    located,
    rung,
)
from ssechat.core.splice import Finding, History, Ordering, Splice, moved
from ssechat.core.sse import SseDecoder
from support.model_server import CHAT, Line, ModelServer


@dataclass
class Row:
    """What is on disk of one stream: it outlives the process."""

    kind: str
    call: Call
    key: str = ""
    state: str = "live"
    note: str = ""
    handle: Handle = field(default_factory=Handle)
    rung: str = ""
    frames: list[Frame] = field(default_factory=list)
    cursor: str = ""
    settled: int = 0

    def write(self, frames: list[Frame]) -> None:
        """Frames and cursor in one step."""
        self.frames = self.frames + frames
        self.cursor = reduce(moved, frames, self.cursor)

    @property
    def codec(self) -> Dialect:
        return dialect("openai-chat" if self.kind in CHAT else "openai-responses")


def asked(kind: str) -> Row:
    """The row of a new question."""
    row = Row(kind, Call("POST", "", {}), key="k1" if kind == "relay" else "")
    call = row.codec.request(Prompt((Turn(Role.USER, "why?"),), "m"))
    if kind == "llama":
        call = msgspec.structs.replace(call, headers={CONVERSATION_HEADER: "c1"})
    row.call = call
    return row


class Reading:
    """One connection of the client, from the machine's `Connect` on."""

    def __init__(self, how: Connect) -> None:
        self.how = how
        self.line: Line | None = None
        self.decoder = SseDecoder()
        self.splice = Splice(History(), "")
        self.ordering = Ordering.OPAQUE
        self.numbered = ""
        self.away = False
        self.done = False


class ModelClient:
    """The life of one stream in one process. What is under way: `reading`, `polls`, `timer` (the
    time at which it fires), `stops` (each `write` or `ask`), `settling`, `waiting` (frames that
    came and are not committed), and `unsaved` (the handle is not on disk)."""

    def __init__(self, row: Row, server: ModelServer) -> None:
        self.row = row
        self.server = server
        self.machine = Stream()
        self.fold = Fold(row.codec.decoder())
        self.history = History(named=bool(row.codec.SCHEME))
        self.handle = Handle()
        self.now = 1_000.0
        self.reading: Reading | None = None
        self.polls = False
        self.timer: float | None = None
        self.stops: list[str] = []
        self.settling: Settle | None = None
        self.settles: list[Settle] = []
        self.forked = False
        self.waiting: list[Frame] = []
        self.unsaved = False
        self.refetched: set[str] = set()

    @classmethod
    def submitted(cls, row: Row, server: ModelServer) -> ModelClient:
        self = cls(row, server)
        fallback = bool(row.call.fallback)
        self._apply(
            submit(
                idempotent=bool(row.key),
                stoppable=bool(row.key),
                promised=bool(row.codec.SCHEME) and fallback,
                fallback=fallback,
            )
        )
        return self

    @classmethod
    def found(cls, row: Row, server: ModelServer, *, forked: bool = False) -> ModelClient:
        """Go on with what a dead process left, or the user resumes."""
        self = cls(row, server)
        self.handle = row.handle
        self._take(row.frames)
        self._look_for_handle()
        first = take_up(
            rung=Rung.REPLAY if forked else self.shown,
            idempotent=bool(row.key) and row.rung != Rung.NONE,
            stoppable=self.cancel is not None,
            fetchable=self.poll is not None,
            stopping=row.state == "stopping",
            fallback=bool(row.call.fallback),
            verdict=self.fold.reply.verdict,
            opened=len(self.history) > 0,
            forked=forked,
        )
        if row.frames and self.fold.reply.verdict is None and not self.fold.away:
            self.note(MarkName.LOST, why="ssechat ended")
        self._apply(first)
        return self

    # What is known

    @property
    def text(self) -> str:
        return self.fold.reply.answer

    @property
    def shown(self) -> Rung:
        return rung(self.handle, self.fold.last_id)

    @property
    def kept(self) -> bool:
        best = Rung.FETCH if self.machine.rung is Rung.FETCH else self.shown
        return best in KEPT

    @property
    def cancel(self) -> Call | None:
        if self.handle == Handle() and self.row.key:
            return cancel_by_key(self.row.key)
        scheme = SCHEMES.get(self.handle.scheme)
        return scheme.cancel(self.handle) if scheme and scheme.cancel else None

    @property
    def poll(self) -> Call | None:
        scheme = SCHEMES.get(self.handle.scheme)
        return scheme.poll(self.handle) if scheme and scheme.poll else None

    @property
    def ordering(self) -> Ordering:
        scheme = self.handle.scheme or self.row.codec.SCHEME
        return SCHEMES[scheme].ordering if scheme in SCHEMES else Ordering.OPAQUE

    # The machine

    def tell(self, happening: Happening) -> None:
        before = self.machine
        after, actions = step(before, happening, self.now)
        assert not before.ended or (after, actions) == (before, [])
        self._apply((after, actions))

    def _apply(self, result: Step) -> None:
        self.machine, actions = result
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Connect():
                self.reading = Reading(action)
            case Poll():
                self.polls = True
            case Wait(floor, spread):
                self.timer = self.now + max(floor, spread / 2)
            case Linger(seconds):
                self.timer = self.now + seconds
            case Close():
                self.drop()
            case AskStop():
                self.stops.append("write")
            case Settle():
                self.settling = action
                self.settles.append(action)
            case Fork():
                self.forked = True

    def drop(self) -> None:
        self.timer, self.polls = None, False
        if self.reading is not None and self.reading.line is not None:
            self.server.hang_up()
        self.reading = None

    # The journal

    def note(self, name: MarkName, **data: object) -> None:
        self.waiting.append(mark(name, self.now, self.now, **data))

    def commit(self) -> None:
        """Frames to disk, then what they mean."""
        while self.waiting:
            batch, self.waiting = self.waiting, []
            self.row.write(batch)
            before = self.fold.reply.verdict
            self._take(batch)
            assert self.row.cursor == self.fold.last_id
            self._look_for_handle()
            self._tell_of(batch, before)

    def save_handle(self) -> None:
        self.row.handle, self.row.rung, self.unsaved = self.handle, str(self.shown), False

    def write_end(self) -> None:
        assert self.settling is not None
        settle, self.settling = self.settling, None
        self.commit()
        self.fold.close(self.now)
        if self.machine.rung is Rung.NONE and self.shown in KEPT and settle.end == "cut":
            self.handle, self.unsaved = NOTHING, True
        if self.unsaved:
            self.save_handle()
        self.row.state, self.row.note = str(settle.end), settle.note
        self.row.settled += 1

    def _take(self, frames: list[Frame]) -> None:
        for frame in frames:
            self.history.add(frame)
            self.fold.take(frame)

    def _look_for_handle(self) -> None:
        said = self.fold.kept
        if said is None or self.handle.scheme not in ("", "nothing", "again"):
            return
        found = kept(self.row.codec.SCHEME, said.id, streams=said.streams)
        if found.known:
            self.handle, self.unsaved = found, True

    def _tell_of(self, frames: list[Frame], before: Verdict | None) -> None:
        events = sum(frame.kind is FrameKind.EVENT for frame in frames)
        can = {"stoppable": self.cancel is not None, "fetchable": self.poll is not None}
        if events:
            self.tell(Arrived(events, rung=self.shown, **can))
        verdict = self.fold.reply.verdict
        if verdict is not None and verdict is not before:
            self.tell(Judged(verdict))

    # A connection

    def request(self) -> Line | int:
        """What the server says to the request that is under way."""
        reading = self.reading
        assert reading is not None
        how = reading.how
        cursor = self.fold.last_id if how.resume and not how.from_start else ""
        reading.numbered = cursor
        if not how.resume:
            wish = not how.fallback
            body = self.row.call.body if wish else self.row.call.fallback
            call = msgspec.structs.replace(self.row.call, body=body)
            return self.server.post(call, self.row.key, wish)
        scheme = SCHEMES[self.handle.scheme]
        assert scheme.resume is not None
        in_header = cursor if scheme.in_header else ""
        offset = int(cursor or 0) if scheme.ordering is Ordering.OFFSET else 0
        reading.decoder = SseDecoder(
            last_event_id=in_header, end_mark=self._end_mark, offset=offset
        )
        said = self.server.get(scheme.resume(self.handle, cursor), in_header)
        assert not isinstance(said, str)
        return said

    @property
    def _end_mark(self) -> str:
        return self.row.codec.END_MARK

    def sent(self) -> None:
        self.commit()
        if self.machine.state is State.SUBMITTING:
            self.note(MarkName.SENT)
        self.tell(Sent())

    def opened(self, line: Line) -> None:
        reading = self.reading
        assert reading is not None
        reading.line = line
        if not reading.how.resume:
            reading.decoder = SseDecoder(end_mark=self._end_mark)
        if not self.handle.known:
            self.handle = self._promised(line)
            self.unsaved = True
        can = {"stoppable": self.cancel is not None, "fetchable": self.poll is not None}
        self.tell(Opened(self.shown, **can))
        reading.away = self.fold.away
        reading.ordering = self.ordering
        reading.splice = Splice(self.history, reading.numbered, ordering=reading.ordering)

    def _promised(self, line: Line) -> Handle:
        if location := line.headers.get("location"):
            return located(location, line.headers.get("name", ""))
        found = by_conversation(self.row.call, line.headers.get("server", ""))
        return found if found.known else NOTHING

    def withdrawn(self) -> None:
        """The server says that it keeps no streams, whatever its headers let one think."""
        self.handle, self.unsaved = NOTHING, True
        self.tell(Withdrawn())

    def receive(self, data: bytes) -> None:
        reading = self.reading
        assert reading is not None
        frames = reading.decoder.feed(data, self.now, self.now)
        self._sift(reading, frames)

    def _sift(self, reading: Reading, frames: list[Frame]) -> None:
        if self.ordering is not reading.ordering:
            reading.ordering = self.ordering
            reading.splice.trust(self.ordering)
        frames = [self._named(reading, frame) for frame in frames]
        while frames:
            new, broken, frames = reading.splice.sift(frames)
            if reading.away and any(frame.kind is FrameKind.EVENT for frame in new):
                reading.away = False
                self.note(MarkName.RESUMED, checked=reading.splice.checked)
            self.waiting += new
            if broken is Finding.DIFFERS:
                self.tell(Differed())
                return
            if broken is Finding.GAP and self._gap(reading, frames[0]):
                return

    def _gap(self, reading: Reading, frame: Frame) -> bool:
        if frame.id not in self.refetched:
            self.refetched.add(frame.id)
            self.lost("the server skipped some events")
            return True
        if self.machine.fetchable:
            self.note(MarkName.LOST, why="the server skipped some events")
            self.tell(Gapped())
            return True
        self.note(MarkName.GAP, **{"from": self.fold.last_id, "to": frame.id})
        reading.splice.accept(frame)
        return False

    def _named(self, reading: Reading, frame: Frame) -> Frame:
        scheme = SCHEMES.get(self.handle.scheme)
        if frame.kind not in (FrameKind.EVENT, FrameKind.CURSOR):
            return frame
        if scheme and scheme.in_header and frame.own_id:
            return frame
        counts = self.ordering is Ordering.OFFSET
        name = str(frame.end) if counts else self.row.codec.event_id(frame)
        if name:
            reading.numbered = name
            return msgspec.structs.replace(frame, id=name, own_id=True)
        if reading.numbered and not (scheme and scheme.in_header):
            return msgspec.structs.replace(frame, id=reading.numbered, own_id=False)
        return frame

    def body_ended(self) -> None:
        """Cleanly: what its last bytes mean still counts."""
        reading = self.reading
        assert reading is not None
        self._sift(reading, reading.decoder.close(self.now, self.now))
        if self.reading is reading:
            self.lost("the server closed the stream before its end")

    def lost(self, why: str) -> None:
        self._over(Lost(why))

    def refused(self, status: int | None, why: str = "refused") -> None:
        self._over(Refused(why, status))

    def unreached(self) -> None:
        self._over(Unreached("no route"))

    def _over(self, happening: Happening) -> None:
        """The connection's end; all that it brought is committed before it is told."""
        reading = self.reading
        assert reading is not None
        reading.done = True
        if reading.line is not None:
            reading.line = None
            self.server.hang_up()
        self.commit()
        if self.reading is not reading:
            return
        if isinstance(happening, Lost) and self.machine.verdict is None:
            self.note(MarkName.LOST, why=happening.why)
        self.tell(happening)

    # Other requests

    def object_came(self, said: Line | int | str | None) -> None:
        """The answer to a poll; None: it was lost."""
        self.polls = False
        self._object(said)

    def _object(self, said: Line | int | str | None) -> bool:
        assert not isinstance(said, Line)
        if said is None:
            self.tell(Lost("cut"))
        elif isinstance(said, int):
            self.tell(Refused("refused", said))
        elif self._tells_end(said):
            self.note(MarkName.FETCHED, body=said)
            self.commit()
            self.tell(Polled(done=True))
        else:
            self.tell(Polled())
        return True

    def _tells_end(self, body: str) -> bool:
        told = self.row.codec.decoder().fetched(body)
        return any(isinstance(delta, Verdict) for delta in told)

    def stop_goes_on(self, agreed: str) -> None:
        """The next step of the oldest request to stop. `agreed`: "" or why not."""
        if self.stops.pop(0) == "write":
            self._begin_stop()
            return
        if not agreed:
            self.server.cancel()
        if self.poll is not None and not agreed:
            said = self.server.get(self.poll, "")
            if isinstance(said, str) and self._tells_end(said):
                self.note(MarkName.FETCHED, body=said)
                self.commit()
        self.tell(Confirmed(agreed))

    def _begin_stop(self) -> None:
        if self.row.state == "live":
            self.row.state = "stopping"
        closed = self.reading is not None
        self.drop()
        if self.cancel is None:
            note = "by closing the connection" if closed else ""
            promises = bool(self.row.codec.SCHEME)
            if promises and not (self.handle.known or self.machine.fell_back):
                note = "the server had not named the answer, and may go on with it"
            self.tell(Confirmed(note=note))
        else:
            self.stops.append("ask")

    def wake(self, why: str) -> None:
        machine = self.machine
        if machine.state in RECEIVING and machine.rung in STREAMS and machine.verdict is None:
            self.note(MarkName.LOST, why=why)
        self.tell(Woken())
