"""Notices that a stream has gone quiet."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from ssechat.core.errors import LinkProblem
from ssechat.core.frames import KEEPALIVES, Frame, FrameKind, is_payload

_LEAST = 0.01  # s between two looks


class Watchdog:
    """One timer and two clocks: since any byte came, and since payload came, in seconds.

    The first one counts only once the server has shown that it sends keepalives: comments, or
    events named `ping`, as Anthropic's are.
    Neither counts in a `with` block, where the reader of the frames holds us up: the server is not
    to blame.
    """

    def __init__(self, silence: float, idle: float, bark: Callable[[LinkProblem], None]) -> None:
        self._silence = silence
        self._idle = idle
        self._bark = bark
        self._byte = self._payload = time.monotonic()
        self._keepalives = False
        self._held: float | None = None
        self._arm()

    @property
    def silent(self) -> float:
        """Seconds since the last byte."""
        return self._now() - self._byte

    @property
    def quiet(self) -> float:
        """Seconds since the last payload."""
        return self._now() - self._payload

    def heard(self, mono: float, frames: list[Frame]) -> None:
        """Bytes came at `mono`, perhaps while we were held up, and completed `frames`."""
        self._byte = max(self._byte, mono)
        if any(map(is_payload, frames)):
            self._payload = max(self._payload, mono)
        if not self._keepalives and any(_is_keepalive(frame) for frame in frames):
            self._keepalives = True
            self.stop()
            self._arm()

    def __enter__(self) -> None:
        self._held = time.monotonic()

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            away = time.monotonic() - self._held
            self._held = None
            self._byte += away
            self._payload += away

    def stop(self) -> None:
        self._timer.cancel()

    def _now(self) -> float:
        return time.monotonic() if self._held is None else self._held

    def _left(self) -> tuple[float, float]:
        now = self._now()
        silence = self._byte + self._silence - now if self._keepalives else math.inf
        return silence, self._payload + self._idle - now

    def _arm(self) -> None:
        delay = max(min(self._left()), _LEAST)
        self._timer = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        silence, idle = self._left()
        if silence <= 0:
            self._bark(LinkProblem(f"no byte for {self._silence:g} s", kind="silence"))
        elif idle <= 0:
            self._bark(LinkProblem(f"no payload for {self._idle:g} s", kind="silence"))
        else:
            self._arm()


def _is_keepalive(frame: Frame) -> bool:
    return frame.kind is FrameKind.COMMENT or frame.event in KEEPALIVES
