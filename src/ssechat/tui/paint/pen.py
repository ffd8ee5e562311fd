"""Cells made into what a terminal reads: moves (CUP, CHA, CUF), styles (SGR) and text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ssechat.tui.paint.cells import Cell, Ink, blank, certain

RESET = "\x1b[0m"
_NOWHERE = -1


class Pen:
    """Writes cells where they belong, and says a place or a style only where it changes.

    `out` is what it wrote. The terminal must not wrap lines.
    """

    def __init__(self) -> None:
        self.out: list[str] = []
        self._y = self._x = _NOWHERE
        self._ink: Ink | None = None
        self._blank: Ink | None = None  # the ink of blanks that look the same in the present ink

    def write(self, y: int, x: int, cells: Sequence[Cell | None]) -> None:
        """Write those of the cells that are known, the first of them at x."""
        append, ink, space = self.out.append, self._ink, self._blank
        there = False  # whether the cursor is where the next cell belongs
        for at, cell in enumerate(cells, x):
            if cell is None:
                there, self._x = False, _NOWHERE
                continue
            if not there:
                self._go(y, at)
                there = True
            if cell[1] is not ink and (cell[1] is not space or cell[0] != " "):
                self._take(cell[1])
                ink, space = self._ink, self._blank
            append(cell[0])
        if there:
            self._x = x + len(cells)

    def write_with_care(self, y: int, x: int, cells: Sequence[Cell | None]) -> None:
        """The same for graphemes that a terminal may draw in fewer or more cells than we count.

        What one may leave uncovered is wiped before it, and the place behind it is said again.
        """
        done = 0
        for at, cell in enumerate(cells):
            if cell is None or certain(cell[0]):
                continue
            end = at + 1
            while end < len(cells) and (following := cells[end]) and not following[0]:
                end += 1
            self.write(y, x + done, cells[done:at])
            self.write(y, x + at, [blank(cell[1])] * (end - at))
            self.write(y, x + at, cells[at:end])
            self._x = _NOWHERE
            done = end
        self.write(y, x + done, cells[done:])

    def _go(self, y: int, x: int) -> None:
        if y != self._y:
            self._y = y
            self.out.append(f"\x1b[{y + 1};{x + 1}H")
        elif 0 <= self._x < x:
            self.out.append(f"\x1b[{x - self._x}C")
        elif x != self._x:
            self.out.append(f"\x1b[{x + 1}G")

    def _take(self, ink: Ink) -> None:
        if ink != self._ink:
            self.out.append(_turn(self._ink, ink))
            self._blank = blank(ink)[1]
        self._ink = ink


_OFF = {
    **{"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27", "8": "28"},
    **{"9": "29", "21": "24", "51": "54", "52": "54", "53": "55"},
}


@lru_cache(maxsize=1024)
def _turn(old: Ink | None, new: Ink) -> str:
    """From one ink to the other; from an unknown one if it is None."""
    if old is None:
        return f"\x1b[{';'.join(filter(None, ('0', *new)))}m"
    had, has = (dict.fromkeys(filter(None, ink.attributes.split(";"))) for ink in (old, new))
    codes = list(dict.fromkeys(_OFF[code] for code in had if code not in has))
    codes += [code for code in has if code not in had or _OFF[code] in codes]
    codes += [new.color or "39"] * (new.color != old.color)
    codes += [new.ground or "49"] * (new.ground != old.ground)
    return f"\x1b[{';'.join(codes)}m"
