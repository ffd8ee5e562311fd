"""How streams begin: written down, sent, and the first answer awaited; once for each key."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakValueDictionary

from ssechat.core.conversation import Call
from ssechat.core.errors import JournalProblem, LinkProblem, Problem
from ssechat.core.resume import State
from ssechat.hub import Live
from ssechat.hub.prompts import findable
from ssechat.hub.pump import Pump
from ssechat.hub.route import Route
from ssechat.journal import NotFound
from ssechat.journal.owned import Owned
from ssechat.journal.rows import new_id
from ssechat.link import Head
from ssechat.relay import log, neighbours
from ssechat.relay.chores import until_written
from ssechat.relay.errors import Refusal
from ssechat.relay.feed import Feed
from ssechat.relay.passing import FirstAnswer, Verbatim

if TYPE_CHECKING:
    from ssechat.relay.relay import Relay

REMEMBERED = 86_400.0
"""Seconds for which owners are told that a stream is gone, and called-off keys start nothing."""
_LOOK = 0.1  # s
_DROP_TIME = 3.0  # s that an answer waits until its request is forgotten


class Order(NamedTuple):
    """What an owner asks for. `digest` tells one request under a key from another one; `key` is ""
    where the client has sent none."""

    owner: str
    way: Route
    call: Call
    key: str
    digest: bytes


class Started(NamedTuple):
    """A stream that answers a request, or the answer that is none."""

    feed: Feed | None
    head: Head
    body: bytes = b""
    replayed: bool = False


class _KeyTaken(Exception):
    """Another process has a request with this key."""


class Starts:
    """The streams whose upstream has not answered yet."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._journal = relay.journal
        self._opening: dict[str, FirstAnswer] = {}
        self._unsent: dict[str, str] = {}  # and why they are not to be sent any more, or ""
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._starting: Counter[str] = Counter()  # requests that are not written down yet

    def __bool__(self) -> bool:
        return bool(self._opening)

    def __contains__(self, stream_id: str) -> bool:
        return stream_id in self._opening

    def call_off(self, stream_id: str, why: str) -> bool:
        """See to it that a request is not sent; False if it has been, or is not ours."""
        if stream_id not in self._unsent:
            return False
        self._unsent[stream_id] = why
        return True

    async def start(self, order: Order) -> Started:
        """Send a request, or find the stream that was started before under its key. Raises
        Refusal, and Problem if the upstream gives no answer at all."""
        if not order.key:
            return await self._start(order)
        owner, key = order.owner, order.key
        lock = self._locks.setdefault((owner, key), asyncio.Lock())
        async with lock:
            while True:
                known = await self._journal.by_key(owner, key)
                if known and (again := await self._again(known, order.digest)):
                    return again
                if await self._journal.past(owner, f"key:{key}"):
                    raise Refusal(409, "this request was cancelled before it came")
                with suppress(_KeyTaken):
                    return await self._start(order)
                await asyncio.sleep(_LOOK)

    async def _again(self, known: Owned, digest: bytes) -> Started | None:
        """The stream that a key has started; None if another process' upstream gave none."""
        if known.digest != digest:
            raise Refusal(422, "this Idempotency-Key was used with another request")
        await neighbours.answered(self._journal, known)
        try:
            feed = await self._relay.feed(known)
        except NotFound:
            return None
        head = Head(200, {"idempotent-replayed": "true"})
        return Started(feed, head, replayed=True)

    async def _start(self, order: Order) -> Started:
        first = FirstAnswer(order.way.target.redactor)
        stream_id = new_id("st_")
        self._opening[stream_id] = first
        try:
            live, pump = await self._written_down(order, first, stream_id)
            pump.start(pump.out.submitted())
            try:
                came = await asyncio.shield(first.came)
            except Problem:
                why = self._relay.ends.why(stream_id)
                if why and order.key:
                    await self._journal.call_off(order.owner, order.key, time.time() + REMEMBERED)
                await self._drop(live)
                if why:
                    raise Refusal(409, f"the upstream had not answered: {why}") from None
                raise
        finally:
            del self._opening[stream_id]
        if isinstance(came, Verbatim):
            await self._drop(live)
            return Started(None, came.head, came.body)
        if order.key:
            await self._confirm(stream_id)
        return Started(self._relay.feeds[stream_id], came)

    async def _confirm(self, stream_id: str) -> None:
        """Let other processes know that it is a stream."""
        try:
            await self._journal.confirm(stream_id)
        except JournalProblem:
            self._relay.spawn(until_written(partial(self._journal.confirm, stream_id)))

    async def _written_down(
        self, order: Order, first: FirstAnswer, stream_id: str
    ) -> tuple[Live, Pump]:
        """The request with its owner in the journal, and what will send it; or neither."""
        profile = order.way.profile
        upstream = profile.name.partition("/")[0]
        self._starting[order.owner] += 1
        self._unsent[stream_id] = ""
        try:
            await self._make_room(order.owner)
            call = findable(order.call, profile)
            live, pump = await self._relay.streams.begin(
                order.way, call, "", passing=first, text="", stream_id=stream_id
            )
            try:
                await self._register(order, upstream, stream_id)
            except (Problem, Refusal, _KeyTaken):
                await self._discard(live)
                raise
        finally:
            self._starting[order.owner] -= 1
            del self._unsent[stream_id]
        self._relay.objects.begin(stream_id, order.owner)
        about = {"owner": order.owner, "upstream": upstream, "dialect": profile.dialect}
        log.note("stream began", stream=stream_id, **about)
        return live, pump

    async def _register(self, order: Order, upstream: str, stream_id: str) -> None:
        key, dialect = order.key or None, order.way.profile.dialect
        owned = Owned(
            *(stream_id, order.owner, upstream, key, order.digest, dialect), "", "", 0, None, ""
        )
        if not await self._journal.register(owned):
            raise _KeyTaken
        called_off = key and await self._journal.past(order.owner, f"key:{key}")
        if called_off or self._unsent[stream_id]:
            raise Refusal(409, "this request was cancelled before it was sent")

    async def _discard(self, live: Live) -> None:
        self._relay.feeds.drop(live.stream_id)
        try:
            await self._relay.streams.discard(live)
        except JournalProblem:
            gone = partial(self._journal.delete, live.conversation_id)
            self._relay.spawn(until_written(gone))

    async def _make_room(self, owner: str) -> None:
        if self._relay.draining:
            raise Refusal(503, "the relay is about to end", headers={"Retry-After": "5"})
        most = self._relay.config.limits.live_streams
        if await self._journal.live_of(owner, most) + self._starting[owner] > most:
            told = f"{most} streams of yours are live already"
            raise Refusal(429, told, headers={"Retry-After": "5"})

    async def _drop(self, live: Live) -> None:
        """Forget a request that no stream came of, so that it may be sent again."""
        dropping = self._relay.spawn(self._dropped(live))
        await asyncio.wait({dropping}, timeout=_DROP_TIME)

    async def _dropped(self, live: Live) -> None:
        await live.ended.wait()
        self._relay.feeds.drop(live.stream_id)
        await until_written(partial(self._journal.delete, live.conversation_id))

    def look(self, live: Live) -> None:
        """A client does not wait for an upstream that cannot be reached: it has its own retries."""
        first = self._opening.get(live.stream_id)
        if first is None or first.came.done() or first.passed:
            return
        if live.machine.state is State.BACKOFF or live.outcome is not None:
            problem = live.problem or LinkProblem("the upstream gave no answer", kind="lost")
            first.none(problem)
            self._relay.streams.stop(live)
