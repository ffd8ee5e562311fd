"""The pump: carries out what the resume machine asks, for one stream."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from ssechat import link
from ssechat.core.conversation import BY_MESSAGE
from ssechat.core.fold import mark
from ssechat.core.frames import Frame, MarkName, is_payload
from ssechat.core.resume import (
    RECEIVING,
    REJOINING,
    STREAMS,
    Action,
    Arrived,
    AskStop,
    Close,
    Confirmed,
    Connect,
    Detached,
    Fired,
    Fork,
    Happening,
    Judged,
    Linger,
    Lost,
    Opened,
    Poll,
    Polled,
    Quiet,
    Settle,
    State,
    Step,
    Wait,
    Withdrawn,
    Woken,
    step,
)
from ssechat.core.schemes import HOPED
from ssechat.hub.asking import ask_for_object, ask_to_stop
from ssechat.hub.keeper import Keeper
from ssechat.hub.live import Live
from ssechat.hub.outgoing import Outgoing
from ssechat.hub.reader import Reader
from ssechat.hub.recorder import Recorder
from ssechat.hub.slots import ResumeSlots, Slot
from ssechat.hub.tasks import Tasks
from ssechat.hub.ways import Ways
from ssechat.journal import StreamJournal
from ssechat.link import Clients
from ssechat.wake import DOUBTS

_LISTEN = 2.0  # s in which a connection that may be dead must bring a byte
_LOOKS = 3  # times that one is listened to
_DRAIN = 0.1  # s; a body read to its end leaves the connection fit for the next request
_CLOSE_TIME = 2.0  # s


async def _surely() -> bool:
    return True


class Pump:
    """Owns a stream's connection, timer and recorder. All that happens comes through `tell`.

    `fork` is called when the server turns out to send another answer; `dispossessed` once, when
    another process has taken the stream over.
    """

    def __init__(
        self,
        live: Live,
        out: Outgoing,
        journal: StreamJournal,
        clients: Clients,
        slots: ResumeSlots,
        *,
        fork: Callable[[Live], object],
        dispossessed: Callable[[Live], object],
        pace: float = 0.0,
    ) -> None:
        self.live = live
        self.out = out
        self._clients = clients
        self._fork = fork
        self._dispossessed = dispossessed
        self._ours = True
        self._slots = slots.of(out.target.where)
        self._pace = pace
        self._recorder = Recorder(
            journal,
            live.stream_id,
            cursor=live.cursor,
            saved_seq=live.seq,
            safe=lambda frames: live.tap(frames),
            recorded=self._recorded,
            trouble=lambda problem: self._keeper.trouble(problem),
            dispossessed=self._lost,
            pace=pace,
        )
        self._keeper = Keeper(live, journal, self._recorder, self._lost)
        self._tasks = Tasks(self._faulted)
        self._spawn = self._tasks.spawn
        self._ways = Ways(
            live, out, clients, slots, self._keeper, spawn=self._spawn, withdrawn=self._withdraw
        )
        self._detaching = False
        self._connection: link.Connection | None = None
        self._reader: Reader | None = None
        self._reading: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._refetched: set[str] = set()
        self._tried = False

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._tasks

    @property
    def saved_seq(self) -> int:
        """The number of the last frame in the journal."""
        return self._recorder.saved_seq

    def unsaved(self, after: int) -> list[Frame]:
        """Folded frames beyond number `after` that the journal does not hold yet."""
        held = self._recorder
        return held.unsaved[after - held.saved_seq :] if after >= held.saved_seq else []

    def start(self, first: Step) -> None:
        """Begin with what `submit` or `take_up` decided."""
        self._apply(first)

    def tell(self, happening: Happening) -> None:
        """Something happened: step the machine and do what it asks."""
        if isinstance(happening, Withdrawn):
            self._ways.none()
        self._apply(step(self.live.machine, happening, time.monotonic()))

    def note(self, name: MarkName, **data: Any) -> None:
        """Journal a mark of our own, in its place between the frames."""
        self.put(mark(name, time.time(), time.monotonic(), **data))

    def put(self, frame: Frame) -> None:
        self._recorder.put([frame])

    def tick(self) -> None:
        """To be called about once a second: notices that the payload stays away."""
        if self._connection is not None:
            self.tell(Quiet(self._connection.quiet))

    def wake(self, why: str) -> None:
        """One of `wake.REASONS`: a connection may be dead unawares. Where that is in doubt, one
        that still brings bytes is left alone; and so is one that may be the only way."""
        machine = self.live.machine
        if machine.state in RECEIVING and self.live.handle.scheme == HOPED:
            return
        if machine.state in RECEIVING and machine.rung in STREAMS and machine.verdict is None:
            if why in DOUBTS and self._connection is not None:
                asyncio.get_running_loop().call_later(_LISTEN, self._probe, self._connection, why)
                return
            self.note(MarkName.LOST, why=why)
        elif machine.state in REJOINING and why in DOUBTS:
            return  # it dials anew already
        self.tell(Woken(by_user=False))

    def _probe(self, connection: link.Connection, why: str, looks: int = _LOOKS) -> None:
        """What comes right after waking may have been here before: so it is listened to again."""
        if connection is not self._connection or self.live.machine.verdict is not None:
            return
        if (left := _LISTEN - connection.silent) <= 0:
            self.note(MarkName.LOST, why=why)
            self.tell(Woken(by_user=False))
        elif looks > 1:
            loop = asyncio.get_running_loop()
            loop.call_later(left, self._probe, connection, why, looks - 1)

    def let_go(self) -> None:
        """Another process owns the stream now, perhaps since it has ended here."""
        self._dispossess()

    async def close(self) -> None:
        """Let go of the stream without ending it. What has arrived is saved."""
        self._drop()
        self._keeper.close()
        await self._tasks.close(_CLOSE_TIME)
        try:
            await asyncio.wait_for(self._recorder.saved(), _CLOSE_TIME)
        except TimeoutError:
            pass  # the journal is locked: the next start asks the server from its cursor on
        self._recorder.close()

    def _apply(self, result: Step) -> None:
        before = self.live.machine.state
        self.live.machine, actions = result
        if self.live.machine.state is not State.BACKOFF:
            self.live.due = None
        for action in actions:
            self._do(action)
        if actions or self.live.machine.state is not before:
            self.live.changed()

    def _do(self, action: Action) -> None:
        match action:
            case Connect():
                self._connect(action)
            case Poll():
                self._reading = self._spawn(self._poll())
            case Wait(floor, spread):
                roll = random.random()
                self._arm(max(floor * (1 + roll / 4), spread * roll))
            case Linger(seconds):
                self._arm(seconds)
                if self.live.stopping:
                    self._spawn(self._keeper.stopping())
            case Close():
                self._drop()
            case AskStop():
                self._disarm()
                self._spawn(self._ask_stop())
            case Settle():
                self._spawn(self._settle(action))
            case Fork() if self.live.replays:
                self._fork(self.live)

    def _connect(self, how: Connect) -> None:
        if how.fallback and self.live.fold.continued:
            text = self.live.fold.reply.answer
            self.note(MarkName.CONTINUED, text=text, trim=True, how=BY_MESSAGE)
        reader = Reader(
            self.live,
            self.out,
            self._recorder,
            self._clients,
            tell=lambda happening: None if reader.over else self.tell(happening),
            note=lambda name, **data: None if reader.over else self.note(name, **data),
            opened=self._opened,
            lost=self._seek,
            refetched=self._refetched,
            slot=Slot(self._slots if how.resume else None),
            pace=self._pace,
            ours=self._keeper.ours if self._tried else _surely,
        )
        self._tried = True
        self._reader = reader
        self._reading = self._spawn(reader.run(how))

    def _withdraw(self) -> None:
        self.tell(Withdrawn())
        self.live.changed()

    def _faulted(self, what: str) -> None:
        self.tell(Lost(f"a fault in ssechat: {what}"))

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, delay: float) -> None:
        self._disarm()
        self.live.due = time.monotonic() + delay
        self._timer = asyncio.get_running_loop().call_later(delay, self.tell, Fired())

    def _drop(self) -> None:
        """Forget connection and timer. A reader is cancelled once only: httpcore leaks a slot
        when a task is cancelled again while it closes."""
        self._disarm()
        self._connection = None
        reader, self._reader = self._reader, None
        reading, self._reading = self._reading, None
        if reader is not None:
            reader.over = True
        if reading is None or reading is asyncio.current_task():
            return
        if self.live.machine.verdict is None or reader is None:
            reading.cancel()
        else:
            asyncio.get_running_loop().call_later(_DRAIN, reading.cancel)

    def _opened(self, connection: link.Connection) -> None:
        live = self.live
        live.problem = None
        live.humble = live.machine.fell_back
        self._connection = connection
        self._ways.opened(connection)

    async def _seek(self) -> None:
        """A connection is lost. Where the server had not answered yet, it may be found by name."""
        live = self.live
        unknown = live.machine.state is State.WAITING and self.out.may_be_llama(live)
        if unknown and await self._ways.by_name():
            self.tell(Opened(live.way, stoppable=self.out.cancel(live) is not None))

    def _recorded(self, frames: list[Frame]) -> None:
        """Frames were committed: fold them, then tell the machine what they are."""
        before = self.live.fold.reply.verdict
        # Events that mean nothing are no progress: a server that sends one and closes, again and
        # again, is given up in the end.
        taken = self.live.add(frames)
        self.look_for_handle()
        retry = next((f.retry for f in reversed(frames) if f.retry is not None), None)
        if taken.meant or retry is not None or any(map(is_payload, frames)):
            floor = None if retry is None else retry / 1000
            self.tell(
                Arrived(
                    taken.meant,
                    late=taken.late,
                    rung=self.live.way,
                    floor=floor,
                    stoppable=self.out.cancel(self.live) is not None,
                    fetchable=self.out.poll(self.live) is not None,
                )
            )
        self._detach()
        verdict = self.live.fold.reply.verdict
        if verdict is not None and verdict is not before:
            background = self.out.promises and not self.live.machine.fell_back
            fragile = self.live.fold.resumes > 0 and not background
            self.tell(Judged(verdict, fragile=fragile, at_once=taken.at_once))

    def look_for_handle(self) -> None:
        """See what the events say that are folded."""
        self._ways.look()

    def detach(self) -> bool:
        """Leave the answer to the server, as soon as it has named it; False if it would end with
        our connection."""
        self._detaching = self.live.outlives or self.live.machine.promised
        self._detach()
        return self._detaching

    def _detach(self) -> None:
        if self._detaching and self.live.outlives:
            self.tell(Detached())

    def _lost(self) -> None:
        """A write found that the stream is not ours; of one that has ended, nobody's is."""
        if not self.live.ended.is_set():
            self._dispossess()

    def _dispossess(self) -> None:
        if self._ours:
            self._ours = False
            self._drop()
            self._dispossessed(self.live)

    async def _ask_stop(self) -> None:
        """Write down that we stop, drop the connection, and ask the server, if it can be asked."""
        live, out = self.live, self.out
        await self._keeper.stopping()
        closed = self._reader is not None
        self._drop()
        if out.may_be_llama(live):
            await self._ways.by_name()
        if out.cancel(live) is None:
            note = "by closing the connection" if closed else ""
            if live.outlives:
                note = "this server cannot be told to stop, and may go on"
            if out.promises and not (live.handle.known or live.machine.fell_back):
                note = "the server had not named the answer, and may go on with it"
            self.tell(Confirmed(note=note))
            return
        why = await ask_to_stop(self._clients, out, live)
        if out.poll(live) is not None:
            # The end may have come before the stop: then the answer is whole.
            await self._take_object(await ask_for_object(self._clients, out, live))
        self.tell(Confirmed(why))

    async def _poll(self) -> None:
        slot = Slot(self._slots)
        await slot.take()
        try:
            found = await ask_for_object(self._clients, self.out, self.live)
        finally:
            slot.give()
        await self._take_object(found)
        self.tell(Polled(done=True) if isinstance(found, str) else found)

    async def _take_object(self, found: str | Happening) -> None:
        """Journal the final object, if one came; folded, it tells the machine the end."""
        if isinstance(found, str):
            self.note(MarkName.FETCHED, body=found)
            await self._recorder.idle()

    async def _settle(self, settle: Settle) -> None:
        if await self._keeper.end(settle) and self._ours:
            self.live.ended.set()
            self.live.changed()
            await self._keeper.pack()
