"""The lines of many blocks at one width: known where somebody has looked, guessed elsewhere."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import overload

from ssechat.tui.markdown.blocks import Stored, restored
from ssechat.tui.markdown.spans import Line, about_cells

KEPT = 4096
"""Lines that are kept, about; others are made anew when somebody looks again."""
_GROUP = 256  # blocks whose heights are added up


class Layout(Sequence[Line]):
    """Numbers the lines of blocks that stand one below the other.

    A block's height is guessed from its characters until `measure` has wrapped it, so numbers
    change there and nowhere else. Of a block that nobody has measured, lines can be had all the
    same: those in about that place.
    """

    def __init__(self) -> None:
        self.width = 0
        self.version = 0
        """It rises whenever lines get other numbers without a block having come or gone."""
        self._blocks: list[Stored] = []
        self._sizes: list[int] = []
        self._gaps = bytearray()
        self._heights: list[int] = []
        self._sums: list[int] = []
        self._measured = bytearray()
        self._kept: dict[int, list[Line]] = {}
        self._kept_lines = 0
        self._total = 0

    def __len__(self) -> int:
        return self._total

    @property
    def blocks(self) -> int:
        """How many there are."""
        return len(self._blocks)

    @overload
    def __getitem__(self, number: int) -> Line: ...
    @overload
    def __getitem__(self, number: slice) -> list[Line]: ...
    def __getitem__(self, number: int | slice) -> Line | list[Line]:
        if isinstance(number, slice):
            start, stop, _ = number.indices(self._total)
            return self._run(start, stop)
        if not -self._total <= number < self._total:
            raise IndexError(number)
        number %= self._total
        return self._run(number, number + 1)[0]

    def __iter__(self) -> Iterator[Line]:
        for index in range(len(self._blocks)):
            yield from self.block(index)

    def resize(self, width: int) -> None:
        """Lay out at another width: nothing is known any more."""
        if width == self.width:
            return
        self.width = width
        self._heights = [
            (-(-size // width) if size > 0 else -size) + gap
            for size, gap in zip(self._sizes, self._gaps, strict=True)
        ]
        self._measured = bytearray(len(self._blocks))
        self._sums = [
            sum(self._heights[at : at + _GROUP]) for at in range(0, len(self._heights), _GROUP)
        ]
        self._total = sum(self._sums)
        self._forget()

    def add(self, blocks: Iterable[Stored]) -> None:
        """More blocks below."""
        for kept in blocks:
            if isinstance(kept, str):
                size, gap = about_cells(kept) - 1 or 1, False  # its style's line is a short one
            else:
                size, gap = kept.size, kept.margin.gap is not None
            height = (-(-size // self.width) if size > 0 else -size) + gap
            if len(self._heights) % _GROUP:
                self._sums[-1] += height
            else:
                self._sums.append(height)
            self._blocks.append(kept)
            self._sizes.append(size)
            self._gaps.append(gap)
            self._heights.append(height)
            self._measured.append(0)
            self._total += height

    def cut(self, count: int) -> None:
        """Keep the first `count` blocks."""
        while len(self._blocks) > count:
            self._blocks.pop()
            self._measured.pop()
            self._sizes.pop()
            self._gaps.pop()
            height = self._heights.pop()
            self._total -= height
            self._sums[-1] -= height
            if not len(self._heights) % _GROUP:
                self._sums.pop()
            self._drop(len(self._blocks))

    def renew(self, index: int) -> None:
        """A block has changed."""
        if index < len(self._blocks):
            self._measured[index] = 0
            self._drop(index)
            self.version += 1

    def measure(self, start: int, stop: int) -> bool:
        """Wrap the blocks that have lines from `start` to before `stop`. Whether what is below
        the first of them has other numbers now."""
        version = self.version
        index, _ = self.locate(start)
        line = self.start(index)
        while index < len(self._blocks) and line < stop:
            if not self._measured[index]:
                self._measure(index)
            line += self._heights[index]
            index += 1
        return self.version != version

    def measure_all(self) -> None:
        index = self._measured.find(0)
        while index >= 0:
            self._measure(index)
            index = self._measured.find(0, index + 1)

    def block(self, index: int) -> list[Line]:
        """All lines of a block, even if they are not as many as it is taken to have."""
        lines = self._kept.get(index)
        if lines is None:
            if self._kept_lines > KEPT:
                self._forget()
            lines = self._kept[index] = restored(self._blocks[index]).lines(self.width)
            self._kept_lines += len(lines)
        return lines

    def start(self, index: int) -> int:
        """The number of a block's first line."""
        group = index // _GROUP
        return sum(self._sums[:group]) + sum(self._heights[group * _GROUP : index])

    def height(self, index: int) -> int:
        return self._heights[index]

    def gap(self, index: int) -> int:
        """How many lines stand before the block's text: 1 or 0."""
        return self._gaps[index]

    def locate(self, line: int) -> tuple[int, int]:
        """The block that a line is in, the last one for what is below, and its number there."""
        sums = [0, *accumulate(self._sums)]
        group = max(0, min(bisect_right(sums, line), len(self._sums)) - 1)
        heights = self._heights[group * _GROUP : (group + 1) * _GROUP]
        starts = [0, *accumulate(heights)]
        at = line - sums[group]
        index = max(0, min(bisect_right(starts, at), len(heights)) - 1)
        return group * _GROUP + index, at - starts[index]

    def _run(self, start: int, stop: int) -> list[Line]:
        lines: list[Line] = []
        index, at = self.locate(start)
        while index < len(self._blocks) and len(lines) < stop - start:
            height = self._heights[index]
            found = self.block(index)
            if len(found) != height:
                found = [found[n * len(found) // height] for n in range(height)]
            lines += found[at : at + stop - start - len(lines)]
            index, at = index + 1, 0
        return lines

    def _measure(self, index: int) -> None:
        self._measured[index] = 1
        if more := len(self.block(index)) - self._heights[index]:
            self._heights[index] += more
            self._sums[index // _GROUP] += more
            self._total += more
            self.version += 1

    def _drop(self, index: int) -> None:
        self._kept_lines -= len(self._kept.pop(index, ()))

    def _forget(self) -> None:
        self._kept.clear()
        self._kept_lines = 0
