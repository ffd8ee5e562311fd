"""The tab strip: one row, whatever the number of tabs."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.message import Message

from ssechat.tui.status import TabLabel
from ssechat.tui.widgets.bar import Bar

_TITLE = 24  # cells
_MORE = 2


class TabStrip(Bar):
    """Titles with their state and unread mark; the active one stays in sight."""

    class Picked(Message):
        """A tab was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self._labels: list[TabLabel] = []
        self._active = 0
        self._spans: list[tuple[int, int, int]] = []

    def show(self, labels: list[TabLabel], active: int) -> None:
        self._labels, self._active = labels, active
        self.set(tuple(labels), active)

    def line(self, width: int) -> Iterable[tuple[str, str]]:
        cells = [self._cell(number) for number in range(len(self._labels))]
        first = self._first(cells, width)
        used = 0
        self._spans = []
        if first:
            yield "‹ ", "dim"
            used = _MORE
        for number in range(first, len(cells)):
            size = sum(cell_len(text) for text, _ in cells[number])
            last = number == len(cells) - 1
            if used + size > width - (0 if last else _MORE) and number > first:
                yield " ›", "dim"
                return
            self._spans.append((used, used + size, number))
            used += size
            yield from cells[number]
        hint = "+ ctrl+n "
        if used + len(hint) + 2 <= width:
            yield " " * (width - used - len(hint)), "plain"
            yield hint, "dim"

    def _cell(self, number: int) -> list[tuple[str, str]]:
        label = self._labels[number]
        title = label.title
        if cell_len(title) > _TITLE:
            title = f"{set_cell_size(title, _TITLE - 1).rstrip()}…"
        tone = "mark" if number == self._active else "plain"
        cell = [(f" {number + 1} {title} ", tone)]
        if label.badge is not None:
            cell.append((f"{label.badge.text} ", label.badge.tone))
        if label.unread:
            cell.append(("• ", "busy"))
        return cell

    def _first(self, cells: list[list[tuple[str, str]]], width: int) -> int:
        """The first tab to draw, so that the active one fits."""
        sizes = [sum(cell_len(text) for text, _ in cell) for cell in cells]
        after = _MORE if self._active < len(cells) - 1 else 0
        for first in range(self._active):
            before = _MORE if first else 0
            if before + sum(sizes[first : self._active + 1]) + after <= width:
                return first
        return self._active

    def on_click(self, event: events.Click) -> None:
        for start, end, number in self._spans:
            if start <= event.x < end:
                self.post_message(self.Picked(number))
