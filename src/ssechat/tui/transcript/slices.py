"""How an item's lines are put together without copying them, and found again at another width."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from ssechat.tui.markdown import Line, Span
from ssechat.tui.markdown.layout import Layout
from ssechat.tui.markdown.wrap import wrap
from ssechat.tui.transcript.page import Place
from ssechat.tui.transcript.reading import Allowance

if TYPE_CHECKING:
    from ssechat.tui.markdown import Document

INDENT = (Span("   "),)
END = 1 << 30
"""The group of what stands below all parts of an item."""
MARGIN = 1
"""Cells that stay free at the right."""


class ThinkingMode(StrEnum):
    """What becomes of thinking: always shown; shown while it lasts, then one line; not shown."""

    SHOW = "show"
    COLLAPSE = "collapse"
    HIDE = "hide"


@dataclass
class Look:
    """How things are to be laid out now. Widths are in cells, `now` is on the streams' clock."""

    width: int
    thinking: ThinkingMode = ThinkingMode.COLLAPSE
    now: float = 0.0
    hint: str = ""
    """What stands at the right of a thinking header: the key that changes the mode."""
    media_hint: str = ""
    """What stands at the right of an image or sound: the key that saves or opens it."""
    allowance: Allowance = field(default_factory=Allowance)
    """The time for reading in this round."""
    reading: tuple[str, int] | None = None
    """The thinking part in which the reader is, who has scrolled up: it does not collapse."""

    @property
    def text_width(self) -> int:
        return max(8, self.width - len(INDENT[0].text) - MARGIN)


@dataclass(slots=True)
class Slice:
    """Some of `lines`. If they are a document's, `base` is the first one's number there."""

    group: int
    lines: Sequence[Line]
    start: int = 0
    stop: int = 0
    indent: Line = INDENT
    document: Document | None = None
    base: int = 0
    part: int | None = None
    """Set in a header that opens and closes this thinking part when it is clicked."""

    def __len__(self) -> int:
        return self.stop - self.start


def fixed(
    group: int, lines: Sequence[Line], *, indent: Line = INDENT, part: int | None = None
) -> Slice:
    return Slice(group, lines, 0, len(lines), indent, part=part)


def blank(group: int) -> Slice:
    return fixed(group, [()], indent=())


def header(spans: list[Span], look: Look) -> Slice:
    """An item's first line; a long one wraps."""
    first, *rest = wrap(spans, look.text_width)
    return fixed(0, [first, *(INDENT + line for line in rest)], indent=())


def body(
    group: int, document: Document, look: Look, inserts: Sequence[Line] = (), indent: Line = INDENT
) -> list[Slice]:
    """A document's lines, with one line more after each of its marks. The last line is sure to be
    as it says, the others where they have been measured."""
    width = look.text_width - len(indent[0].text) + len(INDENT[0].text)
    lines = document.layout(width)
    lines.measure(len(lines) - 1, len(lines))
    marks = document.marks(width) if inserts else []
    slices: list[Slice] = []
    at = 0
    for mark, insert in zip(marks, inserts, strict=False):
        if mark > at:
            slices.append(Slice(group, lines, at, mark, indent, document, at))
            at = mark
        inserted = wrap(list(insert), width)
        slices.append(Slice(group, inserted, 0, len(inserted), indent, None, at))
    if at < len(lines):
        slices.append(Slice(group, lines, at, len(lines), indent, document, at))
    return slices


class Rows(NamedTuple):
    """The lines of one block of a document, or of a slice that is no document's (`block` is None
    then). `first` is the number of the first one; each begins with the `indent`."""

    group: int
    block: int | None
    first: int
    lines: list[Line]
    indent: Line


