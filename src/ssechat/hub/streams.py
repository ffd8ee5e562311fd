"""The live streams of a process: started, taken up where others left them, stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from ssechat import link
from ssechat.core.conversation import Call
from ssechat.core.dialects import DIALECTS
from ssechat.core.errors import ConfigProblem, JournalProblem, Problem
from ssechat.core.fold import Fold, mark
from ssechat.core.frames import Frame, MarkName
from ssechat.core.resume import Rung, Stopped, Stream, Woken, take_up
from ssechat.hub.continuing import continues
from ssechat.hub.follower import again, catch_up
from ssechat.hub.live import Live
from ssechat.hub.others import Others
from ssechat.hub.outcome import settle_cut
from ssechat.hub.outgoing import Outgoing
from ssechat.hub.pump import Pump
from ssechat.hub.relays import Relays
from ssechat.hub.route import Direct, Profiles, Route, Routes, Via
from ssechat.hub.shelf import let_go
from ssechat.hub.slots import ResumeSlots
from ssechat.hub.subscription import subscribe
from ssechat.journal import STOPPING, NewStream, StreamJournal, StreamRow
from ssechat.link import Clients
from ssechat.wake import watch

_STRANGE = 60.0
"""Seconds for which a stream whose profile we do not have is left to whoever has it."""

J = TypeVar("J", bound=StreamJournal)


class Streams(Generic[J]):
    """One pump for each. `made` is told of each stream before any of its frames is folded; `fold`
    is what it is folded by, `pace` is the `Recorder`'s. To be made on the running event loop."""

    def __init__(
        self,
        journal: J,
        clients: Clients,
        profiles: Profiles,
        *,
        via: Via | None = None,
        made: Callable[[Live], object] = lambda live: None,
        fold: type[Fold] = Fold,
        pace: float = 0.0,
    ) -> None:
        self.journal = journal
        self.clients = clients
        self._routes = Routes(profiles, via or Direct())
        self._made = made
        self._fold = fold
        self._pace = pace
        self._lives: dict[str, Live] = {}
        self._pumps: dict[str, Pump] = {}
        self._relays = Relays(journal, clients)
        self._slots = ResumeSlots()
        self._strange: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._others = Others(journal, self._start, self._resume, self._may_take)
        self._watch = watch(self.wake_all)
        self._start(self._tick())
        self._start(self._beat())

    @property
    def lives(self) -> list[Live]:
        """Streams that have not ended."""
        return [live for live in self._lives.values() if not live.ended.is_set()]

    def held(self, stream_id: str) -> Live | None:
        """A stream that is held here, ended or not."""
        return self._lives.get(stream_id)

    def live(self, message_id: str) -> Live | None:
        """The stream that answers as `message_id`, while it is held here."""
        found = (live for live in self._lives.values() if live.message_id == message_id)
        return next(found, None)

    async def begin(
        self, way: Route, call: Call, model: str, passing: link.Passing | None = None, **place: Any
    ) -> tuple[Live, Pump]:
        """Write down a new answer and the request for it, and make its pump, which is to be
        started with `pump.out.submitted()`. `place` is as for `NewStream`."""
        profile = way.profile
        begun = await self.journal.begin(
            NewStream(
                profile=profile.name,
                model=model,
                dialect=profile.dialect,
                options=profile.options,
                call=call,
                idempotency_key=way.new_key(),
                **place,
            )
        )
        try:
            row = await self.journal.stream(begun.stream_id)
        except JournalProblem:
            if not place.get("conversation_id"):  # else there is more in it than this
                self._start(self._keep_deleting(begun.conversation_id))
            raise
        live = self._live(row)
        return live, self._open(live, row, way, passing)

    async def _keep_deleting(self, conversation_id: str) -> None:
        """Forget what was written down and not begun."""
        while True:
            try:
                await self.journal.delete(conversation_id)
                return
            except JournalProblem:
                await asyncio.sleep(1.0)

    async def discard(self, live: Live) -> None:
        """Forget a stream that was not started."""
        del self._lives[live.stream_id]
        await self._pumps.pop(live.stream_id).close()
        await self.journal.delete(live.conversation_id)

    async def take_up(self, *, only: str = "", take_over: bool = False) -> list[Live]:
        """Go on with the streams whose process is dead (with `only`, with that one alone); follow
        those of a living one, or with `take_over` go on with them, too."""
        taken = []
        for row in await self.journal.orphans():
            if only and row.id != only:
                continue
            if row.dialect in DIALECTS and await self.journal.adopt(row.id, row.lease):
                taken.append(await self._others.take(row, self._live(row)))
        for row in await self.journal.foreign():
            if only and row.id != only:
                continue
            if row.dialect in DIALECTS and row.id not in self._lives:
                taken.append(self._follow(row))
        if take_over:
            for live in taken:
                with suppress(ConfigProblem):  # it is followed instead
                    await self.take_over(live)
        return taken

    def stop(self, live: Live) -> None:
        """End the generation. (Closing a tab does not: streams are the hub's.)"""
        if pump := self._pumps.get(live.stream_id):
            pump.tell(Stopped())

    def detach(self, live: Live) -> bool:
        """Leave the generation to the server, as soon as it has named it; False if it would end
        with our connection."""
        pump = self._pumps.get(live.stream_id)
        return pump is not None and pump.detach()

    def wake(self, live: Live) -> None:
        """Try again now instead of waiting."""
        if pump := self._pumps.get(live.stream_id):
            pump.tell(Woken())

    def wake_all(self, why: str) -> None:
        """`why`, one of `wake.REASONS`: look at once whether connections live."""
        for pump in tuple(self._pumps.values()):
            pump.wake(why)

    async def take_over(self, live: Live) -> bool:
        """Take a stream from the living process that reads it, which then follows us."""
        return await self._others.take_over(live)

    async def subscribe(self, live: Live, after: int = 0) -> AsyncIterator[Frame]:
        """The stream's frames from the journal, then those that come, until its end; frames that
        the journal refuses for now come from memory."""
        async for frame in subscribe(self.journal, live, self._unsaved, after):
            yield frame

    def _unsaved(self, live: Live, after: int) -> list[Frame]:
        pump = self._pumps.get(live.stream_id)
        return pump.unsaved(after) if pump else []

    async def close(self) -> None:
        """Save what has arrived and let go. Streams that can resume go on at the next start."""
        self._watch.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(pump.close() for pump in self._pumps.values()))
        try:
            await self.journal.release()
        except JournalProblem:
            pass  # the leases end with this process

    # How a stream gets its pump.

    def _open(
        self, live: Live, row: StreamRow, way: Route, passing: link.Passing | None = None
    ) -> Pump:
        """A pump for `live`, which holds all that the journal does."""
        out = Outgoing(
            way.target,
            row.call,
            row.codec,
            idempotency_key=row.idempotency_key,
            relay=way.profile.relay,
            may_resume=way.profile.resume != "off",
            passing=passing,
        )
        live.policy = way.profile.resume
        live.relayed = bool(way.target.uds)
        pump = Pump(
            live,
            out,
            self.journal,
            self.clients,
            self._slots,
            fork=lambda live: self._forked(live, way),
            dispossessed=lambda live: self._start(self._hand_over(live, row)),
            pace=self._pace,
        )
        self._pumps[live.stream_id] = pump
        return pump

    def _live(self, row: StreamRow) -> Live:
        live = Live(
            row.id,
            row.conversation_id,
            row.message_id,
            profile=row.profile,
            model=row.model,
            fold=self._fold(row.codec.decoder()),
            dialect=row.dialect,
            named=bool(row.codec.SCHEME),
        )
        live.handle, live.continues = row.handle, continues(row)
        let_go(self._lives, self._pumps)
        self._lives[row.id] = live
        self._made(live)
        return live

    async def _resume(self, row: StreamRow, live: Live) -> Live:
        """Fold what the journal holds, then go on from its cursor."""
        live.handle = row.handle
        await catch_up(self.journal, live)
        try:
            way = await self._routes.again(row)
            way = await self._relays.told(way) if row.idempotency_key else way
        except Problem as problem:
            if not await settle_cut(self.journal, live, problem):
                self._start(self._keep_settling(live, problem))
            return live
        pump = self._open(live, row, way)
        pump.look_for_handle()
        first = take_up(
            rung=live.way,
            idempotent=bool(row.idempotency_key) and row.rung != Rung.NONE,
            stoppable=pump.out.cancel(live) is not None,
            fetchable=pump.out.poll(live) is not None,
            stopping=row.state == STOPPING,
            verdict=live.fold.reply.verdict,
            fallback=bool(row.call.fallback),
            opened=len(live.history) > 0,
            forked=live.fold.forked,
        )
        last = live.latest
        if last is not None and live.fold.reply.verdict is None and not live.fold.away:
            pump.put(mark(MarkName.LOST, last.wall, last.mono, why="ssechat ended"))
        pump.start(first)
        return live

    async def _keep_settling(self, live: Live, why: Problem) -> None:
        written = False
        while not written:
            await asyncio.sleep(1.0)
            written = await settle_cut(self.journal, live, why)

    def _forked(self, old: Live, way: Route) -> None:
        """The server sends another answer than the one we hold, which ends as cut."""

    # Streams that other processes own.

    async def reap(self) -> list[Live]:
        """Go on with the streams that dead processes have left."""
        taken = []
        for row in await self.journal.orphans():
            held = self._lives.get(row.id)
            if row.dialect not in DIALECTS or (held and not held.ended.is_set()):
                continue
            try:
                if not await self._may_take(row):
                    continue
                if await self.journal.adopt(row.id, row.lease):
                    row = await again(self.journal, row)
                    taken.append(await self._others.take(row, self._live(row)))
            except JournalProblem:
                continue  # a broken one must not keep us from the others
        return taken

    async def _may_take(self, row: StreamRow) -> bool:
        """What another process knows the server of is left to that one, for a while."""
        if not self.journal.shared or await self._routes.find(row.profile) is not None:
            return True
        now = time.monotonic()
        self._strange = {id: t for id, t in self._strange.items() if now - t < 2 * _STRANGE}
        return now - self._strange.setdefault(row.id, now) > _STRANGE

    async def follow(self, row: StreamRow) -> Live:
        """Read along with another process, which owns the stream."""
        live = self._live(row)
        live.followed = True
        try:
            await catch_up(self.journal, live)
        except BaseException:
            self._lives.pop(row.id, None)
            raise
        self._others.follow(live)
        return live

    def unfollow(self, live: Live) -> None:
        """Look no longer at a stream that another process owns."""
        self._others.unfollow(live)
        self._lives.pop(live.stream_id, None)

    def _follow(self, row: StreamRow) -> Live:
        live = self._live(row)
        self._others.follow(live)
        return live

    async def _hand_over(self, live: Live, row: StreamRow) -> None:
        """Another process owns the stream now: what only we hold of it does not count."""
        pump = self._pumps.pop(live.stream_id)
        await pump.close()
        if pump.saved_seq != live.seq:
            live.restart(row.codec.decoder())
        live.outcome, live.unsaved, live.machine = None, None, Stream()
        if live.ended.is_set():  # it had ended here, and goes on there
            live.ended = asyncio.Event()
        self._others.follow(live)
        live.changed()

    # Housekeeping.

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for pump in tuple(self._pumps.values()):
                pump.tick()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.journal.heartbeat)
            for duty in (self.journal.beat, self._notice):
                try:
                    await duty()
                except JournalProblem:
                    pass

    async def _notice(self) -> None:
        await self._others.notice(self._pumps)
