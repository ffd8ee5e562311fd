"""The relay itself: streams that it starts for owners, keeps while they run, and forgets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from ssechat.core.fold import Watch
from ssechat.core.frames import Frame
from ssechat.hub import Live, Streams
from ssechat.journal import UNFINISHED, NotFound, Outcome
from ssechat.journal.owned import Owned, OwnedStreams, view_of
from ssechat.link import Clients
from ssechat.relay import background, log, neighbours, upkeep
from ssechat.relay.chores import lasting
from ssechat.relay.config import RelayConfig
from ssechat.relay.ends import Ends
from ssechat.relay.errors import Refusal
from ssechat.relay.feed import Feed
from ssechat.relay.feeds import Feeds
from ssechat.relay.metrics import Metrics
from ssechat.relay.objects import Objects
from ssechat.relay.starting import REMEMBERED, Order, Started, Starts
from ssechat.settings import Profile

PACE = 0.004
"""Seconds between two commits of a stream that is fast: each costs as much as many events."""


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
        self.starts = Starts(self)
        self.ends = Ends()
        self.objects = Objects(journal, self.spawn)
        journal.last_event = self._last_event
        journal.written = self._written
        journal.stop_asked = self.stop
        work = (
            *(upkeep.watch_readers, upkeep.keep_alive, upkeep.tidy),
            *(neighbours.reap, neighbours.note_readers),
        )
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
        return bool(self.starts) or any(held)

    @property
    def in_use(self) -> bool:
        return bool(self.streams.lives or self.feeds.readers or self.starts)

    def is_read(self, stream_id: str) -> bool:
        feed = self.feeds.get(stream_id)
        return feed is not None and feed.readers > 0

    async def start(self, order: Order) -> Started:
        """Send a request, or find the stream that was started before under its key. Raises
        Refusal, and Problem if the upstream gives no answer at all."""
        return await self.starts.start(order)

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
        if self.starts.call_off(stream_id, why):
            return True
        live = self.live(stream_id)
        if live is None or live.followed:
            return False
        self.ends.because(stream_id, why)
        self.streams.stop(live)
        return True

    async def cancel_by_key(self, owner: str, key: str) -> Owned | None:
        """Stop what a key started; if that is nothing yet, see to it that it starts nothing."""
        known = await self.journal.by_key(owner, key)
        if known is None or not await self._has_begun(known.stream_id):
            await self.journal.call_off(owner, key, time.time() + REMEMBERED)
            known = await self.journal.by_key(owner, key)  # it may have come meanwhile
        if known is None:
            return None
        await self.cancel(known.stream_id, "it was cancelled")
        return known

    async def _has_begun(self, stream_id: str) -> bool:
        return stream_id not in self.starts and await self.journal.begun(stream_id)

    async def delete(self, owned: Owned) -> None:
        """Stop the stream, and forget it."""
        if owned.state in UNFINISHED and await self.cancel(owned.stream_id, "it was deleted"):
            await neighbours.ended(self, owned)
        await self._forget(owned)

    async def _forget(self, owned: Owned) -> None:
        await self.journal.forget(owned, time.time() + REMEMBERED)
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
        theirs = False
        upstream = live.profile.partition("/")[0]

        def take(frames: list[Frame]) -> None:
            if not live.followed:
                self.ends.look(live.stream_id, frames)
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
            nonlocal theirs
            if theirs and not live.followed:
                log.note("stream taken over", stream=live.stream_id)
            theirs = live.followed
            if held and live.unsaved is None:
                take([])
            self.starts.look(live)
            if live.ended.is_set():
                unwatch()
                gone = isinstance(live.problem, NotFound)
                (feed.hang_up if gone else feed.close)()
                self.objects.end(live.stream_id)
                self.ends.forget(live.stream_id)
                if not live.followed:
                    self.metrics.live_ended(live)
                    log.ended(live, feed.events, feed.size)
                if gone:
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

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work beside the event loop's other work."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)
        return task

    def _last_event(self, stream_id: str, outcome: Outcome) -> Frame | None:
        live = self.streams.held(stream_id)
        feed = self.feeds.get(stream_id)
        return self.ends.last_event(feed, live, outcome) if feed else None

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
