"""Notices that this machine slept, that ssechat was stopped, or that the network changed.

After each of these a connection may be dead without knowing it.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from ssechat import network
from ssechat.core.clocks import JUMP, Clocks

SLEPT = "this machine slept"
STOPPED = "ssechat was stopped"
NETWORK = "the network changed"
PAUSED = "ssechat was stopped for a moment"
REASONS = [SLEPT, STOPPED, NETWORK, PAUSED]
"""Where several hold at once, the first is told."""
DOUBTS = (NETWORK, PAUSED)
"""After these a connection that still brings bytes lives; the others were too long for any."""

TICK = 1.0  # s
GAP = 1.0
"""s between two calls at least; and from a change of the network, which comes in many steps."""


class Timer(Protocol):
    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]


class Watch:
    """Calls `on_wake` with one of `REASONS`, at most once in `GAP` seconds, until it is closed.

    `later` calls back after so many seconds; `wall` and `mono` are clocks in seconds.
    """

    def __init__(
        self,
        on_wake: Callable[[str], None],
        later: Later,
        *,
        tick: float = TICK,
        jump: float = JUMP,
        wall: Callable[[], float] = time.time,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_wake = on_wake
        self._later = later
        self._every = tick
        self._wall, self._mono = wall, mono
        self._clocks = Clocks(jump)
        self._why: set[str] = set()
        self._call: Timer | None = None
        self._due = 0.0
        self._told = mono() - GAP
        self._closers: list[Callable[[], None]] = []
        self._tick()

    def on_close(self, closer: Callable[[], None]) -> None:
        self._closers.append(closer)

    def close(self) -> None:
        """Call no more."""
        self._timer.cancel()
        if self._call is not None:
            self._call.cancel()
        while self._closers:
            self._closers.pop()()

    def network_changed(self) -> None:
        """To be called at every sign of it."""
        self._want(NETWORK, GAP)

    def continued(self) -> None:
        """To be called when the process goes on after it was stopped, for however long."""
        self._want(PAUSED, 0)

    def _tick(self) -> None:
        self._timer = self._later(self._every, self._tick)
        if away := self._clocks.tick(self._wall(), self._mono()):
            self._want(SLEPT if away == "suspended" else STOPPED, 0)

    def _want(self, why: str, after: float) -> None:
        self._why.add(why)
        now = self._mono()
        due = max(now + after, self._told + GAP)
        if self._call is not None and self._due <= due:
            return
        if self._call is not None:
            self._call.cancel()
        self._due = due
        self._call = self._later(due - now, self._tell)

    def _tell(self) -> None:
        self._call = None
        self._told = self._mono()
        why = min(self._why, key=REASONS.index)
        self._why.clear()
        self._on_wake(why)


def watch(on_wake: Callable[[str], None], *, tick: float = TICK, jump: float = JUMP) -> Watch:
    """Watch from now on, on the running loop. `jump`: s away that count."""
    loop = asyncio.get_running_loop()
    found = Watch(on_wake, loop.call_later, tick=tick, jump=jump)
    found.on_close(network.listen(loop, found.network_changed))
    found.on_close(_listen_for_continue(loop, found.continued))
    return found


def _listen_for_continue(
    loop: asyncio.AbstractEventLoop, continued: Callable[[], None]
) -> Callable[[], None]:
    """Call `continued` on the loop at each SIGCONT, before whoever listened to it already (the
    terminal's driver, which repaints); until the function that this gives is called."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None  # signals are not told elsewhere
    before = signal.getsignal(signal.SIGCONT)

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(continued)
        if callable(before):
            before(number, frame)

    def close() -> None:
        if signal.getsignal(signal.SIGCONT) is handle:
            signal.signal(signal.SIGCONT, before)

    signal.signal(signal.SIGCONT, handle)
    return close
