"""A text that grows: fed in pieces, laid out at any width."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ssechat.tui.markdown.plain import Lines, PlainLines
from ssechat.tui.markdown.scanner import MarkdownLines
from ssechat.tui.markdown.spans import Line, steady

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
    are kept, with their lines at the last width asked for. They are read again only where that
    changes something: a fence is coloured once more as a whole, and what refers to something that
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
        self._width = 0
        self._lines: list[Line] = []
        self._ends: list[int] = []  # of closed blocks, then of provisional ones, in lines
        self._starts: list[int] = []  # of the blocks' text, after the blank line before it
        self._closed = 0  # blocks among `_ends` that have closed
        self._fresh = False

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

    def lines(self, width: int) -> Sequence[Line]:
        """All lines, none wider than `width` cells (at least 4). Valid until the next call."""
        if self._fresh and width == self._width and not self.pending:
            return self._lines
        changed = self._reader.later.run(SLICE)
        if width != self._width:
            self._width, self._closed = width, 0
        self._lay_out_again(sorted(changed))
        end = self._ends[self._closed - 1] if self._closed else 0
        del self._lines[end:], self._ends[self._closed :], self._starts[self._closed :]
        blocks = self._reader.blocks
        for block in [*blocks[self._closed :], *self._provisional().blocks]:
            self._starts.append(len(self._lines) + (block.margin.gap is not None))
            self._lines += block.lines(width)
            self._ends.append(len(self._lines))
        self._closed = len(blocks)
        self._fresh = True
        return self._lines

    def _lay_out_again(self, blocks: Sequence[int]) -> None:
        """Take over what has changed in closed blocks that are laid out already."""
        blocks = blocks[: bisect_left(blocks, self._closed)]
        shift = 0  # by which what comes next moves
        for index, next_one in zip(blocks, [*blocks[1:], len(self._ends)], strict=False):
            start = self._ends[index - 1] if index else 0
            end = self._ends[index] + shift
            lines = self._reader.blocks[index].lines(self._width)
            self._lines[start:end] = lines
            self._starts[index] += shift
            shift += len(lines) - (end - start)
            if shift:
                self._ends[index:next_one] = [n + shift for n in self._ends[index:next_one]]
                after = slice(index + 1, next_one)
                self._starts[after] = [n + shift for n in self._starts[after]]

    def mark(self) -> None:
        """Remember this place in the text: the end of the block that it is in."""
        mark = _Mark(self._read + bool(self._partial))
        self._marks.append(mark)
        self._arm(mark)

    def marks(self, width: int) -> list[int]:
        """For each mark, the number of lines before it: all of them while its block is open."""
        total = len(self.lines(width))
        known = map(self._block, self._marks)
        return [total if n is None else self._ends[n - 1] if n else 0 for n in known]

    def place(self, line: int) -> tuple[int, int, int]:
        """Where a line is whatever the width: its block, its number there, of how many.

        -1 is the blank line before the block.
        """
        block = min(bisect_right(self._ends, line), len(self._ends) - 1)
        if block < 0:
            return 0, 0, 1
        start = self._starts[block]
        return block, line - start, self._ends[block] - start

    def find(self, block: int, line: int, of: int) -> int:
        """The line at a place as `place` gave it, perhaps at another width."""
        if not self._ends:
            return 0
        block = min(block, len(self._ends) - 1)
        start, count = self._starts[block], self._ends[block] - self._starts[block]
        if line >= 0 and count != of:
            line = line * count // max(of, 1)
        return max(0, start + line)

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
