"""Two clocks tell that a program was away: the machine slept, or the program was stopped.

Python's monotonic clock stands still while a Linux or macOS machine sleeps; the wall clock does
not. It goes on while the program is stopped, or its event loop blocked.
"""

from __future__ import annotations

from typing import Literal

JUMP = 5.0
"""s that a tick must be late, or the clocks part by, to count; ticks come every second or so."""

Away = Literal["", "suspended", "stopped"]
"""What happened between two ticks. A clock that was set forward looks like `suspended`."""


class Clocks:
    """Compares each reading with the last one; the first has nothing to be compared with."""

    def __init__(self, jump: float = JUMP) -> None:
        self._jump = jump
        self._last: tuple[float, float] | None = None

    def tick(self, wall: float, mono: float) -> Away:
        """What happened since the last tick. Both clocks in seconds, `mono` never goes back."""
        last, self._last = self._last, (wall, mono)
        if last is None:
            return ""
        passed = mono - last[1]
        if wall - last[0] - passed > self._jump:
            return "suspended"
        return "stopped" if passed > self._jump else ""
