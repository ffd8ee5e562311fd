"""Tables: rows that come one by one, columns that settle early, cells that wrap."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ssechat.tui.markdown.blocks import Block, Margin, Placed
from ssechat.tui.markdown.spans import Line, Span, cells, line_cells, restyle
from ssechat.tui.markdown.wrap import wrap

SETTLE = 16
"""While a table is open, its columns are as wide as its first rows want them."""
NARROWEST = 5
"""Where columns would get narrower than this, in cells, each cell gets a line of its own."""
ROOM = 24
"""A column is at least so wide, in cells, if a reference in it may get its target later, where
the table is so long that it cannot get wider then."""
SEPARATOR = " │ "

Cell = list[Span]
Row = list[Cell]

_CELL_MARK = re.compile(r":?-+:?\Z")
_DELIMITER = re.compile(r" {0,3}(?:[|:]|-(?! ))[-|: ]+\Z")


def split_row(line: str) -> list[str]:
    """The sources of a row's cells: parted by "|", where "\\|" is a bar inside a cell."""
    parts = re.split(r"(?<!\\)\|", line.strip(" "))
    if parts and not parts[0]:
        parts.pop(0)
    if parts and not parts[-1]:
        parts.pop()
    return [part.replace("\\|", "|").strip(" ") for part in parts]


def row_cells(line: str, columns: int) -> list[str]:
    """The sources of so many cells at most: the last one has all that is too much for the row."""
    sources = split_row(line)
    if any(sources[columns:]):
        sources[columns - 1] = " | ".join(sources[columns - 1 :])
    return sources[:columns]


def alignments(header: str, delimiter: str) -> list[str] | None:
    """How each column is aligned ("", "<", ">", "^"), if these two lines begin a table."""
    if "|" not in header or not _DELIMITER.match(delimiter):
        return None
    marks = [mark.strip(" ") for mark in delimiter.strip(" ").split("|")]
    inner = marks[not marks[0] : len(marks) - (not marks[-1])]
    if not inner or not all(map(_CELL_MARK.match, inner)) or len(inner) != len(split_row(header)):
        return None
    aligns = {(True, True): "^", (True, False): "<", (False, True): ">", (False, False): ""}
    return [aligns[mark[0] == ":", mark[-1] == ":"] for mark in inner]


