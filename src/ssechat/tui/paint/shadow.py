"""The shadow of the screen: what the terminal shows, so that only what differs is sent.

A frame is told piece by piece. What comes out draws the same screen as all of its pieces would, on
any terminal that agrees with us about the width of graphemes; where one may not agree, all that
follows in the row is drawn again, each grapheme in its place. Rows that have moved are moved by the
terminal itself (DECSTBM, LF, RI) if it is known to do that.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.color import ColorSystem
from textual.strip import Strip

from ssechat.tui.paint.cells import Cell, cells_of, cut
from ssechat.tui.paint.pen import RESET, Pen
from ssechat.tui.paint.row import Cells, Row, lay_over
from ssechat.tui.paint.shift import Shift, shift_of

Piece = tuple[int, int, Strip]
"""What is to stand somewhere: y, x, and the cells from there on."""


_KEPT = 4  # screens full of strips of which the cells are kept


class Shadow:
    """A screen of `width` × `height` cells, of which nothing is known at first."""

    def __init__(self, width: int, height: int, colors: ColorSystem) -> None:
        self.width, self.height = width, height
        self.scrolls = False
        """Whether the terminal may be told to scroll a part of its screen."""
        self._colors = colors
        self._cells: dict[int, tuple[Strip, list[Cell]]] = {}
        self._rows = [Row([None] * width)] * height
        self._strips: list[dict[int, Strip]] = [{} for _ in self._rows]
        self._cursor: tuple[int, int] | None = None

    def draw(self, pieces: Iterable[Piece], cursor: tuple[int, int]) -> str:
        """What the terminal needs to show these pieces too, with its cursor at x, y; "" if nothing.

        At the end it writes in its own style again.
        """
        wanted = self._wanted(pieces)
        pen = Pen()
        if self.scrolls and (shift := shift_of(self._rows, wanted)):
            pen.out.append(self._scroll(shift, wanted))
        for y, row in wanted.items():
            if row is not self._rows[y]:
                _draw(pen, y, self._rows[y], row)
                self._rows[y] = row
        if pen.out:
            pen.out.append(RESET)
        elif cursor == self._cursor:
            return ""
        self._cursor = cursor
        return "".join([*pen.out, f"\x1b[{cursor[1] + 1};{cursor[0] + 1}H"])

    def _wanted(self, pieces: Iterable[Piece]) -> dict[int, Row]:
        """The rows that these pieces change, as they are to be; only what is on the screen."""
        wanted: dict[int, Cells] = {}
        for y, x, strip in pieces:
            on_screen = 0 <= y < self.height and 0 <= x < self.width
            if on_screen and self._strips[y].get(x) is not strip:
                self._remember(y, x, strip)
                if y not in wanted:
                    wanted[y] = self._rows[y].cells.copy()
                lay_over(wanted[y], x, cut(self._cells_of(strip), self.width - x))
        return {y: Row(cells) for y, cells in wanted.items()}

    def _cells_of(self, strip: Strip) -> list[Cell]:
        """The strip's cells; those that scroll are wanted again and again."""
        known = self._cells.get(id(strip))
        if known is None or known[0] is not strip:
            if len(self._cells) >= _KEPT * self.height:
                self._cells.clear()
            known = self._cells[id(strip)] = strip, cells_of(strip, self._colors)
        return known[1]

    def _remember(self, y: int, x: int, strip: Strip) -> None:
        """This strip is what stands there, and none that it covers in part."""
        strips, length = self._strips[y], strip.cell_length
        if x not in strips or strips[x].cell_length != length:
            covered = [
                at for at, other in strips.items() if at - length < x < at + other.cell_length
            ]
            for at in covered:
                del strips[at]
        strips[x] = strip

    def _scroll(self, shift: Shift, wanted: dict[int, Row]) -> str:
        """Have the terminal move rows. Those that thereby lose what they are to show are wanted."""
        top, bottom, by = shift
        rows = self._rows[top : bottom + 1]
        for y, row in enumerate(rows, top):
            wanted.setdefault(y, row)
        fresh = [Row([None] * self.width)] * abs(by)
        self._rows[top : bottom + 1] = rows[by:] + fresh if by > 0 else fresh + rows[:by]
        edge, step = (bottom, "\n" * by) if by > 0 else (top, "\x1bM" * -by)
        return f"\x1b[{top + 1};{bottom + 1}r\x1b[{edge + 1}H{step}\x1b[r"


def _draw(pen: Pen, y: int, old: Row, row: Row) -> None:
    """Draw in what `row` differs from what stands there."""
    ranges = row.changes(old)
    if not ranges:
        return
    start = ranges[0][0]
    if row.certain_from(start):
        for start, stop in ranges:
            pen.write(y, start, row.cells[start:stop])
    else:
        pen.write_with_care(y, start, row.cells[start:])
