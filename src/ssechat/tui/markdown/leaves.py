"""Leaves whose lines are shown as they are: code fences and displayed mathematics."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from ssechat.tui.markdown.blocks import Code, Margin
from ssechat.tui.markdown.grammar import AFTER_FORMULA, FenceStart, FormulaStart
from ssechat.tui.markdown.highlight import WHOLE, Highlighter, whole
from ssechat.tui.markdown.later import Step
from ssechat.tui.markdown.spans import Span


class Fence:
    """An open code fence. Its rows are blocks already; `drawn` says whether there are any."""

    def __init__(self, start: FenceStart) -> None:
        self.start = start
        self.drawn = False
        self._rows: list[Code] = []
        self._chars = 0
        self._lexer = Highlighter(start.label)

    def fork(self) -> Fence:
        other = copy.copy(self)
        other._lexer, other._rows = self._lexer.fork(), []
        return other

    def takes(self, line: str) -> bool:
        return True

    def read(self, line: str) -> tuple[str | None, bool]:
        """What the line shows, if anything, and whether it is the last one."""
        return (None, True) if self.start.closed_by(line) else (self.start.inner(line), False)

    def row(self, margin: Margin, line: str) -> Code:
        label = "" if self.drawn else self.start.label
        self.drawn = True
        self._chars += len(line) + 1
        self._rows.append(Code(margin, self._lexer.line(line), label))
        return self._rows[-1]

    def again(self, end: int) -> Iterator[Step]:
        """Colour the rows, which are the blocks before `end`, once more, now that all are known."""
        rows, first = self._rows, end - len(self._rows)
        if self._chars > WHOLE:
            return
        for at, spans in enumerate(whole(self.start.label, [row.text for row in rows])):
            yield Step(len(rows[at].text), first + at if rows[at].recolour(spans) else None)


class Formula:
    """Displayed mathematics, up to its closing mark or a blank line."""

    def __init__(self, start: FormulaStart) -> None:
        self._closing = start.closing
        self._begun = False

    def fork(self) -> Formula:
        return copy.copy(self)

    def takes(self, line: str) -> bool:
        return bool(line.strip(" "))

    def read(self, line: str) -> tuple[str | None, bool]:
        """What the line shows, if anything, and whether it is the last one."""
        begun, self._begun = self._begun, True
        inner = line if begun else line.lstrip(" ")[2:]
        return line, inner.rstrip(AFTER_FORMULA).endswith(self._closing)

    def row(self, margin: Margin, line: str) -> Code:
        return Code(margin, [Span(line, "fence")])
