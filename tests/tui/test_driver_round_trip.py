"""How long a frame takes to be seen: who is asked, when, and that the answer is nobody's key."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Key

from ssechat.tui.driver_keys import KeyParser
from ssechat.tui.driver_round_trip import ANSWER, EVERY, LOST, PATIENCE, QUESTION, RoundTrip
from support import tiny_app
from support.pty import PtyProgram


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.trip = RoundTrip(lambda: self.now)

    def run(self, seconds: float) -> None:
        self.now += seconds

    def measure(self, seconds: float) -> None:
        """A question that is answered after so many seconds."""
        self.run(EVERY)
        assert self.trip.ask() == QUESTION
        self.run(seconds)
        self.trip.take()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_time_until_the_answer_is_the_round_trip(clock: Clock) -> None:
    assert clock.trip.seconds == 0
    clock.measure(0.3)
    assert clock.trip.seconds == pytest.approx(0.3)


def test_it_follows_what_is_measured_without_jumping(clock: Clock) -> None:
    clock.measure(0.1)
    clock.measure(0.5)
    assert 0.1 < clock.trip.seconds < 0.3
    for _ in range(20):
        clock.measure(0.5)
    assert clock.trip.seconds == pytest.approx(0.5, rel=0.01)


def test_it_is_asked_again_after_a_while_and_not_before_the_answer(clock: Clock) -> None:
    assert clock.trip.ask()
    clock.trip.take()
    assert not clock.trip.ask()
    clock.run(EVERY)
    assert clock.trip.ask()
    clock.run(EVERY)
    assert not clock.trip.ask()


def test_an_answer_that_is_late_counts_before_it_comes(clock: Clock) -> None:
    clock.measure(0.01)
    clock.run(EVERY)
    clock.trip.ask()
    clock.run(0.4)
    assert clock.trip.seconds == pytest.approx(0.4)


def test_an_answer_that_was_lost_is_not_waited_for_for_ever(clock: Clock) -> None:
    clock.measure(0.01)
    clock.run(EVERY)
    assert clock.trip.ask()
    clock.run(LOST)
    assert clock.trip.ask()
    clock.trip.take()
    assert clock.trip.seconds < 0.1


def test_a_terminal_that_does_not_answer_is_asked_once_and_slows_nothing_down(
    clock: Clock,
) -> None:
    assert clock.trip.ask()
    clock.run(10 * LOST)
    assert not clock.trip.ask()
    assert clock.trip.seconds == 0


def test_an_answer_that_is_counted_on_no_more_slows_nothing_down(clock: Clock) -> None:
    clock.measure(0.01)
    clock.run(EVERY)
    assert clock.trip.ask()
    clock.run(LOST)
    assert clock.trip.seconds == pytest.approx(0.01)


def test_a_terminal_that_stops_answering_is_one_that_never_does_until_it_answers(
    clock: Clock,
) -> None:
    clock.measure(0.01)
    clock.run(EVERY)
    for _ in range(2):
        assert clock.trip.ask()
        clock.run(LOST)
    assert clock.trip.seconds == 0
    assert not clock.trip.ask()
    clock.trip.take()
    clock.run(EVERY)
    assert clock.trip.ask()


def test_an_answer_that_nobody_asked_for_says_nothing(clock: Clock) -> None:
    clock.trip.take()
    assert clock.trip.seconds == 0
    clock.measure(0.3)
    clock.run(1)
    clock.trip.take()
    assert clock.trip.seconds == pytest.approx(0.3)


def test_the_end_waits_for_an_answer_that_may_come_any_moment(clock: Clock) -> None:
    clock.trip.wait()  # nothing was asked
    assert clock.trip.ask()
    answer = threading.Timer(0.1, clock.trip.take)
    answer.start()
    clock.trip.wait()
    assert not clock.trip.due
    answer.join()


def test_the_end_does_not_wait_for_what_does_not_come_any_more(clock: Clock) -> None:
    assert clock.trip.ask()
    clock.run(PATIENCE)
    began = time.monotonic()
    clock.trip.wait()
    assert time.monotonic() - began < PATIENCE


@given(st.lists(st.sampled_from(["a", "\r", "\x1b[A", ANSWER]), max_size=8), st.data())
def test_answers_between_keys_are_nobodys_keys(typed: list[str], data: st.DataObject) -> None:
    parser = KeyParser()
    text = "".join(typed)
    names = {"a": "a", "\r": "enter", "\x1b[A": "up"}
    cut = data.draw(st.integers(0, len(text)))
    messages = [*parser.feed(text[:cut]), *parser.feed(text[cut:])]
    keys = [message.key for message in messages if isinstance(message, Key)]
    assert keys == [names[one] for one in typed if one != ANSWER]


@given(st.integers(0, len(ANSWER)), st.integers(0, len(ANSWER)))
def test_an_answer_in_parts_between_keys_is_no_key(one: int, other: int) -> None:
    clock = Clock()
    parser = KeyParser(round_trip=clock.trip)
    assert clock.trip.ask()
    cuts = sorted((one, other))
    got = list(parser.feed("a"))
    for start, stop in zip([0, *cuts], [*cuts, len(ANSWER)], strict=True):
        clock.run(PATIENCE / 10)
        parser._timeout_time = parser._timeout_time and 0.0  # it waits no longer for the rest
        got += [*parser.tick(), *parser.feed(ANSWER[start:stop])]
    got += parser.feed("b")
    assert [message.key for message in got if isinstance(message, Key)] == ["a", "b"]
    assert clock.trip.seconds > 0


@pytest.mark.parametrize(
    ("asked", "typed", "keys"),
    [
        (False, "\x1b", ["escape"]),
        (True, "\x1b", []),
        (True, "\x1bO", ["alt+shift+o"]),
        (True, "\x1b[1", ["left_square_bracket", "1"]),
    ],
)
def test_only_what_begins_like_an_answer_waits_and_only_while_one_is_due(
    clock: Clock, asked: bool, typed: str, keys: list[str]
) -> None:
    parser = KeyParser(round_trip=clock.trip)
    if asked:
        assert clock.trip.ask()
    waiting = list(parser.feed(f"xyz{typed}"))
    assert [message.key for message in waiting if isinstance(message, Key)] == ["x", "y", "z"]
    parser._timeout_time = 0.0
    assert [message.key for message in parser.tick() if isinstance(message, Key)] == keys
    clock.run(PATIENCE)
    late = [message.key for message in parser.tick() if isinstance(message, Key)]
    assert late == ([] if keys else ["escape"])


def test_a_real_terminal_is_asked_behind_frames_and_its_answer_taken(tmp_path: Path) -> None:
    argv = [sys.executable, "-P", tiny_app.__file__, str(tmp_path / "log"), "ticking"]
    with PtyProgram(argv, tmp_path) as program:
        program.wait_for(lambda: program.raw.count(QUESTION.encode()) >= 2)  # so one was answered
        program.wait_for("inputs=0")
        program.send(b"q")
        assert program.wait() == 0
        assert program.restored()
