"""Does the terminal scroll a part of its screen as it should? It is asked, once it is ours.

The question is a small scroll region, line feeds at its bottom, more reverse line feeds than it has
rows, and then: where is the cursor? It is in the region's first row only if all three work.
Terminals in terminals (tmux, screen, mosh) answer for themselves, and it is they who read what we
write. One that does not answer is not told to scroll.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SWITCH = "SSECHAT_NO_SCROLL"
"""The environment variable that, if set, leaves scrolling to nobody."""
PATIENCE = 0.5  # s that a terminal has to answer before something waits for it no more
_TOP, _BOTTOM = 3, 5  # rows, counted from 1
_DOWN, _UP = 4, 5
_LEAST_HEIGHT = 10  # rows; in a smaller one the edges of the screen could stop the cursor


class ScrollTest:
    """One terminal's answer. Asked in one thread, answered in another."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._asked = 0.0
        self._times = 0
        self._answered = threading.Event()
        self._answered.set()
        self.passed = False
        """Whether the terminal is known to scroll a part of its screen."""

    def ask(self, height: int) -> str:
        """The question, for an empty screen of so many rows; it may leave the cursor anywhere."""
        self.passed = False
        if height < _LEAST_HEIGHT:
            return ""
        self._times += 1
        self._asked = self._now()
        self._answered.clear()
        moves = "\n" * _DOWN + "\x1bM" * _UP
        return f"\x1b[{_TOP};{_BOTTOM}r\x1b[{_BOTTOM}H{moves}\x1b[{self._column}G\x1b[6n\x1b[r"

    def take(self, row: int, column: int) -> bool:
        """The terminal says where its cursor is, counted from 1. The first answer counts; whether
        this is it."""
        if column != self._column or self._answered.is_set():
            return False
        self.passed = row == _TOP
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
    def _column(self) -> int:
        """Where the cursor is then: each time elsewhere, so that late answers say nothing."""
        return 2 + self._times % 8
