"""Finding in a page: which of how many, where it is, and what is marked on the screen.

How many matches there are is counted in the texts as they came, so it is known soon, whatever has
been laid out. Where one stands is looked up in the lines when somebody goes there; if the text has
others than its lines, the count is put right.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ssechat.tui.markdown import Line, Span
from ssechat.tui.markdown.spans import line_text
from ssechat.tui.transcript.column import Column
from ssechat.tui.transcript.needle import Match, Needle
from ssechat.tui.transcript.page import Anchor, Place
from ssechat.tui.transcript.passages import Passage, Passages
from ssechat.tui.transcript.reading import Allowance
from ssechat.tui.transcript.slices import Rows, Stack

SEARCHED = 100_000
"""Characters that one `work` searches, about: some milliseconds."""
SWEPT = 50
"""Lines that are looked through between two looks at the clock, about."""
READ = 0.004
"""s in which one `work` reads, and looks through lines, where nobody has been yet."""

FOUND, HERE = "found", "found.here"
"""The roles of matches, and of the one that the reader has gone to."""

Pick = Callable[[list[Match], Stack], int]
"""Which of a passage's matches, in its item's lines; -1: none of them."""


class Tally(NamedTuple):
    """`at` is the number of the match that the reader has gone to, from 1, if to any. `counted`:
    `total` stays as it is unless more text comes."""

    at: int | None = None
    total: int = 0
    counted: bool = True


@dataclass(frozen=True)
class _Spot:
    """The match that the reader has gone to: the `nth` of its passage, from 0."""

    passage: Passage
    nth: int
    place: Place
    character: int
    width: int


@dataclass(frozen=True)
class _Want:
    """Go to the match that `pick` names in a passage; if there is none, to the nearest one on the
    way `by` in one of `left` more passages, or else to what is wanted `otherwise`."""

    passage: Passage
    by: int
    pick: Pick
    left: int
    otherwise: _Want | None = None


@dataclass
class _Sweep:
    """The matches in a passage's lines at a width, as far as those before `line` are concerned."""

    passage: Passage
    width: int
    taken: int
    stack: Stack | None = None
    line: int = 0
    matches: list[Match] = field(default_factory=list)

    def over(self, stack: Stack) -> bool:
        """Whether it was finished for other lines than these."""
        return self.stack is not None and self.stack is not stack


