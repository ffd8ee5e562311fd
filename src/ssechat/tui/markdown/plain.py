"""What a document reads its lines with; and the reader for text that is no Markdown."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol

from ssechat.tui.markdown.blocks import NO_MARGIN, Blank, Stored, stored
from ssechat.tui.markdown.inline import LIMIT
from ssechat.tui.markdown.later import Later
from ssechat.tui.markdown.run import Run
from ssechat.tui.markdown.spans import Span


class Lines(Protocol):
    """Lines in, blocks out. `leaf` is what the next line may still belong to, if anything; `ends`
    has the number of blocks at every closing of a leaf; `later` may change blocks that are closed.
    """

    ends: list[int]
    later: Later

    @property
    def blocks(self) -> Sequence[Stored]: ...

    @property
    def step(self) -> int:
        """So many characters take about a millisecond, if they are hard to read."""
        ...

    @property
    def leaf(self) -> object | None: ...

    def push(self, line: str, *, middle: bool = False) -> None:
        """One line without its break; `middle` if it goes on where the last one was cut off."""
        ...

    def close(self) -> None: ...

    def held(self, line: str) -> bool:
        """Whether this beginning of a line should not be drawn before more of it has come."""
        ...

    def fork(self) -> Lines:
        """A copy without blocks, to see what the open rest would be if the text ended here."""
        ...


class PlainLines:
    """Every line is a block of its own, wrapped, in one style. Blank lines stand between others."""

    step = 1024

    def __init__(self, style: str = "") -> None:
        self.blocks: list[Stored] = []
        self.leaf: Run | None = None
        self.ends: list[int] = []
        self.later = Later()
        self._style = style
        self._blank = 0
        self._begun = False
        self._trial = False

    def fork(self) -> PlainLines:
        other = copy.copy(self)
        other.blocks, other.ends, other._trial = [], [], True
        other.leaf = self.leaf.fork() if self.leaf else None
        return other

    def held(self, line: str) -> bool:
        return False

    def push(self, line: str, *, middle: bool = False) -> None:
        if not middle:
            self.close()
            if not line.strip(" \t"):
                self._blank += 1
                return
            if len(line) < LIMIT:  # it was not cut, so it is whole
                self._add(stored(line.expandtabs(4).rstrip(" "), self._style))
                return
        self.leaf = self.leaf or Run()
        self.leaf.text += line.expandtabs(4)
        if self._trial:
            return  # what settles is shared
        self.leaf.settle(self._literal)
        if self.leaf.full:
            self.close()

    def close(self) -> None:
        if self.leaf is None:
            return
        self._add(self.leaf.close(NO_MARGIN, self._literal))
        self.leaf = None

    def _add(self, block: Stored) -> None:
        if self._blank and self._begun:
            self.blocks.append(Blank(self._blank))
        self.blocks.append(block)
        self._blank, self._begun = 0, True
        self.ends.append(len(self.blocks))

    def _literal(self, text: str) -> list[Span]:
        return [Span(text, self._style)]
