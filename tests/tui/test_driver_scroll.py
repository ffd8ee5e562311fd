"""The question whether a terminal scrolls: who passes, and that the answer is nobody's key."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Key
from textual.message import Message

from ssechat.tui import driver_scroll
from ssechat.tui.driver import RESTORE
from ssechat.tui.driver_keys import KeyParser
from ssechat.tui.driver_scroll import PATIENCE, ScrollTest
from support.vt import Terminal


class IgnoresRegions(Terminal):
    def _draw(self, text: str) -> None:
        if not text.endswith("r"):
            super()._draw(text)


class FeedsLinesOutOfThem(Terminal):
    def _draw(self, text: str) -> None:
        if text.strip("\n"):
            super()._draw(text)
        else:
            self.screen.cursor.y += len(text)


class LeavesThemUpwards(Terminal):
    def _draw(self, text: str) -> None:
        if text != "\x1bM":
            super()._draw(text)
        else:
            self.screen.cursor.y -= 1


class AnswersAtRandom(Terminal):
    def _reply(self, kind: tuple[str, str, str], params: str) -> str:
        return "\x1b[1;1R"


def answer(test: ScrollTest, terminal: Terminal | None = None, height: int = 24) -> str:
    """What a terminal says to the test's question, by default one that scrolls."""
    terminal = terminal or Terminal(80, height)
    terminal.feed(b"\x1b[?1049h" + test.ask(height).encode())
    return terminal.take_replies().decode()


def keys(messages: list[Message]) -> list[str]:
    return [message.key if isinstance(message, Key) else str(message) for message in messages]


@pytest.mark.parametrize("height", [10, 24, 100])
def test_a_terminal_that_scrolls_passes_and_keeps_no_region(height: int) -> None:
    terminal, test = Terminal(80, height), ScrollTest()
    assert not test.passed
    assert keys(list(KeyParser(scroll_test=test).feed(answer(test, terminal, height)))) == []
    assert test.passed
    assert "scroll region" not in terminal.unrestored()


@pytest.mark.parametrize("height", [10, 24])
@pytest.mark.parametrize(
    "kind", [IgnoresRegions, FeedsLinesOutOfThem, LeavesThemUpwards, AnswersAtRandom]
)
def test_one_that_does_not_fails(kind: type[Terminal], height: int) -> None:
    test = ScrollTest()
    said = answer(test, kind(80, height), height)
    assert keys(list(KeyParser(scroll_test=test).feed(said))) == []
    assert not test.passed


def test_a_small_one_is_not_asked() -> None:
    assert ScrollTest().ask(9) == ""


@given(st.data())
def test_an_answer_in_parts_between_keys_is_no_key(data: st.DataObject) -> None:
    clock = [100.0]
    test = ScrollTest(now=lambda: clock[0])
    parser = KeyParser(scroll_test=test)
    said = answer(test)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=4)))
    got = list(parser.feed("a"))
    for start, stop in zip([0, *cuts], [*cuts, len(said)], strict=True):
        clock[0] += PATIENCE / 10
        parser._timeout_time = parser._timeout_time and 0.0  # it waits no longer for the rest
        got += [*parser.tick(), *parser.feed(said[start:stop])]
    got += parser.feed("b")
    assert keys(got) == ["a", "b"]
    assert test.passed


def test_a_late_answer_counts_and_is_no_key() -> None:
    clock = [100.0]
    test = ScrollTest(now=lambda: clock[0])
    said = answer(test)
    clock[0] += 100 * PATIENCE
    assert not test.due
    assert keys(list(KeyParser(scroll_test=test).feed(said))) == []
    assert test.passed


def test_a_second_answer_changes_nothing_and_is_no_key() -> None:
    test = ScrollTest()
    said = answer(test)
    wrong = said.replace("[3;", "[9;")
    assert keys(list(KeyParser(scroll_test=test).feed(said + said + wrong))) == []
    assert test.passed


def test_an_answer_to_the_last_question_is_none_to_this() -> None:
    test = ScrollTest()
    parser = KeyParser(scroll_test=test)
    before, now = answer(test), answer(test, IgnoresRegions(80, 24))
    assert keys(list(parser.feed(before))) == []
    assert not test.passed
    assert test.due
    assert keys(list(parser.feed(now))) == []
    assert not test.passed
    assert not test.due


def test_an_escape_key_is_one_as_soon_as_no_answer_is_due() -> None:
    clock = [100.0]
    test = ScrollTest(now=lambda: clock[0])
    parser = KeyParser(scroll_test=test)
    answer(test)
    assert list(parser.feed("\x1b")) == []
    parser._timeout_time = 0.0
    assert list(parser.tick()) == []
    clock[0] += PATIENCE
    assert keys(list(parser.tick())) == ["escape"]


def test_who_waits_goes_on_with_the_answer() -> None:
    test = ScrollTest()
    test.wait()  # nothing was asked
    said = answer(test)
    parser = KeyParser(scroll_test=test)
    reader = threading.Timer(0.1, lambda: list(parser.feed(said)))
    reader.start()
    test.wait()
    assert test.passed
    assert not test.due
    reader.join()


def test_nobody_waits_long_for_a_silent_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_scroll, "PATIENCE", 0.05)
    test = ScrollTest()
    test.ask(24)
    began = time.monotonic()
    test.wait()
    test.wait()
    assert time.monotonic() - began < 1
    assert not test.passed


def test_the_last_words_take_a_region_back() -> None:
    terminal = Terminal(80, 24)
    terminal.feed(b"\x1b[?1049h\x1b[2;5r" + RESTORE.encode())
    assert terminal.unrestored() == []
