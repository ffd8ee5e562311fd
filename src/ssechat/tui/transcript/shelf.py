"""The layouts of the pages that were shown last, so that going back to one costs no reading."""

from __future__ import annotations

from ssechat.tui.transcript.column import Column
from ssechat.tui.transcript.page import Page

MOST = 600_000
"""Characters that have been read for the layouts that are kept, about: some 25 MB. That is what
fifty long conversations show."""


class Shelf:
    """Finds a page's layout, or makes one. Those that were shown longest ago are let go."""

    def __init__(self) -> None:
        self._columns: dict[Page, Column] = {}

    def __len__(self) -> int:
        return len(self._columns)

    def column(self, page: Page) -> Column:
        column = self._columns.get(page)
        if column is None:
            column = self._columns[page] = Column(page)
        return column

    def show(self, page: Page) -> None:
        """`page` is shown from now on; of the others no more is kept than was on the screen."""
        shown = self._columns.pop(page, None) or Column(page)
        for column in self._columns.values():
            column.forget()
        room = MOST
        for other, column in reversed([*self._columns.items()]):
            room -= column.fed
            if room < 0:
                del self._columns[other]
        self._columns[page] = shown