class Finder:
    """Looks for one query in the page of a column. `work` is to be called while it is `busy`, and
    when the page has changed."""

    def __init__(
        self,
        column: Column,
        query: str,
        origin: Anchor | None = None,
        passages: Passages | None = None,
    ) -> None:
        """`origin`: where the reader was when they began to type. They are taken to the first match
        from there on, else to the last one before it. None: they stay where they are."""
        self.query = query
        self.needle = Needle(query)
        self._column = column
        self._passages = passages or Passages(column, self.needle)
        self._origin = origin
        self._spot: _Spot | None = None
        self._want: _Want | None = None
        self._steps = 0  # asked for meanwhile
        self._sweep: _Sweep | None = None
        if self.needle:
            self._passages.look_for(self.needle)
            self._passages.update()
            self._start(1, origin)

    def instead(self, query: str) -> Finder:
        """Look for something else, from where the reader has gone to; this one is over."""
        return Finder(self._column, query, self.anchor, self._passages)

    @property
    def busy(self) -> bool:
        """Whether there is more to do though nothing more has come."""
        on_the_way = self._passages.behind or self._want is not None or self._resized
        return bool(self.needle) and on_the_way

    @property
    def tally(self) -> Tally:
        if not self.needle:
            return Tally()
        total, at = 0, None
        for passage in self._passages.all:
            if self._spot is not None and passage is self._spot.passage:
                at = total + self._spot.nth + 1
            total += passage.matches
        return Tally(at, total, not self._passages.behind)

    @property
    def anchor(self) -> Anchor | None:
        """Where the reader has gone to, or else where they began."""
        spot = self._spot
        return self._origin if spot is None else Anchor(spot.passage.key, spot.place)

    def step(self, by: int) -> None:
        """Go to the next match (1) or the one before (-1); after the last one comes the first. Who
        is on the way to one goes on from there."""
        if self._want is not None:
            self._steps += by
        elif self.needle:
            self._go(by)

    def _go(self, by: int) -> None:
        if (spot := self._spot) is None:
            self._start(by, self._column.anchor)
        else:
            nth, left = spot.nth + by, len(self._passages.all)
            self._want = _Want(spot.passage, by, lambda _, __: nth, left)

    def work(self) -> bool:
        """Search on for some milliseconds. Whether the reader is elsewhere now."""
        if not self.needle:
            return False
        self._passages.update()
        self._passages.search(SEARCHED)
        if self._spot is not None and self._number(self._spot.passage) is None:
            self._spot = None
        if self._spot is not None and self._resized:
            self._find_again(self._spot)
        return self._seek()

    def mark(self, rows: list[Line]) -> list[Line]:
        """The rows of the screen with what is found in them marked."""
        if not self.needle:
            return rows
        rows, top = rows.copy(), self._column.top
        for item, stack, first in self._column.shown(top, top + len(rows)):
            for block in stack.rows(max(0, top - first), top + len(rows) - first):
                number = self._passages.number(item.key, block.group)
                if number is not None and block.block is not None:
                    here = self._here(self._passages.all[number], stack)
                    for match in self._matches(block):
                        role = HERE if match.start == here else FOUND
                        _mark(rows, first - top, match, role)
        return rows

    def _here(self, passage: Passage, stack: Stack) -> tuple[int, int] | None:
        """Where the match stands that the reader has gone to, if it is in this passage."""
        spot = self._spot
        if spot is None or spot.passage is not passage:
            return None
        return stack.find(spot.place), spot.character

    def _start(self, by: int, origin: Anchor | None) -> None:
        """Go to the nearest match from here on, or before; if there is none, to the nearest one on
        the other side."""
        every = self._passages.all
        if origin is None or not every:
            return
        number, inside = self._passages.around(origin)
        self._passages.begin(number)
        above = _Want(every[number - 1], -1, _last, number - 1) if number else None
        below = None
        if inside:
            here = every[number]
            above = _Want(here, -1, _before(origin.place), number)
            below = _Want(here, 1, _from(origin.place), len(every) - number - 1)
        elif number < len(every):
            below = _Want(every[number], 1, _first, len(every) - number - 1)
        ways = [way for way in (below, above)[::by] if way is not None]
        self._want = replace(ways[0], otherwise=ways[1] if ways[1:] else None)

    def _seek(self) -> bool:
        """Go to what is wanted, as far as that is known. Whether the reader is there now."""
        while (want := self._want) is not None:
            number = self._number(want.passage)
            if number is None:
                self._want = None
                break
            if want.passage.behind:
                return False
            if want.passage.matches:
                swept = self._swept(want.passage)
                if swept is None:
                    return False
                nth = want.pick(*swept)
                if 0 <= nth < len(swept[0]):
                    self._want = None
                    self._spot = self._spot_at(want.passage, nth, *swept)
                    line = swept[0][nth].line
                    self._column.reveal(want.passage.key, line, Allowance(READ))
                    self._step_on()
                    return True
            self._want = self._further(want, number)
        self._steps = 0
        return False

    def _step_on(self) -> None:
        """Set out for the next match, if that was asked for on the way to this one."""
        if self._steps:
            by = 1 if self._steps > 0 else -1
            self._steps -= by
            self._go(by)

    def _further(self, want: _Want, number: int) -> _Want | None:
        """What is wanted after a passage, of this number, in which there was nothing."""
        if not want.left:
            return want.otherwise
        every = self._passages.all
        passage = every[(number + want.by) % len(every)]
        pick = _first if want.by > 0 else _last
        return replace(want, passage=passage, pick=pick, left=want.left - 1)

    def _find_again(self, spot: _Spot) -> None:
        """The same match, where it stands at another width."""
        swept = self._swept(spot.passage)
        if swept is not None:
            nth = min(spot.nth, len(swept[0]) - 1)
            self._spot = self._spot_at(spot.passage, nth, *swept) if nth >= 0 else None

    def _spot_at(self, passage: Passage, nth: int, matches: list[Match], stack: Stack) -> _Spot:
        line, character = matches[nth].start
        return _Spot(passage, nth, stack.place(line), character, self._column.look.width)

    def _swept(self, passage: Passage) -> tuple[list[Match], Stack] | None:
        """The passage's matches in its item's lines; None until all of them have been read and
        looked through."""
        width, sweep = self._column.look.width, self._sweep
        if sweep is None or (sweep.passage, sweep.width) != (passage, width):
            self._sweep = sweep = _Sweep(passage, width, passage.taken)
        allowance = Allowance(READ)
        for _ in allowance.steps():
            near = sweep.line, sweep.line + SWEPT
            stack = self._column.read(passage.key, allowance, *near)
            if stack is None:
                return None
            if sweep.over(stack):
                self._sweep = None
                return self._swept(passage)
            if sweep.stack is None:
                self._sweep_on(sweep, stack)
            if sweep.stack is not None:
                return sweep.matches, stack
        return None

    def _sweep_on(self, sweep: _Sweep, stack: Stack) -> None:
        """Look through some more lines."""
        for block in stack.rows(sweep.line, sweep.line + SWEPT):
            if block.group == sweep.passage.group and block.block is not None:
                sweep.matches += self._matches(block)
            sweep.line = block.first + len(block.lines)
        if sweep.line >= len(stack):
            sweep.stack = stack
            sweep.passage.shown(sweep.taken, len(sweep.matches))

    @property
    def _resized(self) -> bool:
        return self._spot is not None and self._spot.width != self._column.look.width

    def _number(self, passage: Passage) -> int | None:
        number = self._passages.number(passage.key, passage.group)
        return number if number is not None and self._passages.all[number] is passage else None

    def _matches(self, block: Rows) -> list[Match]:
        return self.needle.matches(list(map(line_text, block.lines)), block.first)