class Table(Placed):
    """A table, or the next part of a long one, whose columns are those of the part `before` it."""

    def __init__(
        self, margin: Margin, head: Row, aligns: list[str], before: Table | None = None
    ) -> None:
        super().__init__(margin)
        self.head = head
        self.aligns = aligns
        self.rows: list[Row] = []
        self.chars = 0
        self.closed = False
        self.uses: list[tuple[int, int, str]] = []
        """Row, column and source of the cells that may refer to something."""
        self._before = before
        self._continued = False
        self._replaced = False
        self._wanted = [_wanted(cell) for cell in head]
        self._early = self._wanted
        self._laid: list[Line] = []
        self._laid_rows = 0
        self._laid_for: tuple[int, list[int]] | None = None

    @property
    def size(self) -> int:
        return -2 - len(self.rows)

    def add(self, row: Row, chars: int) -> None:
        """One more row, of no more cells than there are columns, from so many characters."""
        self.rows.append(row)
        self.chars += chars
        for i, cell in enumerate(row):
            self._wanted[i] = max(self._wanted[i], _wanted(cell))
        if len(self.rows) <= SETTLE:
            self._early = self._wanted.copy()

    def next_part(self, margin: Margin) -> Table:
        """The part that goes on below this one."""
        if self._before is None:
            for _, column, _ in self.uses:  # its cells may grow, when no column can any more
                self._wanted[column] = max(self._wanted[column], ROOM)
        self.closed = self._continued = True
        return Table(margin, self.head.copy(), self.aligns, self._before or self)

    def replace(self, row: int, column: int, cell: Cell) -> None:
        """Another text for a cell of the closed table; row -1 is the header."""
        (self.head if row < 0 else self.rows[row])[column] = cell
        self._laid_for = None
        self._replaced = True

    def content(self, width: int, coming: Row | None = None) -> list[Line]:
        """The lines; `coming` is a row that is still being written, and follows if it is given."""
        widths = self.widths(width, coming or [])
        layout = self._layout(width, widths)
        if self._laid_for != (width, widths):
            self._laid, self._laid_rows, self._laid_for = [], 0, (width, widths)
        for row in self.rows[self._laid_rows :]:
            self._laid += layout(row)
        self._laid_rows = len(self.rows)
        last = [] if coming is None else layout(coming)
        return self._top(widths, width) + self._laid + last

    def probe(self, row: Row) -> Block:
        """The table as it would be with one more row, sharing what has been laid out."""
        return _Probe(self, row)

    def widths(self, width: int, coming: Row | None = None) -> list[int]:
        """The columns' widths; none at all where each cell gets a line of its own."""
        if self._before:
            return self._before.widths(width)
        if self._replaced and not self._continued:  # else rows elsewhere would have to move too
            self._wanted = [2] * len(self.aligns)
            for row in (self.head, *self.rows):
                self._wanted[: len(row)] = map(max, self._wanted, map(_wanted, row))
            self._replaced = False
        count = len(self.aligns)
        room = width - len(SEPARATOR) * (count - 1)
        # Rows that are on the screen hold still while others come; at the end all have a say.
        wanted = self._wanted if self.closed else self._early
        if coming and len(self.rows) < SETTLE:
            fill = [*map(_wanted, coming), *([0] * (count - len(coming)))]
            wanted = list(map(max, wanted, fill))
        if sum(wanted) > room and room < NARROWEST * count:
            return []
        return _shrink(wanted, room)

    def _top(self, widths: list[int], width: int) -> list[Line]:
        """The header and the line under it; stacked cells have their header before each."""
        names = [restyle(cell, "table.head") for cell in self.head]
        if self._before or (self.rows and not widths):
            return []
        if not widths:
            return [line for name in names for line in wrap(name, width)]
        bar = Span("─┼─".join("─" * column for column in widths), "table.rule")
        return [*_beside(names, widths, self.aligns), (bar,)]

    def _layout(self, width: int, widths: list[int]) -> Callable[[Row], list[Line]]:
        if not widths:
            return lambda row: _stacked(self.head, row, width)
        return lambda row: _beside(row, widths, self.aligns)


class _Probe(Placed):
    def __init__(self, table: Table, row: Row) -> None:
        super().__init__(table.margin)
        self._table = table
        self._row = row

    def content(self, width: int) -> list[Line]:
        return self._table.content(width, self._row)


def _wanted(cell: Cell) -> int:
    """How wide a cell would like to be."""
    lines = "".join(span.text for span in cell).split("\n")
    return max(2, *map(cells, lines))


def _shrink(wanted: list[int], room: int) -> list[int]:
    """Widths that add up to at most `room`: the widest columns give way first."""
    limit = max(wanted)
    while sum(min(want, limit) for want in wanted) > room and limit > 1:
        limit -= max(1, (limit - 1) // 16)  # not by one: cells can be thousands wide
    return [min(want, limit) for want in wanted]


def _beside(row: Row, widths: list[int], aligns: Sequence[str]) -> list[Line]:
    """A row's lines, its cells side by side."""
    full: Row = [*row, *([] for _ in widths[len(row) :])]
    columns = [wrap(cell, width) for cell, width in zip(full, widths, strict=True)]
    lines: list[Line] = []
    for y in range(max(map(len, columns), default=1)):
        spans: list[Span] = []
        for i, column in enumerate(columns):
            if i:
                spans.append(Span(SEPARATOR, "table.rule"))
            spans += _padded(column[y] if y < len(column) else (), widths[i], aligns[i])
        lines.append(tuple(spans))
    return lines


def _padded(line: Line, width: int, align: str) -> Line:
    room = width - line_cells(line)
    left = room if align == ">" else room // 2 if align == "^" else 0
    return (Span(" " * left), *line, Span(" " * (room - left)))


def _stacked(head: Row, row: Row, width: int) -> list[Line]:
    """A row's lines where it is too narrow for columns: a cell a line, under a short rule."""
    lines: list[Line] = [(Span("─" * min(width, 8), "table.rule"),)]
    for name, cell in zip(head, row, strict=False):
        lines += wrap([*restyle(name, "table.head"), Span(": "), *cell], width)
    return lines
