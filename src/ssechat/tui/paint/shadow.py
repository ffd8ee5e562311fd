"""The shadow of the screen: what the terminal shows, so that only what differs is sent.

Rows hold cells. A frame is told piece by piece; what comes out are cursor moves (CUP), styles (SGR)
and text, and for text that has moved up or down a scroll of the terminal's own (DECSTBM). The
pieces that come out draw the same screen as all pieces would, on any terminal that agrees with us
about the width of characters, and where it may not agree a row is drawn whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ssechat.tui.paint.cells import Cell, Row, certain, whole
from ssechat.tui.paint.shift import Shift, shift_of

GAP = 8
"""Unchanged cells between changed ones that are sent all the same: a move costs more."""
RESET = "\x1b[0m"


class Shadow:
    """A screen of `width` × `height` cells, of which nothing is known at first.

    `scrolls`: whether the terminal may be told to scroll a part of its screen.
    """

    def __init__(self, width: int, height: int, *, scrolls: bool = False) -> None:
        self.width, self.height = width, height
        self.scrolls = scrolls
        self._rows: list[Row | None] = [None] * height

    def forget(self) -> None:
        """The terminal may show anything now."""
        self._rows = [None] * self.height

    def draw(self, pieces: Iterable[tuple[int, int, Row]]) -> str:
        """What the terminal needs to show these pieces (y, x, cells) too; "" if it does already.

        The style is reset at the end, the cursor anywhere.
        """
        wanted = self._wanted(pieces)
        out: list[str] = []
        if self.scrolls and (shift := shift_of(self._rows, wanted)):
            out.append(self._scroll(shift, wanted))
        pen = _Pen(out)
        for y, row in wanted.items():
            if (old := self._rows[y]) != row:
                _draw_row(pen, y, old, row)
                self._rows[y] = row
        return "".join([*out, RESET]) if out else ""

    def _wanted(self, pieces: Iterable[tuple[int, int, Row]]) -> dict[int, Row]:
        """The rows that these pieces touch, as they are to be; only what fits on the screen."""
        wanted: dict[int, Row] = {}
        for y, x, cells in pieces:
            if not (0 <= y < self.height and 0 <= x < self.width):
                continue
            if x == 0 and len(cells) >= self.width:
                wanted[y] = cells[: self.width]
                continue
            row = wanted.get(y)
            if row is None:
                row = wanted[y] = list(self._rows[y] or [_BLANK] * self.width)
            _overlay(row, x, cells[: self.width - x])
        return wanted

    def _scroll(self, shift: Shift, wanted: dict[int, Row]) -> str:
        """Let the terminal move rows; what it does not draw right then is drawn after."""
        top, bottom, by = shift
        rows = self._rows[top : bottom + 1]
        for y, row in enumerate(rows, top):
            if row is not None:
                wanted.setdefault(y, row)
        fresh: list[Row | None] = [None] * abs(by)
        self._rows[top : bottom + 1] = rows[by:] + fresh if by > 0 else fresh + rows[:by]
        edge, step = (bottom, "\n" * by) if by > 0 else (top, "\x1bM" * -by)
        return f"\x1b[{top + 1};{bottom + 1}r\x1b[{edge + 1};1H{step}\x1b[r"


_BLANK: Cell = (" ", "")


def _overlay(row: Row, x: int, cells: Sequence[Cell]) -> None:
    """Put cells over a row; what is left of a wide character that they cut is blank."""
    start, stop = whole(row, x, x + len(cells))
    for at in (*range(start, x), *range(x + len(cells), stop)):
        row[at] = (" ", row[at][1])
    row[x : x + len(cells)] = cells


class _Pen:
    """Writes cells where they belong, and says a place or a style only where it changes."""

    def __init__(self, out: list[str]) -> None:
        self._out = out
        self._codes = ""

    def write(self, y: int, x: int, cells: Sequence[Cell], *, careful: bool) -> None:
        """`careful`: say the place again behind characters that the terminal may draw too wide."""
        out = self._out
        out.append(f"\x1b[{y + 1};{x + 1}H")
        for at, (text, codes) in enumerate(cells, x):
            if codes != self._codes:
                self._codes = codes
                out.append(f"\x1b[0;{codes}m" if codes else RESET)
            out.append(text)
            if careful and text and not text.isascii():
                following = at + 1
                while following - x < len(cells) and not cells[following - x][0]:
                    following += 1
                out.append(f"\x1b[{following + 1}G")


def _draw_row(pen: _Pen, y: int, old: Row | None, row: Row) -> None:
    if old is None or not (certain(row) and certain(old)):
        pen.write(y, 0, row, careful=not certain(row))
        return
    for start, stop in _changes(old, row):
        start, stop = whole(row, start, stop)
        pen.write(y, start, row[start:stop], careful=False)


def _changes(old: Row, new: Row) -> list[tuple[int, int]]:
    """The ranges in which two rows differ; those that are close to each other are one."""
    found: list[tuple[int, int]] = []
    for x, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        if found and x - found[-1][1] < GAP:
            found[-1] = (found[-1][0], x + 1)
        else:
            found.append((x, x + 1))
    return found
