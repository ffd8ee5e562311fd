"""Pastes that come in pieces, with a terminal's answers in them, or without an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Key, Paste
from textual.message import Message

from ssechat.tui.driver_keys import KeyParser
from ssechat.tui.driver_paste import SILENCE
from ssechat.tui.driver_round_trip import ANSWER, RoundTrip
from ssechat.tui.driver_scroll import ScrollTest

START, END = "\x1b[200~", "\x1b[201~"


class Terminal:
    """A parser that reads what a terminal sends, and its clock."""

    def __init__(self) -> None:
        self.time = 100.0
        self.trip = RoundTrip(now=self._now)
        self.test = ScrollTest(now=self._now)
        self.parser = KeyParser(scroll_test=self.test, round_trip=self.trip, now=self._now)
        self.got: list[Message] = []

    def _now(self) -> float:
        return self.time

    def send(self, *reads: str) -> None:
        for read in reads:
            self.got += self.parser.feed(read)
            self.wait(0.1)

    def wait(self, seconds: float) -> None:
        self.time += seconds
        self.got += self.parser.tick()

    @property
    def said(self) -> list[str]:
        """Keys as they are named, pastes as their text in brackets."""
        return [
            one.key if isinstance(one, Key) else f"[{one.text}]"
            for one in self.got
            if isinstance(one, Key | Paste)
        ]


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@given(st.data())
def test_answers_in_a_paste_are_taken_out_of_it_wherever_they_are_cut(data: st.DataObject) -> None:
    it = Terminal()
    assert it.trip.ask()
    assert it.test.ask(24)
    report = f"\x1b[3;{it.test._column}R"
    pieces = data.draw(st.permutations(["one\r", ANSWER, "two\x1b[", report, "three"]))
    text = START + "".join(pieces) + END
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    reads = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    it.got = [message for read in reads for message in it.parser.feed(read)]
    words = "".join(piece for piece in pieces if piece not in (ANSWER, report))
    assert it.said == [f"[{words}]"]
    assert it.test.passed
    assert not it.trip.due


def test_an_answer_that_nobody_waits_for_is_text(terminal: Terminal) -> None:
    terminal.send(START, f"a{ANSWER}b\x1b[3;2Rc", END)
    assert terminal.said == [f"[a{ANSWER}b\x1b[3;2Rc]"]


def test_of_two_answers_the_first_is_one_and_the_second_is_text(terminal: Terminal) -> None:
    assert terminal.trip.ask()
    terminal.send(f"{START}a{ANSWER}b{ANSWER}c{END}")
    assert terminal.said == [f"[ab{ANSWER}c]"]


def test_no_answer_makes_an_end_of_what_is_around_it(terminal: Terminal) -> None:
    assert terminal.trip.ask()
    terminal.send(f"{START}a\x1b[20{ANSWER}1~\x11{END}")
    assert terminal.said == ["[a\x1b[201~\x11]"]


@pytest.mark.parametrize("tail", ["", "\x1b", "\x1b[20"])
def test_after_a_silence_a_paste_is_at_its_end_and_keys_are_keys(
    terminal: Terminal, tail: str
) -> None:
    terminal.send(f"{START}abc{tail}")
    terminal.wait(SILENCE - 0.2)
    assert terminal.said == []
    terminal.wait(0.2)
    assert terminal.said == [f"[abc{tail}]"]
    terminal.send("\x11", "x", END, "y", f"{START}z{END}")
    assert terminal.said[1:] == ["ctrl+q", "x", "y", "[z]"]


def test_answers_do_not_put_the_end_off(terminal: Terminal) -> None:
    terminal.send(f"{START}abc")
    for _ in range(4):
        terminal.wait(SILENCE / 4)
        assert terminal.trip.ask()
        terminal.send(ANSWER)
    assert terminal.said == ["[abc]"]
    terminal.send(ANSWER, "line\r" * 10, END)
    assert terminal.said == ["[abc]", "[" + "line\r" * 10 + "]"]


def test_a_late_end_of_a_paste_does_nothing(terminal: Terminal) -> None:
    terminal.send(f"{START}abc")
    terminal.wait(SILENCE)
    terminal.send(END, "x")
    assert "".join(one.strip("[]") for one in terminal.said) == "abcx"


@pytest.mark.parametrize("rest", [["line\r" * 10, "\r", END], [f"\r{END}"]])
def test_a_paste_that_goes_on_after_a_silence_presses_no_keys(
    terminal: Terminal, rest: list[str]
) -> None:
    terminal.send(f"{START}abc")
    terminal.wait(SILENCE)
    terminal.send(*rest, "x")
    assert terminal.said == ["[abc]", f"[{''.join(rest).removesuffix(END)}]", "x"]


def test_another_paste_after_one_without_an_end_is_a_paste(terminal: Terminal) -> None:
    terminal.send(f"{START}abc")
    terminal.wait(SILENCE)
    terminal.send(f"{START}{'long ' * 20}{END}")
    assert terminal.said == ["[abc]", f"[{'long ' * 20}]"]


def test_a_paste_beyond_the_limit_is_cut_and_the_keys_after_it_work(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssechat.tui.driver_paste.LIMIT", 10)
    terminal.send(START, *["1234567"] * 40, END, "q")
    assert terminal.said == ["[1234567123]", "q"]
