"""The feeds that this process holds: of streams of its own, of others', and of some that ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ssechat.core.dialects import dialect as codec_of
from ssechat.hub import Live, Streams
from ssechat.journal import UNFINISHED, NotFound
from ssechat.relay.feed import Feed
from ssechat.relay.simple import VIEW
from ssechat.relay.simple_feed import SimpleFeed

if TYPE_CHECKING:
    from ssechat.journal.owned import Owned, OwnedStreams

_KEPT = 256  # feeds of streams that have ended
_BEHIND = 5.0  # s in which we read what another process has written


class Feeds:
    """By stream. Each is made once, however many ask for it."""

    def __init__(self, journal: OwnedStreams) -> None:
        self._journal = journal
        self._feeds: dict[str, Feed] = {}
        self._opening: dict[str, asyncio.Task[Feed]] = {}

    def __getitem__(self, stream_id: str) -> Feed:
        return self._feeds[stream_id]

    def get(self, stream_id: str) -> Feed | None:
        return self._feeds.get(stream_id)

    @property
    def readers(self) -> int:
        return sum(feed.readers for feed in self._feeds.values())

    def hang_up(self) -> None:
        """End all readers' connections: they come back with their ids, here or elsewhere."""
        for feed in self._feeds.values():
            feed.hang_up()

    def beat(self) -> None:
        """To be called about once a second."""
        for feed in self._feeds.values():
            feed.beat()

    def new(self, stream_id: str, dialect: str, view: str) -> Feed:
        """An empty one, instead of any that was there."""
        for id in [id for id, feed in self._feeds.items() if feed.closed and not feed.readers]:
            if len(self._feeds) < _KEPT:
                break
            del self._feeds[id]
        codec = codec_of(dialect)
        feed = (
            SimpleFeed(stream_id, self._journal, codec)
            if view == VIEW
            else Feed(stream_id, self._journal, codec.FRAMING)
        )
        self._feeds[stream_id] = feed
        return feed

    def drop(self, stream_id: str) -> None:
        """Forget one; its readers go."""
        if feed := self._feeds.pop(stream_id, None):
            feed.hang_up()

    async def of(self, owned: Owned, streams: Streams[OwnedStreams]) -> Feed:
        """The stream's events, with all that the journal holds. Raises Problem."""
        stream_id = owned.stream_id
        feed, opening = self._feeds.get(stream_id), self._opening.get(stream_id)
        if opening is None and feed is not None:
            return feed
        if opening is None:
            opening = asyncio.create_task(self._open(owned, streams))
            self._opening[stream_id] = opening
        return await asyncio.shield(opening)

    async def _open(self, owned: Owned, streams: Streams[OwnedStreams]) -> Feed:
        try:
            if owned.state in UNFINISHED:
                row = await self._journal.stream(owned.stream_id)
                if row.state in UNFINISHED:
                    if owned.stream_id not in self._feeds:  # else it was taken over meanwhile
                        await streams.follow(row)
                    return self._feeds[owned.stream_id]
            feed = self.new(owned.stream_id, owned.dialect, owned.view)
            try:
                await feed.load()
                await self._check(feed)
            except BaseException:
                if self._feeds.get(owned.stream_id) is feed:
                    del self._feeds[owned.stream_id]
                raise
            return feed
        finally:
            del self._opening[owned.stream_id]

    async def _check(self, feed: Feed) -> None:
        """What has lost frames does not pass for whole. Raises NotFound."""
        row = await self._journal.stream(feed.stream_id)
        if feed.end.frames < row.last_seq:
            raise NotFound("a part of this stream is gone", remedy="ask again")

    async def number(self, feed: Feed, live: Live | None, epoch: int, seq: int) -> int | None:
        """Which event an id names; None if there is none. What a reader has from another process
        may be in the journal, and not here yet."""
        found = feed.number(epoch, seq)
        if found is not None or live is None or not live.followed:
            return found
        written = (await self._journal.stream(feed.stream_id)).last_seq
        try:
            async with asyncio.timeout(_BEHIND):
                while live.seq < written and not live.ended.is_set():
                    await live.change(live.version)
        except TimeoutError:
            pass
        return self._feeds.get(feed.stream_id, feed).number(epoch, seq)
