"""Frames come at once after a quiet moment, and then no more often than can be taken in."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from ssechat.tui.paint.cadence import FAST, LONGEST, SLOW, Cadence


class Clock:
    """Time that passes only when told to; `cost` is what a frame takes of it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.cost = 0.0
        self.able = True
        self.frames: list[float] = []
        self.tries: list[float] = []
        self.calls: list[tuple[float, Callable[[], None]]] = []
        self.round_trip = 0.0
        self.more = False
        self.use()

    def use(self, **options: float) -> None:
        self.cadence = Cadence(
            self.paint, self.later, lambda: self.now, lambda: self.round_trip, **options
        )

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append((self.now + seconds, call))

    def paint(self) -> bool:
        self.tries.append(round(self.now - 100, 6))
        if self.more:
            self.cadence.wanted()
        if self.able:
            self.frames.append(self.tries[-1])
            self.now += self.cost
        return self.able

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.calls and (due := min(self.calls, key=lambda one: one[0]))[0] <= end:
            self.calls.remove(due)
            self.now = max(self.now, due[0])
            due[1]()
        self.now = max(self.now, end)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_change_after_a_quiet_moment_is_painted_at_once(clock: Clock) -> None:
    clock.cadence.wanted()
    clock.run(0)
    clock.run(1)
    clock.cadence.wanted()
    clock.run(0)
    assert clock.frames == [0, 1]


def test_what_comes_within_the_interval_is_one_frame_at_its_end(clock: Clock) -> None:
    for _ in range(5):
        clock.cadence.wanted()
        clock.run(FAST / 8)
    clock.run(1)
    assert clock.frames == [0, FAST]


def test_nothing_is_painted_that_nobody_wants(clock: Clock) -> None:
    clock.cadence.wanted()
    clock.run(10)
    assert clock.frames == [0]


@pytest.mark.parametrize(("cost", "apart"), [(0.001, FAST), (0.006, 0.012), (0.02, 0.04)])
def test_the_more_a_frame_takes_the_further_apart_they_are(
    clock: Clock, cost: float, apart: float
) -> None:
    clock.cost = cost
    clock.cadence.wanted()
    clock.run(0)
    clock.cadence.wanted()
    clock.run(1)
    assert clock.frames == [0, pytest.approx(apart)]


def test_one_that_is_very_slow_once_does_not_hold_up_the_next_for_long(clock: Clock) -> None:
    clock.cost = 0.5
    clock.cadence.wanted()
    clock.run(0)
    clock.cadence.wanted()
    clock.run(1)
    assert clock.frames == [0, 0.5 + LONGEST]


@pytest.mark.parametrize(
    ("round_trip", "apart"), [(FAST, FAST), (0.06, 0.03), (0.4, 0.2), (5.0, SLOW)]
)
def test_frames_are_half_a_round_trip_apart(clock: Clock, round_trip: float, apart: float) -> None:
    clock.round_trip = round_trip
    clock.cost = 0.001
    for _ in range(2):
        clock.cadence.wanted()
        clock.run(0)
    clock.run(1)
    assert clock.frames == [0, pytest.approx(apart)]


@pytest.mark.parametrize(("fast", "apart"), [(0.001, FAST), (0.1, 0.1), (1.0, 1.0)])
def test_frames_are_further_apart_where_that_is_wished(
    clock: Clock, fast: float, apart: float
) -> None:
    clock.use(fast=fast)
    clock.more, clock.cost = True, 0.001
    clock.cadence.wanted()
    clock.run(3.5 * apart)
    assert clock.frames == pytest.approx([0, apart, 2 * apart, 3 * apart])


@pytest.mark.parametrize(("round_trip", "apart"), [(0.0, FAST), (0.4, 0.2)])
def test_a_frame_that_is_not_the_last_one_is_followed_by_one_an_interval_later(
    clock: Clock, round_trip: float, apart: float
) -> None:
    clock.round_trip = round_trip
    clock.more, clock.cost = True, 0.001
    clock.cadence.wanted()
    clock.run(3.5 * apart)
    assert clock.frames == pytest.approx([0, apart, 2 * apart, 3 * apart])


def test_a_terminal_that_lags_is_tried_less_and_less_often_and_then_as_before(
    clock: Clock,
) -> None:
    clock.able = False
    clock.cadence.wanted()
    clock.run(2)
    gaps = [later - earlier for earlier, later in pairwise(clock.tries)]
    assert all(later > earlier - 1e-5 for earlier, later in pairwise(gaps))
    assert gaps[-1] == pytest.approx(SLOW)
    clock.able = True
    clock.run(SLOW)
    assert len(clock.frames) == 1
    clock.cadence.wanted()
    clock.run(0)
    clock.cadence.wanted()
    clock.run(1)
    assert clock.frames[2] - clock.frames[1] == pytest.approx(FAST)
