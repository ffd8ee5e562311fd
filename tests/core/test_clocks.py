"""Two clocks tell whether the machine slept or the program was stopped. Whole seconds, so exact."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.clocks import JUMP, Away, Clocks

LIMIT = int(JUMP)
times = st.integers(-(2**40), 2**40)
punctual = st.integers(0, LIMIT)  # s from tick to tick
long = st.integers(LIMIT + 1, 10**6)
steady = st.lists(punctual, max_size=20)


def said(start: tuple[int, int], steps: Sequence[tuple[int, int]]) -> list[Away]:
    """What the ticks say, if the wall clock and the monotonic one move on by these steps."""
    clocks = Clocks()
    wall, mono = start
    ticks = [clocks.tick(wall, mono)]
    for by_wall, by_mono in steps:
        wall, mono = wall + by_wall, mono + by_mono
        ticks.append(clocks.tick(wall, mono))
    return ticks


def even(steps: Sequence[int]) -> list[tuple[int, int]]:
    return [(step, step) for step in steps]


@given(times, times, steady)
def test_while_ticks_are_punctual_nothing_is_said(wall: int, mono: int, steps: list[int]) -> None:
    assert set(said((wall, mono), even(steps))) == {""}


@given(steady, punctual, long, steady)
def test_a_sleep_is_told_once(before: list[int], passed: int, slept: int, after: list[int]) -> None:
    ticks = said((0, 0), [*even(before), (passed + slept, passed), *even(after)])
    assert [tick for tick in ticks if tick] == ["suspended"]
    assert ticks[len(before) + 1] == "suspended"


@given(steady, long, steady)
def test_a_stop_is_told_once(before: list[int], stopped: int, after: list[int]) -> None:
    ticks = said((0, 0), [*even(before), (stopped, stopped), *even(after)])
    assert [tick for tick in ticks if tick] == ["stopped"]
    assert ticks[len(before) + 1] == "stopped"


@given(punctual, st.integers(0, 10**6))
def test_a_clock_that_is_set_back_is_nothing(passed: int, back: int) -> None:
    assert said((0, 0), [(passed - back, passed)]) == ["", ""]


@given(long, st.integers(0, 10**6))
def test_a_clock_that_is_set_back_hides_no_stop(stopped: int, back: int) -> None:
    assert said((0, 0), [(stopped - back, stopped)]) == ["", "stopped"]


@given(long, long)
def test_a_stop_through_which_the_machine_slept_is_a_sleep(stopped: int, slept: int) -> None:
    assert said((0, 0), [(stopped + slept, stopped)]) == ["", "suspended"]


@pytest.mark.parametrize("shift", [-LIMIT, -1, 0, 1, LIMIT])
def test_a_clock_that_is_corrected_a_little_is_nothing(shift: int) -> None:
    assert said((0, 0), [(1 + shift, 1)] * 5) == [""] * 6


def test_how_long_counts_as_away_can_be_told() -> None:
    clocks = Clocks(jump=0.5)
    ticks = [clocks.tick(*at) for at in [(0, 0), (0.5, 0.5), (1.25, 1.25), (2.25, 1.5)]]
    assert ticks == ["", "", "stopped", "suspended"]
