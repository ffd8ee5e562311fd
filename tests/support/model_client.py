"""A client made of the real pure parts, with a list as its journal. It does what `hub.Pump`,
`hub.Keeper` and `hub.Hub._resume` do, without time and sockets: whatever is under way there waits
here until a test lets it go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

import msgspec

from ssechat.core.conversation import Prompt, Role, Turn
from ssechat.core.deltas import EndState, Verdict
from ssechat.core.dialects import dialect
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
    Fork,
    Happening,
    Judged,
    Linger,
    Lost,
    Poll,
    Polled,
    Refused,
    Rung,
    Settle,
    Step,
    Stream,
    Wait,
    Withdrawn,
    Woken,
    step,
    submit,
    take_up,
)
from ssechat.core.schemes import CONVERSATION_HEADER, NOTHING, Handle
from ssechat.core.splice import moved
from ssechat.hub import Live
from ssechat.hub.live import Taken
from ssechat.hub.outgoing import Outgoing
from ssechat.link import Target
from support.model_reading import Reading
from support.model_server import CHAT, Line, ModelServer


@dataclass
class Row:
    """What is on disk of one stream: it outlives the process."""

    kind: str
    state: str = "live"
    note: str = ""
    handle: Handle = field(default_factory=Handle)
    rung: str = ""
    frames: list[Frame] = field(default_factory=list)
    cursor: str = ""
    settled: int = 0

    @property
    def key(self) -> str:
        return "k1" if self.kind == "relay" else ""

    @property
    def over(self) -> bool:
        return self.state not in ("live", "stopping")

    def write(self, frames: list[Frame]) -> None:
        """Frames and cursor in one step."""
        self.frames = self.frames + frames
        self.cursor = reduce(moved, frames, self.cursor)


def outgoing(row: Row) -> Outgoing:
    """The request that the row holds, and where it goes."""
    spoken = dialect("openai-chat" if row.kind in CHAT else "openai-responses")
    call = spoken.request(Prompt((Turn(Role.USER, "why?"),), "m"))
    if row.kind == "llama":
        call = msgspec.structs.replace(call, headers={CONVERSATION_HEADER: "c1"})
    target = Target("http://server.example")
    return Outgoing(target, call, spoken, idempotency_key=row.key, relay=row.kind == "relay")


class ModelClient:
    """The life of one stream in one process. What is under way: `reading`, `polls`, `timer` (the
    time at which it fires), `stops` (each `write` or `ask`), `settling`, `waiting` (frames that
    came and are not committed), and `unsaved` (the handle is not on disk)."""

    def __init__(self, row: Row, server: ModelServer, now: float) -> None:
        self.row = row
        self.server = server
        self.now = now
        self.out = outgoing(row)
        spoken = self.out.dialect
        fold, named = Fold(spoken.decoder()), bool(spoken.SCHEME)
        self.live = Live("s", "c", "m", profile="p", model="m", fold=fold, named=named)
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
    def submitted(cls, row: Row, server: ModelServer, now: float) -> ModelClient:
        self = cls(row, server, now)
        out = self.out
        fallback = bool(out.call.fallback)
        self._apply(
            submit(
                idempotent=bool(out.idempotency_key),
                stoppable=out.stoppable,
                promised=out.promises,
                fallback=fallback,
            )
        )
        return self

    @classmethod
    def found(
        cls, row: Row, server: ModelServer, now: float, *, forked: bool = False
    ) -> ModelClient:
        """Go on with what a dead process left, or the user resumes."""
        self = cls(row, server, now)
        live, out = self.live, self.out
        live.handle = row.handle
        live.take(row.frames)
        self._look_for_handle()
        first = take_up(
            rung=Rung.REPLAY if forked else live.shown,
            idempotent=bool(row.key) and row.rung != Rung.NONE,
            stoppable=out.cancel(live) is not None,
            fetchable=out.poll(live) is not None,
            stopping=row.state == "stopping",
            fallback=bool(out.call.fallback),
            verdict=live.fold.reply.verdict,
            opened=len(live.history) > 0,
            forked=forked,
        )
        if row.frames and live.fold.reply.verdict is None and not live.fold.away:
            self.note(MarkName.LOST, why="ssechat ended")
        self._apply(first)
        return self

    @property
    def machine(self) -> Stream:
        return self.live.machine

    @property
    def text(self) -> str:
        return self.live.fold.reply.answer

    # The machine

    def tell(self, happening: Happening) -> None:
        before = self.machine
        after, actions = step(before, happening, self.now)
        assert not before.ended or (after, actions) == (before, [])
        self._apply((after, actions))

    def _apply(self, result: Step) -> None:
        self.live.machine, actions = result
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Connect():
                if action.fallback and self.live.fold.continued:
                    self.goes_on_from(self.text)
                self.reading = Reading(self, action)
            case Poll():
                self.polls = True
            case Wait(floor, spread):
                self.timer = self.now + max(floor, spread / 2)
            case Linger(seconds):
                self.timer = self.now + seconds
                if self.live.stopping:
                    self._write_stopping()
            case Close():
                self.drop()
            case AskStop():
                self.stops.append("write")
            case Settle():
                self.settling = action
                self.settles.append(action)
            case Fork():
                self.forked = self.live.replays

    def drop(self) -> None:
        self.timer, self.polls = None, False
        reading, self.reading = self.reading, None
        if reading is not None:
            reading.over = True
            reading.hang_up()

    # The journal

    def note(self, name: MarkName, **data: object) -> None:
        self.put([mark(name, self.now, self.now, **data)])

    def put(self, frames: list[Frame]) -> None:
        self.waiting += frames

    def goes_on_from(self, text: str) -> None:
        """The answer is to go on from another one's text."""
        self.note(MarkName.CONTINUED, text=text, trim=True, how="by a message")

    def commit(self) -> None:
        """Frames to disk, then what they mean."""
        while self.waiting:
            batch, self.waiting = self.waiting, []
            self.row.write(batch)
            before = self.live.fold.reply.verdict
            taken = self.live.take(batch)
            assert self.row.cursor == self.live.cursor
            self._look_for_handle()
            self._tell_of(batch, before, taken)

    def save_handle(self) -> None:
        self.row.handle, self.row.rung = self.live.handle, str(self.live.shown)
        self.unsaved = False

    def write_end(self) -> None:
        assert self.settling is not None
        settle, self.settling = self.settling, None
        self.commit()
        live = self.live
        live.close(settle)
        if live.machine.rung is Rung.NONE and live.shown in KEPT and settle.end is EndState.CUT:
            live.handle, self.unsaved = NOTHING, True
        if self.unsaved:
            self.save_handle()
        self.row.state, self.row.note = str(settle.end), settle.note
        self.row.settled += 1

    def _write_stopping(self) -> None:
        if self.row.state == "live":
            self.row.state = "stopping"

    def _look_for_handle(self) -> None:
        if self.live.handle.scheme in ("", "nothing") and (found := self.out.kept(self.live)).known:
            self.live.handle, self.unsaved = found, True

    def _tell_of(self, frames: list[Frame], before: Verdict | None, taken: Taken) -> None:
        live, out = self.live, self.out
        events = sum(frame.kind is FrameKind.EVENT for frame in frames)
        retry = next((f.retry for f in reversed(frames) if f.retry is not None), None)
        if events or retry is not None:
            floor = None if retry is None else retry / 1000
            can = {"stoppable": bool(out.cancel(live)), "fetchable": bool(out.poll(live))}
            self.tell(Arrived(events, late=taken.late, rung=live.way, floor=floor, **can))
        verdict = live.fold.reply.verdict
        if verdict is not None and verdict is not before:
            background = out.promises and not live.machine.fell_back
            fragile = live.fold.resumes > 0 and not background
            self.tell(Judged(verdict, fragile=fragile, at_once=taken.at_once))

    # What the server says of itself

    def opens(self, line: Line) -> None:
        if not self.live.handle.known:
            self.live.handle, self.unsaved = self.out.promised(line), True

    def withdrawn(self) -> None:
        """It keeps no streams, whatever its headers let one think."""
        self.live.handle, self.unsaved = NOTHING, True
        self.tell(Withdrawn())

    # Other requests

    def object_came(self, said: int | str | None) -> None:
        """The answer to a poll; None: it was lost."""
        self.polls = False
        if said is None:
            self.tell(Lost("cut"))
        elif isinstance(said, int):
            self.tell(Refused("refused", said))
        elif self._take_object(said):
            self.tell(Polled(done=True))
        else:
            self.tell(Polled())

    def _take_object(self, body: str) -> bool:
        """Whether it tells an end; then it is journalled."""
        told = self.out.dialect.decoder().fetched(body)
        if not any(isinstance(delta, Verdict) for delta in told):
            return False
        self.note(MarkName.FETCHED, body=body)
        self.commit()
        return True

    def stop_goes_on(self, why: str) -> None:
        """The next step of the oldest request to stop. `why` the server does not agree, or ""."""
        if self.stops.pop(0) == "write":
            self._begin_stop()
            return
        if not why:
            self.server.cancel()
        poll = self.out.poll(self.live)
        said = self.server.get(poll, "") if poll and not why else None
        if isinstance(said, str):
            self._take_object(said)
        self.tell(Confirmed(why))

    def _begin_stop(self) -> None:
        live, out = self.live, self.out
        self._write_stopping()
        closed = self.reading is not None
        self.drop()
        if out.cancel(live) is not None:
            self.stops.append("ask")
            return
        note = "by closing the connection" if closed else ""
        if live.outlives:
            note = "this server cannot be told to stop, and may go on"
        if out.promises and not (live.handle.known or live.machine.fell_back):
            note = "the server had not named the answer, and may go on with it"
        self.tell(Confirmed(note=note))

    def wake(self, why: str) -> None:
        machine = self.machine
        if machine.state in RECEIVING and machine.rung in STREAMS and machine.verdict is None:
            self.note(MarkName.LOST, why=why)
        self.tell(Woken())
