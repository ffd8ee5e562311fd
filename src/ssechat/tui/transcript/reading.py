"""A text on its way into a document: step by step, as far as time allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ssechat.core.reply import Part
from ssechat.core.safe import Cleaner

if TYPE_CHECKING:
    from ssechat.tui.markdown import Document


class Allowance:
    """Seconds that reading may take. They begin with the first step, which is always taken."""

    def __init__(
        self, seconds: float = float("inf"), clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._end: float | None = None

    def steps(self) -> Iterator[None]:
        """One for each step that there is time for."""
        while self._end is None or self._clock() < self._end:
            self._end = self._end or self._clock() + self._seconds
            yield


class Reading:
    """Reads a part that may still grow, and marks its seams in the document that `make` makes."""

    def __init__(self, part: Part, make: Callable[[], Document]) -> None:
        self._part = part
        self._make = make
        self._finished = False
        self._begin()

    @property
    def unread(self) -> bool:
        """Whether some of the text has not been read."""
        return self._at < self._part.chars

    @property
    def pending(self) -> bool:
        """Whether there is anything left to do: to read, or to lay out better."""
        return self.unread or self.document.pending

    def read(self, allowance: Allowance, *, done: bool) -> None:
        """Feed what came since the last time into the document. `done`: nothing more will come."""
        if self._finished and self.unread:
            self._begin()  # a part that had ended goes on: after a resume
        self._mark()  # a seam may have come after the text that it follows was read
        for _ in allowance.steps() if self.unread else ():
            self.document.feed(self._cleaner.feed(self._next(self.document.step)))
            self._mark()
            if not self.unread:
                break
        if done and not self._finished and not self.unread:
            self.document.feed(self._cleaner.finish())
            self.document.finish()
            self._finished = True

    def _begin(self) -> None:
        self.document = self._make()
        self._cleaner = Cleaner()
        self._piece = self._offset = self._at = self._seams = 0
        self._finished = False

    def _mark(self) -> None:
        while self._seams < len(self._part.seams):
            if self._part.seams[self._seams].offset > self._at:
                return
            self.document.mark()
            self._seams += 1

    def _next(self, most: int) -> str:
        """The next `most` characters at most, and none beyond a seam."""
        if self._seams < len(self._part.seams):
            most = min(most, self._part.seams[self._seams].offset - self._at)
        taken: list[str] = []
        while most > 0 and self._piece < len(self._part.pieces):
            piece = self._part.pieces[self._piece]
            text = piece[self._offset : self._offset + most]
            taken.append(text)
            self._offset += len(text)
            self._at += len(text)
            most -= len(text)
            if self._offset >= len(piece):
                self._piece, self._offset = self._piece + 1, 0
        return "".join(taken)
