"""When to paint: at once after a quiet moment, then no more often than can be taken in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

FAST = 0.008
"""s from one frame to the next at least; no terminal shows more."""
SLOW = 0.25
"""s between two frames at most, however slow terminal and computer are."""
SHARE = 2
"""Frames are so many times as far apart as they take: readers and keys have the rest."""
LONGEST = 0.05
"""s of pause at most after a frame that took long: what is slow once, like a full collection of
garbage, does not slow down what follows."""


Later = Callable[[float, Callable[[], None]], object]


class Cadence:
    """Calls `paint` after `wanted`, as soon as it may be. `paint` says whether it could: the
    terminal may have to take the last frame yet; then it is called again, less and less often.

    `later` calls back after so many seconds; `now` is a clock in seconds. `round_trip` is how many
    of them a frame takes to be seen, there and back. Half of that lies between two frames, as in
    Mosh: on a network that is slow or full, more of them would only queue up.
    """

    def __init__(
        self,
        paint: Callable[[], bool],
        later: Later | None = None,
        now: Callable[[], float] = time.monotonic,
        round_trip: Callable[[], float] = float,
        fast: float = FAST,
    ) -> None:
        """`fast`: s from one frame to the next at least."""
        self._paint = paint
        self._later = later
        self._now = now
        self._round_trip = round_trip
        self._fast = max(FAST, fast)
        self._armed = False
        self._again = False
        self._next = 0.0
        self._pause = FAST

    def wanted(self) -> None:
        """Something has changed that can be seen."""
        self._again = True
        if not self._armed:
            self._arm()

    def _arm(self) -> None:
        self._armed = True
        later = self._later or asyncio.get_running_loop().call_later
        later(max(0.0, self._next - self._now()), self._due)

    def _due(self) -> None:
        """Paint. What is wanted meanwhile waits: when the next frame may come is not known yet."""
        self._again = False
        began = self._now()
        painted = self._paint()
        self._next = self._after(began, painted)
        if self._again or not painted:
            self._arm()
        else:
            self._armed = False

    def _after(self, began: float, painted: bool) -> float:
        """When the next frame may come after one that began at `began`, if it was painted."""
        now = self._now()
        if not painted:
            self._pause = min(SLOW, 2 * self._pause)
            return now + self._pause
        self._pause = FAST
        took = now - began
        rest = max(self._fast - took, min((SHARE - 1) * took, LONGEST))
        return max(now + rest, began + min(self._round_trip() / 2, SLOW))
