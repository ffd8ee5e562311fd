"""Work on blocks that have closed, put off and done in slices: what came after them matters."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple


class Step(NamedTuple):
    """So many characters were read again, and perhaps the block of this number has changed."""

    chars: int
    block: int | None = None


class Later:
    """Tasks in the order in which they came. Each is done step by step."""

    def __init__(self) -> None:
        self._tasks: deque[Iterator[Step]] = deque()

    def __bool__(self) -> bool:
        """Whether anything is left to do."""
        return bool(self._tasks)

    def add(self, task: Iterator[Step]) -> None:
        self._tasks.append(task)

    def run(self, chars: int) -> set[int]:
        """Do steps of about so many characters: the numbers of the blocks that have changed."""
        changed: set[int] = set()
        while self._tasks and chars > 0:
            step = next(self._tasks[0], None)
            if step is None:
                self._tasks.popleft()
                continue
            chars -= step.chars + 1
            if step.block is not None:
                changed.add(step.block)
        return changed
