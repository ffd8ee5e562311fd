"""The meter: what counts in TTFB and tokens per second, and what does not."""

from __future__ import annotations

import pytest

from ssechat.core.meter import CATCH_UP, Meter, estimate


def test_a_delta_is_a_token_unless_deltas_are_long() -> None:
    assert estimate(chars=40, pieces=10) == 10
    assert estimate(chars=400, pieces=2) == 100
    assert estimate(chars=100, pieces=1, wide=100) == 100


def test_ttfb_runs_while_it_is_awaited_and_stands_at_the_first_event() -> None:
    meter = Meter()
    meter.request(10.0)
    assert meter.ttfb(now=10.5) == pytest.approx(0.5)
    meter.event(began=11.0)
    meter.event(began=12.0)
    assert meter.ttfb(now=99.0) == pytest.approx(1.0)


def test_a_resume_starts_no_clock_again() -> None:
    meter = Meter()
    meter.request(0.0)
    meter.event(0.4)
    meter.request(5.0)
    assert meter.ttfb() == pytest.approx(0.4)


def test_the_first_token_is_timed_apart_from_the_first_byte() -> None:
    meter = Meter()
    meter.request(0.0)
    meter.event(0.2)
    meter.text("hi", 0.9)
    assert (meter.ttfb(), meter.ttft()) == (pytest.approx(0.2), pytest.approx(0.9))


def ticking(meter: Meter, start: float, tokens: int, gap: float = 0.1) -> float:
    for number in range(tokens):
        meter.text("abcd", start + number * gap)
    return start + (tokens - 1) * gap


def test_the_mean_is_over_the_time_from_first_to_last_token() -> None:
    meter = Meter()
    ticking(meter, 0.0, 101)
    assert meter.mean() == pytest.approx(10.1)
    assert meter.mean(tokens=202) == pytest.approx(20.2)


def test_time_away_and_what_was_said_meanwhile_do_not_count() -> None:
    meter = Meter()
    last = ticking(meter, 0.0, 51)
    meter.away()
    meter.back(last + 20.0)
    for _ in range(200):
        meter.text("abcd", last + 20.0)
    ticking(meter, last + 20.0 + CATCH_UP, 51)
    assert meter.mean() == pytest.approx(10.2, rel=0.01)


def test_the_live_rate_is_over_a_window_and_empty_while_away() -> None:
    meter = Meter()
    last = ticking(meter, 0.0, 101)
    assert meter.rate(last) == pytest.approx(10.0, rel=0.1)
    assert meter.rate(last + 2.9) < 1.0
    meter.away()
    assert meter.rate(last) is None


def test_bars_show_the_latest_slice_last() -> None:
    meter = Meter()
    meter.text("abcd", 10.0)
    assert meter.bars(10.1)[-1] == 1
    assert sum(meter.bars(10.1)) == 1
    assert sum(meter.bars(20.0)) == 0
