"""The splice: which events of a resumed stream are new.

Delivery is at least once. A server may send again what we hold: from the event after the cursor,
from the cursor itself, from any earlier event with an id, or from the start; and it may give an id
to some events only. So nothing is dropped because of its id alone: every event that claims to be
known is compared (type and data) with what the journal holds at that place, and the first one that
differs ends the splice.

Where ids are ordered (numbers, byte offsets, those of our own relay) they are compared instead of
the events, and where they also have no gaps a jump shows that events are missing; but only while
every event has one.

A server that switches from replay to live can also send events twice without having lost anything:
an event whose id has passed already, with the same content, is dropped wherever it comes. Only the
latest id may go on being sent (a checkpoint), unless the API names its events in their data and no
name has stood for two events yet.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.history import History, digest_of, key_of

_ORDERED = re.compile(r"(st_[A-Za-z0-9_]{1,100})\.(\d{1,15})-(\d{1,15})", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
_REACH = 16
"""So many events that are not sent again may lie between two that are."""
DEAF = 8
"""Events in a row that are those of the start, until it is clear that the answer begins anew."""
SURE = 3
"""Ids that have named one event each, before a stream that was not resumed is known to repeat."""


class Finding(StrEnum):
    """What an event is, next to what we hold."""

    NEW = "new"
    KNOWN = "known"
    HELD = "held"
    """May be the stream's start, sent again; the next events tell."""
    DIFFERS = "differs"
    """Not what the journal holds at this place: the server sends another answer."""
    GAP = "gap"
    """Events before this one are missing."""


class Sifted(NamedTuple):
    """Frames of one chunk after the splice.

    `new` are to be journalled, in order. `broken` is the finding that stopped the sifting (DIFFERS
    or GAP), or None; `rest` then begins with the frame at which it stopped.
    """

    new: list[Frame]
    broken: Finding | None = None
    rest: list[Frame] = []  # noqa: RUF012 - a NamedTuple's default, never changed


class Ordering(StrEnum):
    """What two cursors of one stream say of each other."""

    OPAQUE = "opaque"
    """They are equal or not."""
    RELAY = "relay"
    """`<stream>.<epoch>-<seq>`, without a gap from 1 in each epoch."""
    SEQUENCE = "sequence"
    """Whole numbers, without a gap."""
    OFFSET = "offset"
    """Bytes of the body up to the end of an event."""


class Order(NamedTuple):
    stream: str
    epoch: int
    seq: int


def order(event_id: str, ordering: Ordering = Ordering.RELAY) -> Order | None:
    """The place that an ordered id names; None for an opaque one."""
    if ordering is Ordering.RELAY:
        match = _ORDERED.fullmatch(event_id)
        return Order(match[1], int(match[2]), int(match[3])) if match else None
    if ordering is Ordering.OPAQUE or not _NUMBER.fullmatch(event_id):
        return None
    return Order("", 1, int(event_id))


def moved(cursor: str, frame: Frame) -> str:
    """The cursor once `frame` is committed. Comments do not move it: in a replay they carry an id
    that was passed long ago."""
    if frame.kind not in (FrameKind.EVENT, FrameKind.CURSOR):
        return cursor
    return frame.id if frame.id or frame.own_id else cursor