class Stack:
    """Slices one below the other."""

    def __init__(self, slices: list[Slice]) -> None:
        self._slices = slices
        self._ends = list(accumulate(map(len, slices)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def line(self, number: int) -> Line:
        slice_, at = self._at(number)
        return slice_.indent + slice_.lines[at]

    def lines(self, start: int, stop: int) -> list[Line]:
        """The lines from `start` to before `stop`, or to the end."""
        lines: list[Line] = []
        for slice_, first in self._from(start):
            at = slice_.start + max(0, start - first)
            found = slice_.lines[at : min(slice_.stop, slice_.start + stop - first)]
            lines += [slice_.indent + line for line in found]
            if first + len(slice_) >= stop:
                break
        return lines

    def measure(self, start: int, stop: int) -> bool:
        """Wrap what has lines from `start` to before `stop`. Whether these lines are others now;
        then the stack is to be made anew."""
        moved = False
        for slice_, first in self._from(max(0, start)):
            if isinstance(slice_.lines, Layout):
                below = min(len(slice_), stop - first)
                above = slice_.start + max(0, start - first)
                moved |= slice_.lines.measure(above, slice_.start + below)
            if first + len(slice_) >= stop:
                break
        return moved

    def part(self, number: int) -> int | None:
        """The thinking part whose header stands in this line."""
        return self._at(number)[0].part

    def place(self, number: int) -> Place:
        return _place(*self._at(number))

    def rows(self, start: int, stop: int) -> Iterator[Rows]:
        """The lines from `start` to before `stop`, block by block: those at the ends are whole."""
        start -= max(0, self.place(start).line)
        rows: Rows | None = None
        last: object = None
        for slice_, first in self._from(start):
            for piece in _pieces(slice_, max(0, start - first)):
                this = id(slice_.document or slice_), piece.block, piece.gap
                if rows is not None and this != last:
                    yield rows
                    rows = None
                if rows is None:
                    number = first + piece.at
                    if number >= stop:
                        return
                    rows = Rows(slice_.group, piece.block, number, [], slice_.indent)
                    last = this
                rows.lines.extend(slice_.indent + line for line in piece.lines)
        if rows is not None:
            yield rows

    def find(self, place: Place) -> int:
        """The line at a place; if that is not shown any more, the first one after it."""
        start = 0
        found: int | None = None
        for slice_, end in zip(self._slices, self._ends, strict=True):
            if slice_.group > place.group and found is None:
                return start
            if slice_.group == place.group:
                at = self._within(slice_, place)
                if at is not None and 0 <= at < len(slice_):
                    return start + at
                found = start if found is None or (at is not None and at > 0) else found
            elif found is not None:
                break
            start = end
        return max(0, len(self) - 1) if found is None else found

    @staticmethod
    def _within(slice_: Slice, place: Place) -> int | None:
        if slice_.document is None:
            return place.line if place.block < 0 else None
        if place.block < 0:
            return None
        return slice_.document.find(place.block, place.line, place.of) - slice_.base

    def _from(self, number: int) -> Iterator[tuple[Slice, int]]:
        """The slices from that line on, each with the number of its first line."""
        for index in range(bisect_right(self._ends, number), len(self._slices)):
            slice_ = self._slices[index]
            yield slice_, self._ends[index] - len(slice_)

    def _at(self, number: int) -> tuple[Slice, int]:
        index = bisect_right(self._ends, number)
        before = self._ends[index - 1] if index else 0
        slice_ = self._slices[index]
        return slice_, slice_.start + number - before


class _Piece(NamedTuple):
    """Lines of a slice, of which the first one is its line `at`, that are of one block."""

    block: int | None
    gap: bool
    at: int
    lines: Sequence[Line]


def _pieces(slice_: Slice, at: int) -> Iterator[_Piece]:
    """The pieces from line `at` on."""
    layout = slice_.lines
    if not isinstance(layout, Layout):
        place = _place(slice_, at)
        block = None if slice_.document is None else place.block
        lines = layout[slice_.start + at : slice_.stop]
        yield _Piece(block, block is not None and place.line < 0, at, lines)
        return
    index, inner = layout.locate(slice_.start + at)
    while at < len(slice_):
        gap, height, lines = layout.gap(index), layout.height(index), layout.block(index)
        if inner < gap:
            yield _Piece(index, True, at, lines[:1])
            at, inner = at + 1, 1
        if (left := len(slice_) - at) > 0:
            rest = lines[inner:] if left >= height - inner else lines[inner : inner + left]
            yield _Piece(index, False, at, rest)
        at, index, inner = at + height - inner, index + 1, 0


def _place(slice_: Slice, at: int) -> Place:
    if slice_.document is None:
        return Place(slice_.group, -1, at, len(slice_))
    return Place(slice_.group, *slice_.document.place(slice_.base + at - slice_.start))
