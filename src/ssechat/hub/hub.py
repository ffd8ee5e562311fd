"""The hub: starts streams, takes up those that others left, stops them; it outlives every tab."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from ssechat.core.conversation import Prompt, Role, Turn, history
from ssechat.core.deltas import EndState
from ssechat.core.dialects import DIALECTS, dialect
from ssechat.core.errors import ConfigProblem, JournalProblem, Problem
from ssechat.core.fold import Fold, mark
from ssechat.core.frames import Frame, MarkName
from ssechat.core.resume import Rung, Settle, Stopped, Stream, Woken, submit, take_up
from ssechat.hub.follower import catch_up, follow
from ssechat.hub.live import Live
from ssechat.hub.outcome import outcome
from ssechat.hub.pump import Pump
from ssechat.hub.reader import Outgoing, cancel_path, rung_of
from ssechat.hub.route import Route, route
from ssechat.journal import (
    STOPPING,
    UNFINISHED,
    Journal,
    MessageRow,
    NewStream,
    NotFound,
    StreamRow,
)
from ssechat.link import Clients
from ssechat.settings import Profile

WHOLE = frozenset({EndState.COMPLETE, EndState.LENGTH, EndState.REFUSED})
"""Ends after which a server has nothing more to say."""
HEARTBEAT = 5.0  # s between two beats of our leases
_RETRY = 1.0  # s
_PAGE = 500  # frames read at once

Profiles = Callable[[str], Awaitable[Profile | None]]
"""Finds the profile that a stored stream was started with, by its name; None if it is gone."""


class Question(msgspec.Struct, frozen=True):
    """What to send. Without `text` the answer to `parent`, a user's message, is tried again."""

    profile: Profile
    text: str | None = None
    conversation_id: str | None = None
    parent_id: str | None = None
    system: str = ""


