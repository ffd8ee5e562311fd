"""The relay itself: streams that it starts for owners, keeps while they run, and forgets."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from ssechat.core.conversation import Call
from ssechat.core.errors import JournalProblem, LinkProblem, Problem
from ssechat.core.fold import Watch
from ssechat.core.frames import Frame
from ssechat.core.resume import State
from ssechat.hub import Live, Streams
from ssechat.hub.prompts import findable
from ssechat.hub.pump import Pump
from ssechat.hub.route import Route
from ssechat.journal import UNFINISHED, NotFound, Outcome
from ssechat.journal.owned import Owned, OwnedStreams, view_of
from ssechat.journal.rows import new_id
from ssechat.link import Clients, Head
from ssechat.relay import background, log, neighbours, upkeep
from ssechat.relay.chores import lasting, until_written
from ssechat.relay.config import RelayConfig
from ssechat.relay.ends import Ends
from ssechat.relay.errors import Refusal
from ssechat.relay.feed import Feed
from ssechat.relay.feeds import Feeds
from ssechat.relay.metrics import Metrics
from ssechat.relay.objects import Objects
from ssechat.relay.passing import FirstAnswer, Verbatim
from ssechat.settings import Profile

_REMEMBERED = 86_400.0
"""Seconds for which owners are told that a stream is gone, and called-off keys start nothing."""
_LOOK = 0.1  # s
_DROP_TIME = 3.0  # s that an answer waits until its request is forgotten
PACE = 0.004
"""Seconds between two commits of a stream that is fast: each costs as much as many events."""


class _KeyTaken(Exception):
    """Another process has a request with this key."""


class Started(NamedTuple):
    """A stream that answers a request, or the answer that is none."""

    feed: Feed | None
    head: Head
    body: bytes = b""
    replayed: bool = False


class Relay:
    """The hub behind HTTP. To be made on the running event loop."""

    def __init__(self, config: RelayConfig, journal: OwnedStreams) -> None:
        self.config = config
        self.journal = journal
        self.feeds = Feeds(journal)
        self.clients = Clients()
        self.streams = Streams(
            journal, self.clients, self._profile, made=self._made, fold=Watch, pace=PACE
        )
        self.draining = False
        self.leaving = asyncio.Event()
        """Set when it is to end at once."""
        self.metrics = Metrics()
        self._opening: dict[str, FirstAnswer] = {}
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._starting: Counter[str] = Counter()  # requests that are not written down yet
        self._ends = Ends()
        self.objects = Objects(journal, self._spawn)
        journal.last_event = self._last_event
        journal.written = self._written
        journal.stop_asked = self.stop
        work = (upkeep.watch_readers, upkeep.tidy, neighbours.reap, neighbours.note_readers)
        self._tasks = [asyncio.create_task(lasting(partial(one, self))) for one in work]

    @classmethod
    async def open(cls, config: RelayConfig, journal: OwnedStreams) -> Relay:
        """Go on with what an earlier process left. Raises JournalProblem."""
        relay = cls(config, journal)
        await relay.streams.reap()
        return relay

    async def close(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.journal.hurry()
        try:
            await self.streams.close()
        finally:
            await self.clients.close()
            await self.journal.close()

    @property
    def fragile(self) -> bool:
        """Whether something would be lost with this process."""
        held = (not (live.outlives or live.followed) for live in self.streams.lives)
        return bool(self._opening) or any(held)

    @property
    def in_use(self) -> bool:
        return bool(self.streams.lives or self.feeds.readers or self._opening)

    def is_read(self, stream_id: str) -> bool:
        feed = self.feeds.get(stream_id)
        return feed is not None and feed.readers > 0

    # Starting.

    async def start(
        self, owner: str, way: Route, call: Call, *, key: str, digest: bytes
    ) -> Started:
        """Send an owner's request, or find the stream that it started before under this key.
        Raises Refusal, and Problem if the upstream gives no answer at all."""
        if not key:
            return await self._start(owner, way, call, None, digest)
        lock = self._locks.setdefault((owner, key), asyncio.Lock())
        async with lock:
            while True:
                known = await self.journal.by_key(owner, key)
                if known and (again := await self._again(known, digest)):
                    return again
                if await self.journal.past(owner, f"key:{key}"):
                    raise Refusal(409, "this request was cancelled before it came")
                with suppress(_KeyTaken):
                    return await self._start(owner, way, call, key, digest)
                await asyncio.sleep(_LOOK)

    async def _again(self, known: Owned, digest: bytes) -> Started | None:
        """The stream that a key has started; None if another process' upstream gave none."""
        if known.digest != digest:
            raise Refusal(422, "this Idempotency-Key was used with another request")
        await neighbours.answered(self.journal, known)
        try:
            feed = await self.feed(known)
        except NotFound:
            return None
        head = Head(200, {"idempotent-replayed": "true"})
        return Started(feed, head, replayed=True)

    async def _start(
        self, owner: str, way: Route, call: Call, key: str | None, digest: bytes
    ) -> Started:
        first = FirstAnswer(way.target.redactor)
        stream_id = new_id("st_")
        self._opening[stream_id] = first
        self._starting[owner] += 1
        try:
            await self._make_room(owner)
            live, pump = await self._written_down(owner, way, call, first, stream_id, key, digest)
            self._starting[owner] -= 1
            owner = ""
            pump.start(pump.out.submitted())
            try:
                came = await asyncio.shield(first.came)
            except Problem:
                await self._drop(live)
                raise
        finally:
            del self._opening[stream_id]
            if owner:
                self._starting[owner] -= 1
        if isinstance(came, Verbatim):
            await self._drop(live)
            return Started(None, came.head, came.body)
        if key:
            await self.journal.confirm(stream_id)
        return Started(self.feeds[stream_id], came)

    async def _written_down(
        self,
        owner: str,
        way: Route,
        call: Call,
        first: FirstAnswer,
        stream_id: str,
        key: str | None,
        digest: bytes,
    ) -> tuple[Live, Pump]:
        """The request with its owner in the journal, and what will send it; or neither."""
        dialect, upstream = way.profile.dialect, way.profile.name.partition("/")[0]
        call = findable(call, way.profile)
        live, pump = await self.streams.begin(
            way, call, "", passing=first, text="", stream_id=stream_id
        )
        owned = Owned(stream_id, owner, upstream, key, digest, dialect, "", "", 0, None, "")
        try:
            if not await self.journal.register(owned):
                raise _KeyTaken
            if key and await self.journal.past(owner, f"key:{key}"):
                raise Refusal(409, "this request was cancelled before it came")
        except (Problem, Refusal, _KeyTaken):
            self.feeds.drop(stream_id)
            try:
                await self.streams.discard(live)
            except JournalProblem:
                self._spawn(until_written(partial(self.journal.delete, live.conversation_id)))
            raise
        self.objects.begin(stream_id, owner)
        log.note("stream began", stream=stream_id, owner=owner, upstream=upstream, dialect=dialect)
        return live, pump

    async def _make_room(self, owner: str) -> None:
        if self.draining:
            raise Refusal(503, "the relay is about to end", headers={"Retry-After": "5"})
        most = self.config.limits.live_streams
        if await self.journal.live_of(owner, most) + self._starting[owner] > most:
            raise Refusal(
                429, f"{most} streams of yours are live already", headers={"Retry-After": "5"}
            )

    async def _drop(self, live: Live) -> None:
        """Forget a request that no stream came of, so that it may be sent again."""
        dropping = asyncio.ensure_future(self._dropped(live))
        self._hold(dropping)
        await asyncio.wait({dropping}, timeout=_DROP_TIME)

    async def _dropped(self, live: Live) -> None:
        await live.ended.wait()
        self.feeds.drop(live.stream_id)
        await until_written(partial(self.journal.delete, live.conversation_id))

    # Reading.

    async def find(self, owner: str, stream_id: str) -> Owned:
        """The stream, if it is this owner's. Raises Refusal: the same for all others."""
        found = await self.journal.owned(owner, stream_id)
        if found is not None:
            return found
        if await self.journal.past(owner, stream_id):
            raise Refusal(410, "this stream has been forgotten", facts={"reason": "expired"})
        raise Refusal(404, "no such stream")

    async def feed(self, owned: Owned) -> Feed:
        """The stream's events."""
        feed = await self.feeds.of(owned, self.streams)
        live = self.live(owned.stream_id)
        if live is not None and live.followed and not feed.readers:
            await self.journal.note_read([owned.stream_id])
        return feed

    async def number(self, feed: Feed, epoch: int, seq: int) -> int | None:
        """Which event of the feed an id names; None if there is none."""
        return await self.feeds.number(feed, self.live(feed.stream_id), epoch, seq)

    def live(self, stream_id: str) -> Live | None:
        """The stream, while it has not ended."""
        live = self.streams.held(stream_id)
        return live if live is not None and not live.ended.is_set() else None

    # Ending.

    async def cancel(self, stream_id: str, why: str) -> bool:
        """End a generation, whichever process owns it; False if it has ended already."""
        return self.stop(stream_id, why) or await self.journal.ask_stop(stream_id, why)

    def stop(self, stream_id: str, why: str) -> bool:
        """End a generation of ours; False if it has ended already, or is another process'."""
        live = self.live(stream_id)
        if live is None or live.followed:
            return False
        self._ends.because(stream_id, why)
        self.streams.stop(live)
        return True

    async def cancel_by_key(self, owner: str, key: str) -> Owned | None:
        """Stop what a key started; if that is nothing yet, see to it that it starts nothing."""
        known = await self.journal.by_key(owner, key)
        if known is None:
            await self.journal.call_off(owner, key, time.time() + _REMEMBERED)
            known = await self.journal.by_key(owner, key)  # it may have come meanwhile
        if known is None:
            return None
        await self.cancel(known.stream_id, "it was cancelled")
        return known

    async def delete(self, owned: Owned) -> None:
        """Stop the stream, and forget it."""
        if owned.state in UNFINISHED and await self.cancel(owned.stream_id, "it was deleted"):
            await neighbours.ended(self, owned)
        await self._forget(owned)

    async def _forget(self, owned: Owned) -> None:
        await self.journal.forget(owned, time.time() + _REMEMBERED)
        self.feeds.drop(owned.stream_id)

    # What the hub tells.

    async def _profile(self, name: str) -> Profile | None:
        """The upstream of a stored stream, whose profile's name is as in `Upstream`."""
        if name.startswith(background.STORED):
            return await asyncio.to_thread(background.profile, name)
        upstream, dialect, view = [*name.split("/"), "", ""][:3]
        found = self.config.upstreams.get(upstream)
        return found.profile(dialect, view) if found else None

    def _made(self, live: Live) -> None:
        about = (live.stream_id, live.dialect, view_of(live.profile))
        feed = self.feeds.new(*about)
        held: list[Frame] = []
        upstream = live.profile.partition("/")[0]

        def take(frames: list[Frame]) -> None:
            if not live.followed:
                self._ends.look(live.stream_id, frames)
                self.objects.look(live.stream_id, upstream, live.dialect, feed.events, frames)
                self.metrics.count(frames)
            held.extend(frames)
            if live.unsaved is None:  # what is not safe yet is not shown
                feed.take(held)
                held.clear()
            limits = self.config.limits
            if feed.size > limits.stream_bytes:
                self.stop(live.stream_id, "it is longer than this relay allows")
            elif any(len(frame.data) > limits.event_bytes for frame in frames):
                self.stop(live.stream_id, "an event is larger than this relay allows")

        def changed(live: Live) -> None:
            if held and live.unsaved is None:
                take([])
            self._look_at_opening(live)
            if live.ended.is_set():
                unwatch()
                feed.close()
                self.objects.end(live.stream_id)
                self._ends.forget(live.stream_id)
                if not live.followed:
                    self.metrics.live_ended(live)
                    log.ended(live, feed.events, feed.size)
                elif isinstance(live.problem, NotFound):
                    self.feeds.drop(live.stream_id)

        def anew() -> None:
            """The journal has lost what readers were told: they come back, and learn of it."""
            nonlocal feed
            held.clear()
            feed.hang_up()
            feed = self.feeds.new(*about)

        live.tap, live.restarted = take, anew
        unwatch = live.watch(changed)

    def unfollow(self, live: Live) -> None:
        """Nobody reads here what another process owns."""
        self.streams.unfollow(live)
        self.feeds.drop(live.stream_id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._hold(asyncio.create_task(work))

    def _hold(self, task: asyncio.Task[None]) -> None:
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    def _look_at_opening(self, live: Live) -> None:
        """A client does not wait for an upstream that cannot be reached: it has its own retries."""
        first = self._opening.get(live.stream_id)
        if first is None or first.came.done() or first.passed:
            return
        if live.machine.state is State.BACKOFF or live.outcome is not None:
            problem = live.problem or LinkProblem("the upstream gave no answer", kind="lost")
            first.none(problem)
            self.streams.stop(live)

    def _last_event(self, stream_id: str, outcome: Outcome) -> Frame | None:
        live = self.streams.held(stream_id)
        feed = self.feeds.get(stream_id)
        return self._ends.last_event(feed, live, outcome) if feed else None

    def _written(self, stream_id: str, frame: Frame) -> None:
        if feed := self.feeds.get(stream_id):
            feed.take([frame])

    # Housekeeping.

    async def forget_old(self) -> None:
        """Forget what ended longer ago than it is kept."""
        for owned in await self.journal.old(time.time() - self.config.retention):
            if not self.is_read(owned.stream_id):
                await self._forget(owned)
        await self.journal.tidy()
