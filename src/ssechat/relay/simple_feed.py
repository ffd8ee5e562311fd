"""A stream's events in the simple view, as readers get them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from ssechat.core.dialects import Dialect
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.sse import encode_as
from ssechat.journal import StreamJournal
from ssechat.relay.feed import LEAST, RETRY, Feed, Forgotten, Place
from ssechat.relay.simple import Event, View, encoded


class SimpleFeed(Feed):
    """The feed of a stream that is served in the simple view.

    One frame may make several events or none, so each reader folds the journal for itself; the
    feed's own view only counts.
    """

    def __init__(self, stream_id: str, journal: StreamJournal, codec: Dialect) -> None:
        super().__init__(stream_id, journal)
        self._codec = codec
        self._view = View(codec)

    def take(self, frames: Iterable[Frame]) -> None:
        before = self.events
        for frame in frames:
            self._look(frame)
            events = len(self._view.take(frame))
            self.end = Place(self.end.frames + 1, self.end.events + events)
            self.size += max(len(frame.data), LEAST)
        self._wake(spoken=self.events > before)

    async def follow(self, after: int = 0, *, lines: bool = False) -> AsyncIterator[bytes]:
        """What follows event number `after`, to the end of the stream."""
        view, place = View(self._codec), Place()
        while True:
            rest = self.end.frames - place.frames
            if rest <= 0:
                if self.closed or self._leaving:
                    return
                if alive := await self._news():
                    yield alive
                continue
            rows = await self._journal.frames(self.stream_id, place.frames, min(rest, self._page))
            if not rows:
                raise Forgotten
            data = []
            for _, frame in rows:
                events = view.take(frame)
                numbered = enumerate(events, place.events + 1)
                data += [self._sent(number, event) for number, event in numbered if number > after]
                place = Place(place.frames + 1, place.events + len(events))
            if data:
                yield b"".join(data)

    def _sent(self, number: int, event: Event) -> bytes:
        retry = RETRY if number == 1 else None
        return encode_as(Frame(FrameKind.EVENT, encoded(event)), self.name(number), retry)
