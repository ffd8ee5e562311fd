"""What was received of one stream, as the splice needs it."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from ssechat.core.frames import Frame, FrameKind


class History:
    """What the journal holds of one stream, as the splice needs it: ids and digests of events.

    `named`: the API names its events in their data. What it does not name stands outside the count
    then: it may be sent again behind the event that it followed, or not at all (an error, a broken
    event). The digests are 64-bit and seeded per process; they are never stored.
    """

    def __init__(self, *, named: bool = False) -> None:
        self.named = named
        self._events: list[int] = []
        self._named: list[bool] = []
        self._places: dict[int, list[int]] = {}  # by id and content together
        self._first: dict[str, int] = {}
        self._after: dict[str, int] = {}
        self._nameless: dict[str, list[int]] = {}
        self.last_id = ""
        self.shared = False
        """Whether one id has named two events that differ."""

    def __len__(self) -> int:
        return len(self._events)

    def add(self, frame: Frame) -> None:
        """Note a committed frame. An id without an event only says where the stream goes on."""
        if self.outside(frame):
            self._nameless.setdefault(self.last_id, []).append(digest_of(frame))
            return
        if frame.kind is FrameKind.EVENT:
            if frame.own_id and frame.id:
                self.shared = self.shared or self.another(frame)
                self._places.setdefault(key_of(frame), []).append(len(self._events))
                self._first.setdefault(frame.id, len(self._events))
            self._events.append(digest_of(frame))
            self._named.append(frame.own_id)
        if frame.own_id:
            self._after[frame.id] = len(self._events)
            self.last_id = frame.id

    def outside(self, frame: Frame) -> bool:
        """Whether the event stands outside what the server counts, if it counts at all."""
        unnamed = frame.kind is FrameKind.EVENT and not frame.own_id
        return unnamed and self.named and bool(self._after)

    def nameless(self, own_id: str) -> deque[int]:
        """Digests of the events outside the count that followed the last one with this id."""
        return deque(self._nameless.get(own_id, ()))

    def same(self, place: int, frame: Frame) -> bool:
        """Whether `frame` is the event at `place`. One that had an id is not sent without it."""
        if place >= len(self._events) or (self._named[place] and not frame.own_id):
            return False
        return self._events[place] == digest_of(frame)

    def unique(self, place: int) -> bool:
        """Whether no other event says the same as the one at `place`."""
        return self._events.count(self._events[place]) == 1

    def after(self, cursor: str) -> int:
        """The number of events up to the last that carried `cursor`; 0 without a cursor."""
        return self._after.get(cursor, 0) if cursor else 0

    def names(self, own_id: str) -> bool:
        """Whether a block of the stream carried this id."""
        return own_id in self._after

    def has_event(self, own_id: str, before: int) -> bool:
        """Whether one of the first `before` events has this id."""
        return self._first.get(own_id, before) < before

    def another(self, frame: Frame) -> bool:
        """Whether its id names an event already, and not this one."""
        return frame.id in self._first and key_of(frame) not in self._places

    def times(self, frame: Frame, before: int) -> int:
        """How often this very event, id and all, is among the first `before`."""
        return bisect_left(self._places.get(key_of(frame), ()), before)

    def place(self, frame: Frame, expected: set[int], before: int) -> int | None:
        """Where this very event stands among the first `before`: at an expected place, else at the
        first; None if it does not."""
        places = self._places.get(key_of(frame), [])
        for at in expected:
            found = bisect_left(places, at)
            if at < before and found < len(places) and places[found] == at:
                return at
        return places[0] if places and places[0] < before else None


def digest_of(frame: Frame) -> int:
    return hash((frame.event, frame.data))


def key_of(frame: Frame) -> int:
    return hash((frame.id, frame.event, frame.data))
