"""How long what we write takes to be seen: the terminal is asked, behind a frame, if it is there.

A network holds much more than we can see: what the system has taken from us may be on its way for
seconds. The answer comes when all that went before it has been shown. Multiplexers (tmux, screen,
mosh) answer for themselves, and drop frames of their own for a slow network.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

QUESTION = "\x1b[5n"
"""A device status report, which every terminal since the VT100 sends (ECMA-48, 8.3.35)."""
ANSWER = "\x1b[0n"
EVERY = 0.5  # s from one question to the next
PATIENCE = 0.5  # s that a terminal has to answer before something waits for it no more
LOST = 5.0  # s after which no answer is counted on any more
_SMOOTH = 4  # a new figure counts as one of so many
_IN_VAIN = 2  # questions that are lost in a row: nobody is there any more who answers


class RoundTrip:
    """The questions to one terminal. Asked in one thread, answered in another."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._asked = float("-inf")
        self._times = 0
        self._in_vain = 0
        self._smoothed = 0.0
        self._answered = threading.Event()
        self._answered.set()

    @property
    def seconds(self) -> float:
        """The smoothed time of a round trip, or that of the one which is under way if it is longer.
        0 for a terminal that has never answered, or does not any more."""
        if self._given_up:
            return 0.0
        if self._answered.is_set() or self._lost:
            return self._smoothed
        return max(self._smoothed, self._now() - self._asked)

    def ask(self) -> str:
        """What to send behind a frame; nothing if it is not time yet, or nobody answers."""
        now = self._now()
        lost = self._lost
        if self._given_up or not (lost or self._answered.is_set()) or now - self._asked < EVERY:
            return ""
        self._in_vain += lost
        self._asked = now
        self._answered.clear()
        return QUESTION

    def take(self) -> bool:
        """The terminal has answered. Whether it was asked."""
        if self._answered.is_set():
            return False
        took = self._now() - self._asked
        self._smoothed += (took - self._smoothed) / (_SMOOTH if self._times else 1)
        self._times += 1
        self._in_vain = 0
        self._answered.set()
        return True

    @property
    def due(self) -> bool:
        """Whether an answer may come any moment."""
        return not self._answered.is_set() and self._now() < self._asked + PATIENCE

    def wait(self) -> None:
        """Wait while an answer is due."""
        if self.due:
            self._answered.wait(self._asked + PATIENCE - self._now())

    @property
    def _lost(self) -> bool:
        """Whether the last question will not be answered any more."""
        return not self._answered.is_set() and self._now() - self._asked >= LOST

    @property
    def _given_up(self) -> bool:
        """Whether there is nobody who answers."""
        if not self._times:
            return not self._answered.is_set()
        return self._in_vain + self._lost >= _IN_VAIN