def _first(matches: list[Match], stack: Stack) -> int:
    return 0 if matches else -1


def _last(matches: list[Match], stack: Stack) -> int:
    return len(matches) - 1


def _from(place: Place) -> Pick:
    """The first one that does not stand above a place."""

    def pick(matches: list[Match], stack: Stack) -> int:
        number = bisect_left(matches, stack.find(place), key=lambda match: match.line)
        return number if number < len(matches) else -1

    return pick


def _before(place: Place) -> Pick:
    """The last one that stands above a place."""

    def pick(matches: list[Match], stack: Stack) -> int:
        return bisect_left(matches, stack.find(place), key=lambda match: match.line) - 1

    return pick


def _mark(rows: list[Line], first: int, match: Match, role: str) -> None:
    """Mark a match in the rows, of which `first` has its item's first line."""
    for at, (begin, end) in enumerate(match.ranges, first + match.line):
        if 0 <= at < len(rows):
            rows[at] = _marked(rows[at], begin, end, role)


def _marked(line: Line, begin: int, end: int, role: str) -> Line:
    """The line with `role` on the characters from `begin` to before `end`."""
    spans: list[Span] = []
    for text, style in line:
        left, right = max(0, begin), max(0, end)
        spans.append(Span(text[:left], style))
        spans.append(Span(text[left:right], f"{style} {role}".lstrip()))
        spans.append(Span(text[right:], style))
        begin, end = begin - len(text), end - len(text)
    return tuple(span for span in spans if span.text)
