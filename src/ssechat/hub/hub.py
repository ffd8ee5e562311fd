"""The hub: the live streams of a process that answer in conversations; it outlives every tab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from ssechat.core.errors import ConfigProblem, JournalProblem
from ssechat.core.frames import MarkName
from ssechat.core.resume import KEPT, Rung, take_up
from ssechat.hub.continuing import going_on, not_resumed, rung_after
from ssechat.hub.follower import catch_up
from ssechat.hub.forks import sibling
from ssechat.hub.joining import Elsewhere, begun, running
from ssechat.hub.live import Live
from ssechat.hub.prompts import Question, findable, humbled, prompt
from ssechat.hub.route import Profiles, Route, Via
from ssechat.hub.streams import Streams
from ssechat.journal import UNFINISHED, Journal, StreamRow
from ssechat.journal.remote import conversations_of
from ssechat.link import Clients
from ssechat.settings import Profile


class Hub(Streams[Journal]):
    """Asks questions, goes on with answers, and keeps what servers send instead."""

    def __init__(
        self, journal: Journal, clients: Clients, profiles: Profiles, *, via: Via | None = None
    ) -> None:
        super().__init__(journal, clients, profiles, via=via)
        self._continued: set[str] = set()  # messages whose continuation is being made
        self._joining = asyncio.Lock()

    async def submit(self, question: Question) -> Live:
        """Write the question and its request down, then send it. Raises Problem; nothing is sent
        then, and the text is still the caller's."""
        way = await self._routes.fresh(await self._relays.known(question.profile))
        asked = await prompt(
            self.journal,
            self.live,
            way.profile,
            conversation_id=question.conversation_id,
            leaf=question.parent_id,
            text=question.text,
            system=question.system,
        )
        call = humbled(way.dialect.request(asked), way.profile, self._lives.values())
        call = findable(call, way.profile)
        live, pump = await self.begin(
            way,
            call,
            asked.model,
            conversation_id=question.conversation_id,
            parent_id=question.parent_id,
            text=question.text,
            system=question.system,
        )
        pump.start(pump.out.submitted())
        return live

    async def resume(self, stream_id: str, *, by_request: bool = False) -> Live:
        """Go on with an ended answer, as the user asks: on its stream if the server still has that,
        else, with `by_request`, by a new one, as the next attempt. ConfigProblem if neither can be
        done."""
        row = await self.journal.stream(stream_id)
        if row.state in UNFINISHED:
            raise ConfigProblem("this stream goes on already", remedy="wait for its end")
        rung = await self.rung_after(row)
        if rung not in KEPT and by_request:
            return await self._continue(row)
        if rung not in KEPT:
            raise not_resumed(row)
        if not await self.journal.reopen(stream_id):
            raise ConfigProblem("this stream goes on already", remedy="wait for its end")
        row = await self.journal.stream(stream_id)
        return await self._others.take(row, self._live(row))

    def elsewhere(self, profiles: Iterable[Profile]) -> AsyncIterator[list[Elsewhere]]:
        """What runs for us at relays to which `profiles` lead, of each as soon as it is known, and
        is not in the journal."""
        return running(self.journal, self.clients, self._relays, profiles)

    async def join(self, there: Elsewhere) -> str:
        """Get such an answer, from its beginning, into a conversation, whose id comes back; that
        where the journal has it, if it has. Raises Problem; nothing is written then."""
        async with self._joining:
            known = await conversations_of(self.journal, [there.id])
            if there.id not in known:
                row = await begun(self.journal, self.clients, there)
                await self._others.take(row, self._live(row))
                return row.conversation_id
        return known[there.id]

    async def rung_after(self, row: StreamRow) -> Rung:
        """How an ended stream can go on."""
        profile = await self._routes.find(row.profile)
        return rung_after(row, profile.resume if profile else "auto")

    async def _continue(self, row: StreamRow) -> Live:
        if row.message_id in self._continued:
            raise ConfigProblem("a new request goes on from it already", remedy="wait for it")
        self._continued.add(row.message_id)
        try:
            way = await self._routes.fresh(await self._routes.profile(row.profile))
            found = await going_on(self.journal, self.clients, self.live, row, way)
            live, pump = await self.begin(
                way,
                found.continuation.call,
                row.model,
                text=None,
                conversation_id=row.conversation_id,
                parent_id=found.parent_id,
            )
        finally:
            self._continued.discard(row.message_id)
        pump.note(
            MarkName.CONTINUED,
            text=found.partial,
            trim=found.continuation.trim,
            how=found.continuation.how,
            echoes=found.continuation.echoes,
        )
        pump.start(pump.out.submitted())
        return live

    def _forked(self, old: Live, way: Route) -> None:
        self._start(self._fork(old, way))

    async def _fork(self, old: Live, way: Route) -> None:
        """The other answer becomes the next attempt."""
        await old.ended.wait()
        try:
            row = await sibling(self.journal, old)
            live = self._live(row)
            await catch_up(self.journal, live)
        except JournalProblem as problem:
            old.problem = problem
            old.changed()
            return
        pump = self._open(live, row, way)
        stoppable = pump.out.cancel(live) is not None
        pump.start(take_up(rung=Rung.REPLAY, stoppable=stoppable, forked=True))
        old.changed()