class Splice:
    """Sifts the frames of one connection that continues from `cursor`.

    It keeps every place of the journal at which the next event may stand: after the cursor, or at
    the start. `checked` counts the events that we held already; `settled` says that
    the replay is over, so that frames pass untouched.
    """

    def __init__(
        self, history: History, cursor: str, *, ordering: Ordering = Ordering.OPAQUE
    ) -> None:
        self._history = history
        self._length = len(history)
        self._ordering = ordering
        self._last = order(history.last_id, ordering)
        self._came: Counter[int] = Counter()  # since the replay, by id and content together
        self._names: dict[str, int] = {}  # the first event of each id since the replay
        self._shared = history.shared
        self._latest = history.last_id
        self._again: Counter[int] | None = None
        self._places: set[int] = set()
        self._at_end = False
        self._stand(history.after(cursor))
        if self._length:
            self._places.add(0)
        sure = self._length >= DEAF and ordering is Ordering.OPAQUE and not history.named
        self._echo = 0 if sure else -1
        self._held: list[Frame] = []
        self._nameless = history.nameless(cursor)
        self.settled = ordering is Ordering.OPAQUE and self._length == 0
        self.checked = 0

    def sift(self, frames: list[Frame]) -> Sifted:
        new: list[Frame] = []
        for number, frame in enumerate(frames):
            if self._history.outside(frame):
                new += self._outside(frame)
                continue
            if self.settled:
                new += self._fresh(frame)
                continue
            if frame.kind is not FrameKind.EVENT:
                new += self._between(frame)
                continue
            found = self._find(frame)
            if found is Finding.KNOWN:
                self._nameless = self._history.nameless(frame.id)
                self.checked += 1 + sum(held.kind is FrameKind.EVENT for held in self._held)
                self._held.clear()
            elif found is Finding.HELD:
                self._held.append(frame)
            elif found is Finding.NEW:
                for waiting in (*self._held, frame):
                    self._pass(waiting)
                    new.append(waiting)
                self._held.clear()
                self._places.clear()
                self.settled = self._ordering is Ordering.OPAQUE
            else:
                return Sifted(new, found, frames[number:])
        return Sifted(new)

    def close(self) -> list[Frame]:
        """The body has ended: what only began like the answer goes on with it."""
        if self._echo <= 0:
            return []
        held, self._held = self._held, []
        self.settled = True
        return held

    @property
    def caught_up(self) -> bool:
        """Whether all that we hold has been passed, and nothing is held back."""
        return not self._held and (self._at_end or self.settled)

    def trust(self, ordering: Ordering) -> None:
        """The server has shown by now how its ids are ordered: from here on they count."""
        last = order(self._latest, ordering)
        if last is not None:
            self._ordering, self._last, self.settled = ordering, last, False

    def accept(self, frame: Frame) -> None:
        """Go on from `frame` all the same: the gap before it cannot be closed."""
        here = order(frame.id, self._ordering)
        self._last = here._replace(seq=here.seq - 1) if here else None

    def _outside(self, frame: Frame) -> list[Frame]:
        """An event outside the count: dropped if it is one of the next that are known behind the
        event before it; those between them are not sent again."""
        digest = digest_of(frame)
        if digest not in islice(self._nameless, _REACH):
            return [frame]
        while self._nameless.popleft() != digest:
            pass
        self.checked += 1
        return []

    def _fresh(self, frame: Frame) -> list[Frame]:
        """A frame after the replay: dropped only if it is an event that came before, word for
        word."""
        if frame.kind is not FrameKind.EVENT or not frame.own_id or not frame.id:
            return [frame]
        if self._repeated(frame):
            self._nameless = self._history.nameless(frame.id)
            self.checked += 1
            return []
        self._pass(frame)
        return [frame]

    def _repeated(self, frame: Frame) -> bool:
        """The latest id may go on being sent: some servers name checkpoints. But once an earlier
        event has come again, the latest ones are due again too, each once."""
        if self._history.named and not self._shared and self._ordering is Ordering.OPAQUE:
            return self._times(frame) > 0
        if not self._length and (self._shared or len(self._names) < SURE):
            return False  # nothing was asked for again, and the id may name a channel
        digest, latest = digest_of(frame), frame.id == self._latest
        again = self._again if latest else Counter()
        if again is None or again[digest] >= self._times(frame):
            return False
        again[digest] += latest
        self._again = again
        return True

    def _pass(self, frame: Frame) -> None:
        if frame.kind is FrameKind.EVENT and frame.own_id and frame.id:
            key = key_of(frame)
            first = self._names.setdefault(frame.id, key)
            self._shared = self._shared or first != key or self._history.another(frame)
            self._came[key] += 1
        if frame.own_id:
            self._latest = frame.id
            self._nameless = deque()
        self._again = None

    def _times(self, frame: Frame) -> int:
        """How often this event came under its id."""
        return self._history.times(frame, self._length) + self._came[key_of(frame)]

    def _between(self, frame: Frame) -> list[Frame]:
        """Comments pass. An id without an event stays behind the events that are held, and is
        dropped where it names a place that the journal has left behind."""
        if frame.kind is not FrameKind.CURSOR or not frame.own_id:
            return [frame]
        if self._passed(frame.id):
            return []
        if not self._held:
            return [frame]
        if self._held[-1].kind is FrameKind.CURSOR:
            self._held.pop()
        self._held.append(frame)
        return []

    def _passed(self, own_id: str) -> bool:
        if here := order(own_id, self._ordering):
            return self._last is not None and here[1:] <= self._last[1:]
        named = self._history.names(own_id)
        return not self._at_end or (named and self._history.after(own_id) != self._length)

    def _find(self, frame: Frame) -> Finding:
        here = order(frame.id, self._ordering) if frame.own_id else None
        if here is not None:
            return self._compare_order(frame.id, here)
        self._ordering = Ordering.OPAQUE
        if frame.own_id and frame.id:
            return self._compare_id(frame)
        return self._compare(frame)

    def _compare_order(self, own_id: str, here: Order) -> Finding:
        last = self._last or self._before(here)
        if here.stream != last.stream:
            return Finding.DIFFERS
        if (here.epoch, here.seq) <= (last.epoch, last.seq):
            self._stand(self._history.after(own_id))
            return Finding.KNOWN
        due = last.seq + 1 if here.epoch == last.epoch else 1
        if here.seq > due and self._ordering is not Ordering.OFFSET:
            return Finding.GAP
        self._last = here
        self._stand(self._length)
        return Finding.NEW

    def _before(self, here: Order) -> Order:
        """What comes before the first event: servers begin to count at 0 or at 1. What our relay
        sent as lines had no ids; it counts them all the same."""
        if self._ordering is Ordering.SEQUENCE:
            return here._replace(seq=here.seq - 1)
        lines = self._ordering is Ordering.RELAY and not self._history.last_id
        return Order(here.stream, 1, self._length if lines else 0)

    def _compare_id(self, frame: Frame) -> Finding:
        """The event stands where its id stands in the journal, if it is the same event."""
        if not self._history.has_event(frame.id, self._length):
            return self._unheard(frame) if self._at_end else self._compare(frame)
        place = self._history.place(frame, self._places, self._length)
        if place is not None:
            self._stand(place + 1)
            return Finding.KNOWN
        # Several events may name one checkpoint: the last id may go on being sent.
        checkpoint = self._at_end and self._history.after(frame.id) == self._length
        return Finding.NEW if checkpoint else Finding.DIFFERS

    def _unheard(self, frame: Frame) -> Finding:
        """An event of a new name, behind all that we hold. A server that is deaf to cursors may
        name its events anew each time: then they are word for word the first ones."""
        here, history = self._echo, self._history
        if here < 0 or not (history.same(here, frame) and history.unique(here)):
            self._echo = -1
            return Finding.NEW
        self._echo += 1
        return Finding.DIFFERS if self._echo == DEAF else Finding.HELD

    def _compare(self, frame: Frame) -> Finding:
        """Without an id only what stands at the possible places tells."""
        following = {place + 1 for place in self._places if self._history.same(place, frame)}
        if self._length in following:
            self._stand(self._length)
            self._places = following - {self._length}
            return Finding.KNOWN
        self._places = following
        if self._at_end:
            return Finding.HELD if following else Finding.NEW
        return Finding.KNOWN if following else Finding.DIFFERS

    def _stand(self, place: int) -> None:
        """The next event stands at `place`, or is new if that is the end."""
        self._at_end = place >= self._length
        self._places = set() if self._at_end else {place}
