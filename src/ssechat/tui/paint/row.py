"""One row of the screen, as the terminal shows it or is to show it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import ne

from ssechat.tui.paint.cells import Cell, certain

GAP = 8
"""Fewer unchanged cells between changed ones are drawn all the same: a move costs as much."""
EDGE = 2
"""Cells at the right that do not count when rows are compared: a scrollbar may stand there."""

_RUNS = re.compile(rb"\x01(?:\x00{0,%d}\x01)*" % (GAP - 1))

Cells = list[Cell | None]
"""As many cells as the screen is wide; None is one of which nothing is known."""


class Row:
    """Cells that do not change any more."""

    __slots__ = ("_certain", "_label", "cells")

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self._label: str | None = None
        self._certain: bool | None = None

    @property
    def label(self) -> str:
        """What tells rows apart that may have been scrolled; "" for a blank one."""
        if self._label is None:
            self._label = _text(self.cells)[:-EDGE].rstrip()
        return self._label

    def certain_from(self, x: int) -> bool:
        """Whether every terminal draws all graphemes from x on where we think that it does."""
        if self._certain is None:
            self._certain = certain(_text(self.cells))
        return self._certain or certain(_text(self.cells[x:]))

    def changes(self, old: Row) -> list[tuple[int, int]]:
        """The ranges in which it differs from `old`, in order; those that are close are one."""
        differing = bytes(map(ne, self.cells, old.cells))
        return [widened(self.cells, *run.span()) for run in _RUNS.finditer(differing)]


def lay_over(below: Cells, x: int, cells: Sequence[Cell]) -> None:
    """Put cells over others, from x on; of a wide grapheme that they cut, blanks are left."""
    stop = x + len(cells)
    for start, end in ((x, x), (stop, stop)):
        for at in range(*widened(below, start, end)):
            if cell := below[at]:
                below[at] = (" ", cell[1])
    below[x:stop] = cells


def widened(cells: Cells, start: int, stop: int) -> tuple[int, int]:
    """The range, made wider where it would cut a wide grapheme."""
    while 0 < start < len(cells) and (cell := cells[start]) and not cell[0]:
        start -= 1
    while stop < len(cells) and (cell := cells[stop]) and not cell[0]:
        stop += 1
    return start, stop


def _text(cells: Cells) -> str:
    return "".join([cell[0] for cell in cells if cell])
