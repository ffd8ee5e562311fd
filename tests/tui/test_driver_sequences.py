"""What terminals say that is no key is not typed, wherever it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Key, MouseDown, MouseEvent, MouseMove, MouseScrollDown, MouseUp, Resize
from textual.message import Message

from ssechat.tui import driver_sequences
from ssechat.tui.driver_keys import KeyParser
from ssechat.tui.driver_sequences import SILENCE

FOREIGN = [
    "\x1b]11;rgb:1e1e/1e1e/1e1e\x07",
    "\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
    "\x1b]52;c;" + "A" * 400 + "\x07",
    "\x1bP" + "q" * 400 + "\x1b\\",
    "\x1bP1$r0m\x1b\\",
    "\x1b_Gi=31;OK\x1b\\",
    "\x1b^private\x9c",
    "\x1bX\x1b\\",
    "\x1b[" + "1;" * 400 + "R",
    "\x1b[" + "9" * 50 + ";3R",
    "\x1b[48;0;0;0;0t",
    "\x1b[48;5000;5000;9;9t",
    "\x1b[48;24:1;81;480;800t",
]


class Clock:
    """A parser for a terminal of 80 columns and 24 rows, and its clock."""

    def __init__(self) -> None:
        self.time = 100.0
        self.parser = KeyParser(size=lambda: (80, 24), now=lambda: self.time)

    def feed(self, *reads: str) -> list[Message]:
        return [message for read in reads for message in self.parser.feed(read)]

    def wait(self, seconds: float) -> list[Message]:
        self.time += seconds
        self.parser._timeout_time = self.parser._timeout_time and 0.0
        return list(self.parser.tick())


@pytest.fixture
def clock() -> Clock:
    return Clock()


def keys(messages: list[Message]) -> list[str]:
    return [message.key if isinstance(message, Key) else repr(message) for message in messages]


@given(st.lists(st.sampled_from(FOREIGN), max_size=3), st.data())
def test_what_is_no_key_is_not_typed(foreign: list[str], data: st.DataObject) -> None:
    text = "".join(f"a{one}" for one in foreign) + "\r"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    reads = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert keys(Clock().feed(*reads)) == ["a"] * len(foreign) + ["enter"]


@pytest.mark.parametrize("begun", ["\x1bP", "\x1b]", "\x1bX", "\x1b_", "\x1b^", "\x1b["])
def test_the_alt_key_that_begins_like_a_string_is_a_key(clock: Clock, begun: str) -> None:
    assert clock.feed(begun) == []
    assert len(clock.wait(0.1)) == 1
    assert keys(clock.feed("x")) == ["x"]


@pytest.mark.parametrize("begun", ["\x1bP", "\x1b]"])
def test_escape_after_such_a_key_is_a_key(clock: Clock, begun: str) -> None:
    got = [*clock.feed(begun, "\x1b"), *clock.wait(0.1), *clock.wait(0.1)]
    assert keys(got)[-1] == "escape"
    assert keys(clock.feed("\x1b[A", "x")) == ["up", "x"]


@pytest.mark.parametrize("begun", ["\x1bP" + "q" * 99, "\x1b[" + "1;" * 99])
def test_a_string_without_an_end_is_at_its_end_after_a_silence(clock: Clock, begun: str) -> None:
    assert clock.feed(begun, "12") == []
    assert clock.wait(SILENCE / 2) == []
    assert clock.wait(SILENCE / 2) == []
    assert keys(clock.feed("q")) == ["q"]


def test_an_escape_that_ends_a_string_is_a_key_and_so_is_what_follows(clock: Clock) -> None:
    assert clock.feed("\x1bP" + "q" * 99, "\x1b") == []
    clock.wait(SILENCE)
    assert keys(clock.wait(0.1)) == ["escape"]
    assert keys(clock.feed("\x1bP" + "q" * 99, "\x1b[A")) == ["up"]


def test_a_string_without_an_end_is_swallowed_up_to_a_limit(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_sequences, "LIMIT", 1000)
    assert clock.feed("\x1bP", *["q" * 100] * 10) == []
    assert keys(clock.feed("x")) == ["x"]


def test_the_size_that_the_terminal_has_is_told(clock: Clock) -> None:
    (message,) = clock.feed("\x1b[48;24:1;80;480;800t")
    assert isinstance(message, Resize)
    assert message.size == (80, 24)


@pytest.mark.parametrize("place", ["999;999", "81;1", "1;25"])
def test_a_press_or_a_wheel_beyond_the_edge_is_none(clock: Clock, place: str) -> None:
    assert clock.feed(f"\x1b[<0;{place}M", f"\x1b[<65;{place}M") == []


def test_one_within_is_one(clock: Clock) -> None:
    pressed, turned = clock.feed("\x1b[<0;80;24M", "\x1b[<65;80;24M")
    assert isinstance(pressed, MouseDown)
    assert isinstance(turned, MouseScrollDown)
    assert (pressed.x, pressed.y) == (79, 23)


def test_a_drag_or_a_release_beyond_the_edge_is_at_the_edge(clock: Clock) -> None:
    moved, released = clock.feed("\x1b[<32;999;5M", "\x1b[<0;3;999m")
    assert isinstance(moved, MouseMove)
    assert isinstance(released, MouseUp)
    places = [
        (one.x, one.y, one.screen_x, one.screen_y)
        for one in (moved, released)
        if isinstance(one, MouseEvent)
    ]
    assert places == [(79, 4, 79, 4), (2, 23, 2, 23)]
