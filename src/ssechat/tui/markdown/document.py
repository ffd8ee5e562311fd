"""A text that grows: fed in pieces, laid out at any width."""

from __future__ import annotations

from dataclasses import dataclass

from ssechat.tui.markdown.layout import Layout
from ssechat.tui.markdown.plain import Lines, PlainLines
from ssechat.tui.markdown.scanner import MarkdownLines
from ssechat.tui.markdown.spans import steady

LONGEST = 2048
"""Longer lines are read in pieces of so many characters."""
SLICE = 1024
"""About so many characters of closed blocks are read again by one call of `lines`."""


@dataclass
class _Mark:
    """A place after a block: known when `line` lines have been read, and then either `block`
    blocks from the start, or where the reader's closing number `closing` was."""

    line: int
    block: int | None = None
    closing: int | None = None


class Document:
    """Markdown (or plain text) that grows at its end.

    Whatever pieces a text is fed in, it looks the same in the end: all that is decided is decided
    by whole lines, or by the first `LONGEST` characters of a longer one. Blocks that have closed
    are kept, and wrapped where somebody looks. They are read again only where that changes
    something: a fence is coloured once more as a whole, and what refers to something that
    is defined later becomes a link. That goes in slices: `pending` says whether any is left.
    """

    def __init__(self, lines: Lines | None = None) -> None:
        self.fed = 0
        """How many characters have been fed."""
        self._reader: Lines = MarkdownLines() if lines is None else lines
        self._partial = ""
        self._middle = False  # `_partial` goes on where a long line was cut
        self._read = 0
        self._marks: list[_Mark] = []
        self._layout = Layout()  # of closed blocks, then of provisional ones
        self._closed = 0  # blocks in it that have closed
        self._fresh = False

    @property
    def step(self) -> int:
        """How many characters to feed between two looks at the clock."""
        return self._reader.step

    @property
    def numbering(self) -> int:
        """Another one whenever lines that are as they were got other numbers."""
        return self._layout.version

    @property
    def pending(self) -> bool:
        """Whether more calls of `lines` would change lines, even if nothing more is fed."""
        return bool(self._reader.later)

    def feed(self, text: str) -> None:
        """Take the next piece of the text. It must have been cleaned of control characters."""
        self.fed += len(text)
        self._fresh = False
        first, *rest = text.split("\n")
        self._grow(first)
        for line in rest:
            self._push(self._partial)
            self._middle, self._partial = False, ""
            self._grow(line)

    def finish(self) -> None:
        """Nothing more will come: what was open closes."""
        self._fresh = False
        if self._partial:
            self._push(self._partial)
            self._partial, self._middle = "", False
        self._reader.close()

    def layout(self, width: int) -> Layout:
        """The lines of what has been fed, none wider than `width` cells (at least 4). It is the
        same object each time."""
        layout = self._layout
        if self._fresh and width == layout.width and not self.pending:
            return layout
        for index in self._reader.later.run(SLICE):
            layout.renew(index)
        layout.cut(self._closed)
        layout.resize(width)
        layout.add(self._reader.blocks[self._closed :])
        self._closed = layout.blocks
        layout.add(self._provisional().blocks)
        self._fresh = True
        return layout

    def lines(self, width: int) -> Layout:
        """The same, with all lines wrapped."""
        layout = self.layout(width)
        layout.measure_all()
        return layout

    def mark(self) -> None:
        """Remember this place in the text: the end of the block that it is in."""
        mark = _Mark(self._read + bool(self._partial))
        self._marks.append(mark)
        self._arm(mark)

    def marks(self, width: int) -> list[int]:
        """For each mark, the number of lines before it: all of them while its block is open."""
        layout = self.layout(width)
        known = map(self._block, self._marks)
        return [len(layout) if n is None else layout.start(n) for n in known]

    def place(self, line: int) -> tuple[int, int, int]:
        """Where a line is whatever the width: its block, its number there, of how many.

        -1 is the blank line before the block.
        """
        layout = self._layout
        if not layout.blocks:
            return 0, 0, 1
        block, at = layout.locate(line)
        gap = layout.gap(block)
        return block, at - gap, layout.height(block) - gap

    def find(self, block: int, line: int, of: int) -> int:
        """The line at a place as `place` gave it, perhaps at another width."""
        layout = self._layout
        if not layout.blocks:
            return 0
        block = min(block, layout.blocks - 1)
        gap = layout.gap(block)
        count = layout.height(block) - gap
        if line >= 0 and count != of:
            line = line * count // max(of, 1)
        return max(0, layout.start(block) + gap + line)

    def _grow(self, text: str) -> None:
        """Add to the last line, which is read in pieces if it gets too long."""
        self._partial += text
        # Cut at a fixed length, not where a piece happened to end: else chunking would show.
        line, at = self._partial, 0
        while len(line) - at >= LONGEST:
            self._push(line[at : at + LONGEST])
            at += LONGEST
            self._middle = True
        self._partial = line[at:]

    def _push(self, line: str) -> None:
        self._reader.push(steady(line), middle=self._middle)
        self._read += 1
        for mark in self._marks:
            self._arm(mark)

    def _arm(self, mark: _Mark) -> None:
        if mark.line > self._read or mark.block is not None or mark.closing is not None:
            return
        if self._reader.leaf is None:
            mark.block = len(self._reader.blocks)
        else:
            mark.closing = len(self._reader.ends)

    def _block(self, mark: _Mark) -> int | None:
        ends = self._reader.ends
        if mark.closing is not None and mark.closing < len(ends):
            return ends[mark.closing]
        return mark.block

    def _provisional(self) -> Lines:
        """The open rest as it would be if the text ended here."""
        trial = self._reader.fork()
        if self._partial and (self._middle or not trial.held(self._partial)):
            trial.push(steady(self._partial), middle=self._middle)
        trial.close()
        return trial


def plain(style: str = "") -> Document:
    """A document whose text is shown as it is, wrapped."""
    return Document(PlainLines(style))