class Hub:
    """The live streams of this process, one pump each."""

    def __init__(self, journal: Journal, clients: Clients, profiles: Profiles) -> None:
        self.journal = journal
        self.clients = clients
        self._profiles = profiles
        self._lives: dict[str, Live] = {}
        self._pumps: dict[str, Pump] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._start(self._beat())

    @property
    def lives(self) -> list[Live]:
        """Streams that have not ended."""
        return [live for live in self._lives.values() if not live.ended.is_set()]

    def live(self, message_id: str) -> Live | None:
        """The stream that answers as `message_id`, while it is held here."""
        found = (live for live in self._lives.values() if live.message_id == message_id)
        return next(found, None)

    async def submit(self, question: Question) -> Live:
        """Write the question and its request down, then send it. Raises Problem; nothing is sent
        then, and the text is still the caller's."""
        way = await route(question.profile)
        prompt = await self._prompt(question)
        call = way.dialect.request(prompt)
        begun = await self.journal.begin(
            NewStream(
                conversation_id=question.conversation_id,
                parent_id=question.parent_id,
                text=question.text,
                profile=question.profile.name,
                model=prompt.model,
                dialect=question.profile.dialect,
                call=call,
                idempotency_key=secrets.token_hex(16) if question.profile.relay else "",
                system=question.system,
            )
        )
        row = await self.journal.stream(begun.stream_id)
        live = self._live(row)
        self._open(live, row, way).start(submit(idempotent=bool(row.idempotency_key)))
        return live

    async def take_up(self) -> list[Live]:
        """Go on with the streams whose process is dead; follow those of a living one."""
        taken = []
        for row in await self.journal.orphans():
            if row.dialect in DIALECTS and await self.journal.adopt(row.id, row.lease):
                taken.append(await self._resume(row))
        for row in await self.journal.foreign():
            if row.dialect in DIALECTS and row.id not in self._lives:
                taken.append(self._follow(row))
        return taken

    async def resume(self, stream_id: str) -> Live:
        """Go on with a cut stream, as the user asks. ConfigProblem if it cannot go on."""
        row = await self.journal.stream(stream_id)
        if row.state in WHOLE:
            raise ConfigProblem("this answer is whole", remedy="ctrl+r asks again")
        if not row.resume_path:
            raise ConfigProblem(
                "this server cannot resume a stream",
                remedy="ctrl+r asks again, as a new attempt; this one is kept",
            )
        if not await self.journal.reopen(stream_id):
            raise ConfigProblem("this stream goes on already", remedy="wait for its end")
        return await self._resume(await self.journal.stream(stream_id))

    def stop(self, live: Live) -> None:
        """End the generation. (Closing a tab does not: streams are the hub's.)"""
        if pump := self._pumps.get(live.stream_id):
            pump.tell(Stopped())

    def wake(self, live: Live) -> None:
        """Try again now instead of waiting."""
        if pump := self._pumps.get(live.stream_id):
            pump.tell(Woken())

    async def subscribe(self, live: Live, after: int = 0) -> AsyncIterator[Frame]:
        """The stream's frames from the journal, then those that come, until its end; frames that
        the journal refuses for now come from memory."""
        while True:
            version = live.version
            over = live.ended.is_set() or (live.outcome is not None and live.unsaved is not None)
            rows = await self.journal.frames(live.stream_id, after, _PAGE)
            pump = self._pumps.get(live.stream_id)
            held = pump.unsaved(after) if pump and not rows else []
            for frame in held or [frame for _, frame in rows]:
                after += 1
                yield frame
            if rows or held:
                continue
            if over:  # as it was before we looked: frames may have come since
                return
            await live.change(version)

    async def close(self) -> None:
        """Save what has arrived and let go. Streams that can resume go on at the next start."""
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

    def _open(self, live: Live, row: StreamRow, way: Route) -> Pump:
        """A pump for `live`, which holds all that the journal does."""
        out = Outgoing(
            way.target,
            row.call,
            way.dialect,
            idempotency_key=row.idempotency_key,
            may_resume=way.profile.resume != "off",
        )
        pump = Pump(
            live,
            out,
            self.journal,
            self.clients,
            fork=lambda live: self._start(self._fork(live, way)),
            dispossessed=lambda live: self._start(self._hand_over(live, row)),
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
            fold=Fold(dialect(row.dialect).decoder()),
        )
        live.resume_path, live.remote_id = row.resume_path, row.remote_id
        self._lives[row.id] = live
        return live

    async def _resume(self, row: StreamRow, live: Live | None = None) -> Live:
        """Fold what the journal holds, then go on from its cursor."""
        live = live or self._live(row)
        live.resume_path, live.remote_id = row.resume_path, row.remote_id
        await catch_up(self.journal, live)
        try:
            way = await self._way(row.profile)
        except Problem as problem:
            await self._settle_cut(live, problem)
            return live
        first = take_up(
            rung=rung_of(live) if way.profile.resume != "off" else Rung.NONE,
            idempotent=bool(row.idempotency_key) and row.rung != Rung.NONE,
            stoppable=bool(cancel_path(live)),
            stopping=row.state == STOPPING,
            verdict=live.fold.reply.verdict,
            opened=len(live.history) > 0,
        )
        pump = self._open(live, row, way)
        last = live.latest
        if last is not None and live.fold.reply.verdict is None and not live.fold.away:
            pump.put(mark(MarkName.LOST, last.wall, last.mono, why="ssechat ended"))
        pump.start(first)
        return live

    async def _settle_cut(self, live: Live, why: Problem) -> None:
        live.problem = why
        settle = Settle(EndState.CUT, why.title)
        live.close(settle)
        try:
            await self.journal.settle(live.stream_id, outcome(live, settle))
        except JournalProblem as problem:
            live.unsaved = problem
        live.ended.set()
        live.changed()

    async def _way(self, name: str) -> Route:
        profile = await self._profiles(name)
        if profile is None:
            raise ConfigProblem(
                f"the profile {name} is no longer configured",
                remedy="configure it again, then resume the answer",
            )
        return await route(profile)

    async def _fork(self, old: Live, way: Route) -> None:
        """The server sends another answer than the one we hold: it becomes the next attempt."""
        await old.ended.wait()
        try:
            row = await self._sibling(old)
        except JournalProblem as problem:
            old.problem = problem
            old.changed()
            return
        live = self._live(row)
        first = take_up(rung=Rung.REPLAY, stoppable=bool(cancel_path(live)), forked=True)
        self._open(live, row, way).start(first)
        old.changed()

    async def _sibling(self, old: Live) -> StreamRow:
        row = await self.journal.stream(old.stream_id)
        parent = await self.journal.parent(old.message_id)
        begun = await self.journal.begin(
            NewStream(
                conversation_id=old.conversation_id,
                parent_id=parent,
                text=None,
                profile=row.profile,
                model=row.model,
                dialect=row.dialect,
                call=row.call,
            )
        )
        await self.journal.update_stream(
            begun.stream_id,
            resume_path=old.resume_path,
            remote_id=old.remote_id,
            rung=Rung.REPLAY,
        )
        return await self.journal.stream(begun.stream_id)

    # Streams that other processes own.

    def _follow(self, row: StreamRow) -> Live:
        live = self._live(row)
        live.followed = True
        self._start(self._keep_following(live))
        return live

    async def _hand_over(self, live: Live, row: StreamRow) -> None:
        """Another process owns the stream now: what only we hold of it does not count."""
        pump = self._pumps.pop(live.stream_id)
        await pump.close()
        if pump.saved_seq != live.seq:
            live.restart(dialect(row.dialect).decoder())
        live.outcome, live.unsaved, live.machine = None, None, Stream()
        live.followed = True
        live.changed()
        await self._keep_following(live)

    async def _keep_following(self, live: Live) -> None:
        """Fold another process' frames as it writes them; take over if that process dies."""
        while not live.ended.is_set():
            try:
                row = await follow(self.journal, live)
                if row.state in UNFINISHED and await self.journal.adopt(row.id, row.lease):
                    live.followed = False
                    await self._resume(row, live)
                    return
            except NotFound as problem:
                live.problem = problem
                live.close(Settle(EndState.STOPPED, "the conversation was deleted"))
                live.ended.set()
                live.changed()
            except JournalProblem:
                await asyncio.sleep(_RETRY)

    async def _prompt(self, question: Question) -> Prompt:
        turns: list[Turn] = []
        system = question.system
        if question.conversation_id:
            system = (await self.journal.conversation(question.conversation_id)).system
        if system:
            turns.append(Turn(Role.SYSTEM, system))
        if question.conversation_id and question.parent_id:
            path = await self.journal.path(question.conversation_id, question.parent_id)
            turns += [self._turn(row) for row in path]
        if question.text is not None:
            turns.append(Turn(Role.USER, question.text))
        profile = question.profile
        return Prompt(history(turns), profile.model, profile.params)

    def _turn(self, row: MessageRow) -> Turn:
        """A message as it is sent: the answer's text, and of thinking only what is sealed."""
        live = self.live(row.id)
        if live is None:
            return Turn(Role(row.role), row.text, tuple(row.thoughts))
        reply = live.fold.reply
        return Turn(Role.ASSISTANT, reply.answer, tuple(reply.thoughts))

    # Housekeeping.

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self) -> None:
        beats = 0
        while True:
            await asyncio.sleep(1.0)
            for pump in tuple(self._pumps.values()):
                pump.tick()
            beats += 1
            if beats % HEARTBEAT == 0:
                try:
                    await self.journal.beat()
                except JournalProblem:
                    pass
