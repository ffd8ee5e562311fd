"""Finding text in the page that a view shows."""

from __future__ import annotations

from ssechat.tui.markdown import Line
from ssechat.tui.transcript.find import Finder, Tally
from ssechat.tui.widgets.selecting import Selecting


class Finding(Selecting):
    """While something is sought, the reader is where they have gone to, and does not follow."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._finder: Finder | None = None

    @property
    def found(self) -> Tally:
        """How many matches there are, and at which the reader is."""
        return Tally() if self._finder is None else self._finder.tally

    @property
    def finding(self) -> bool:
        """Whether the search is not through yet."""
        return self._finder is not None and self._finder.busy

    def find(self, query: str) -> None:
        """Mark what matches, and go to the nearest match; `pull` goes on while `finding`."""
        finder = self._finder
        if finder is None or finder.query != query:
            column = self._column
            new = Finder(column, query, column.anchor) if finder is None else finder.instead(query)
            self._finder = new
            self._find_on()
            self._place()

    def find_next(self, by: int = 1) -> None:
        """Go to the next match (1) or the one before (-1)."""
        if self._finder is not None:
            self._finder.step(by)
            if self._find_on():
                self._place()

    def end_find(self) -> None:
        """Mark nothing any more. The reader stays, and follows if that is the end."""
        if self._finder is not None:
            self._let_follow()
            self._finder = None
            self._place()

    def _find_on(self) -> bool:
        """Search on for some milliseconds; whether the page is to be placed anew: the reader is
        elsewhere now, or lines have other numbers."""
        if self._finder is None:
            return False
        self._hold()
        went = self._finder.work()
        self._hold_on()
        return went or self._column.shifted

    def _leave(self) -> None:
        """Another page will be shown."""
        self.deselect()
        if self._finder is not None:
            self._let_follow()

    def _find_here(self) -> None:
        """Another page is shown: look for the same in it, but go nowhere."""
        if self._finder is not None:
            self._finder = Finder(self._column, self._finder.query)

    def _let_follow(self) -> None:
        column = self._column
        column.page.following |= column.at_end

    def _marked(self, rows: list[Line]) -> list[Line]:
        return rows if self._finder is None else self._finder.mark(rows)

    def _place(self, seconds: float = 0.0) -> None:
        raise NotImplementedError
