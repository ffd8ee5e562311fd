"""A stream's events as readers get them: numbered, encoded once, from memory or the journal."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import NamedTuple

from ssechat.core.dialects import Framing
from ssechat.core.fold import mark_note
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.relay_ids import event_id
from ssechat.core.sse import encode, encode_as
from ssechat.journal import StreamJournal

RETRY = 1000
"""Milliseconds after which a reader that lost its connection should come back."""
RING = 256 * 2**10
"""Bytes of the newest events that are held for readers who keep up."""
LEAST = 32
"""Bytes for which an event counts that has less data, lest empty ones count nothing."""
HEARTBEAT = 15.0
"""Seconds without an event after which a comment says that the connection lives."""
ALIVE = b": alive\n"
_PAGE = 500  # frames read at once


class Place(NamedTuple):
    """How far a reader is: `frames` of the journal are behind it, and `events` among them."""

    frames: int = 0
    events: int = 0


class Piece(NamedTuple):
    """Some bytes to be sent, and the place behind them."""

    place: Place
    data: bytes


class Forgotten(Exception):
    """The stream was forgotten before a reader had all of it."""


class Feed:
    """The events of one stream; `take` is told of frames once they are in the journal.

    `framing` is the upstream's: NDJSON lines are events, too. `closed` is set once the stream has
    ended and no event will follow. Inside, events are counted through all epochs.
    """

    def __init__(
        self, stream_id: str, journal: StreamJournal, framing: Framing = Framing.SSE
    ) -> None:
        self.stream_id = stream_id
        self.framing = framing
        self.end = Place()
        self.size = 0
        self.closed = False
        self.readers = 0
        self._leaving = False
        self._beats = 0
        self._spoke = time.monotonic()
        self._journal = journal
        self._ring: deque[Piece] = deque()
        self._held = 0
        self._epochs = [(1, 0)]  # and how many events came before each
        self._changed = asyncio.Event()

    @property
    def events(self) -> int:
        return self.end.events

    def name(self, number: int) -> str:
        """The id of an event, as readers get it."""
        epoch, before = next(one for one in reversed(self._epochs) if one[1] < number)
        return event_id(self.stream_id, epoch, number - before)

    def number(self, epoch: int, seq: int) -> int | None:
        """Which event an id names; None if there is none (any more): the reader is ahead of us."""
        ends = [before for _, before in self._epochs[1:]] + [self.events]
        for (known, before), end in zip(self._epochs, ends, strict=True):
            if known == epoch and before + seq <= end:
                return before + seq
        return None

    async def load(self) -> None:
        """Take what the journal holds of a stream that has ended."""
        while rows := await self._journal.frames(self.stream_id, self.end.frames, self._page):
            self.take([frame for _, frame in rows])
        self.close()

    def take(self, frames: Iterable[Frame]) -> None:
        """These frames follow; they are safe."""
        held = self._held
        for frame in frames:
            self._look(frame)
            piece = self._piece(self.end, frame)
            self.end = piece.place
            self.size += max(len(frame.data), LEAST)
            self._ring.append(piece)
            self._held += len(piece.data)
        self._wake(spoken=self._held > held)
        while self._held > RING and len(self._ring) > 1:
            self._held -= len(self._ring.popleft().data)

    def beat(self) -> None:
        """To be called about once a second: readers who have heard nothing for long hear that
        their connection lives."""
        if self.readers and time.monotonic() - self._spoke >= HEARTBEAT:
            self._beats += 1
            self._wake(spoken=True)

    def _look(self, frame: Frame) -> None:
        """This frame follows: it may begin an epoch."""
        if frame.kind is FrameKind.MARK and frame.event == MarkName.EPOCH:
            self._epochs.append((int(mark_note(frame).get("epoch", 1)), self.events))

    def hang_up(self) -> None:
        """Let all readers go, without an end of the stream."""
        self._leaving = True
        self._wake()

    def rest(self) -> None:
        """Nobody reads now: what comes next can come from the journal, if the stream has ended."""
        if self.closed and not self.readers:
            self._ring.clear()
            self._held = 0

    def close(self) -> None:
        self.closed = True
        self.rest()
        self._wake()

    async def follow(self, after: int = 0, *, lines: bool = False) -> AsyncIterator[bytes]:
        """What follows event number `after`, to the end of the stream. With `lines` the upstream's
        NDJSON as it came, without ids. May be Forgotten."""
        place = await self._find(after)
        while True:
            if place.frames >= self.end.frames:  # more, where the journal was read ahead of us
                if self.closed or self._leaving:
                    return
                if (alive := await self._news()) and not lines:
                    yield alive
                continue
            pieces = self._from_ring(place, lines) or await self._from_journal(place, lines)
            if not pieces:
                raise Forgotten
            place = pieces[-1].place
            if data := b"".join(piece.data for piece in pieces):
                yield data

    async def _find(self, after: int) -> Place:
        """The place right behind an event."""
        if after <= 0:
            return Place()
        if after == self.end.events:
            return self.end
        for piece in reversed(self._ring):
            if piece.place.events == after and piece.data:
                return piece.place
        place = Place()
        while place.events < after:
            pieces = await self._from_journal(place, lines=False)
            if not pieces:
                return self.end
            for piece in pieces:
                place = piece.place
                if place.events == after:
                    break
        return place

    def _from_ring(self, place: Place, lines: bool) -> list[Piece]:
        """What is held behind the place; nothing if some of it is not held any more."""
        ring = self._ring
        if lines or not ring or place.frames < ring[0].place.frames - 1:
            return []
        rest = ring[-1].place.frames - place.frames
        pieces = list(islice(reversed(ring), rest))
        pieces.reverse()
        return pieces

    async def _from_journal(self, place: Place, lines: bool) -> list[Piece]:
        pieces = []
        for _, frame in await self._journal.frames(self.stream_id, place.frames, self._page):
            piece = self._line(place, frame) if lines else self._piece(place, frame)
            pieces.append(piece)
            place = piece.place
        return pieces

    def _piece(self, place: Place, frame: Frame) -> Piece:
        match frame.kind:
            case FrameKind.EVENT:
                place = Place(place.frames + 1, place.events + 1)
                retry = RETRY if place.events == 1 else None
                return Piece(place, encode_as(frame, self.name(place.events), retry))
            case FrameKind.COMMENT:
                return Piece(Place(place.frames + 1, place.events), encode(frame))
        return Piece(Place(place.frames + 1, place.events), b"")

    def _line(self, place: Place, frame: Frame) -> Piece:
        event = frame.kind is FrameKind.EVENT
        data = frame.data.encode("utf-8", "replace") + b"\n" if event else b""
        return Piece(Place(place.frames + 1, place.events + event), data)

    @property
    def _page(self) -> int:
        """Frames read at once: not more bytes than a slow reader may have before it."""
        each = self.size // self.end.frames if self.end.frames else RING
        return max(1, min(_PAGE, RING // max(each, 1)))

    async def _news(self) -> bytes:
        """Wait until something has changed; a comment, if it is but the time that has passed."""
        beats = self._beats
        await self._changed.wait()
        return ALIVE if self._beats > beats else b""

    def _wake(self, *, spoken: bool = False) -> None:
        if spoken:
            self._spoke = time.monotonic()
        self._changed.set()
        self._changed = asyncio.Event()
