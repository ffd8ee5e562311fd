"""The find bar in the app: keys, count, and where it leads."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ssechat.core.deltas import EndState, Text, Thinking, Verdict
from ssechat.core.reply import Reply
from ssechat.journal import Outcome
from support.app import (
    LEADER,
    READY,
    Desktop,
    ask,
    bar_says,
    configure,
    demo,
    desktop,
    leave,
    screen,
    shows,
)
from support.journal import question
from support.pty import PtyProgram
from support.screen import segments


@pytest.fixture
async def desk(home: Path) -> AsyncIterator[Desktop]:
    configure(home, "http://127.0.0.1:9")  # nothing is sent
    async with desktop(size=(80, 24)) as desk:
        yield desk


async def show(desk: Desktop, answer: str, title: str = "Where is it?", thought: str = "") -> None:
    """A conversation that holds this answer, as the journal has it."""
    reply = Reply()
    for delta in (Thinking(thought), Text(answer), Verdict(EndState.COMPLETE)):
        reply.apply(delta, 0.0)
    journal = desk.app.session.journal
    begun = await journal.begin(question(title))
    await journal.settle(begun.stream_id, Outcome(state=EndState.COMPLETE, parts=reply.store()))
    await desk.app.desk.open(begun.conversation_id)
    desk.app.show_tab()
    await desk.until(lambda: answer.split()[-1] in desk.screen)


HAYSTACK = (
    "needle one\n\n" + "hay\n\n" * 60 + "needle **two**\n\n" + "hay\n\n" * 60 + "three needles"
)


def row(desk: Desktop) -> str:
    """The find bar's row, each run of blanks as one."""
    return next(
        (" ".join(line.split()) for line in desk.screen.split("\n") if " find " in line), ""
    )


async def find(desk: Desktop, query: str) -> None:
    await desk.pilot.press("ctrl+f")
    await desk.pilot.press(*query)
    await desk.until(lambda: query in row(desk))


async def test_typing_finds_and_keys_lead_from_match_to_match(desk: Desktop) -> None:
    await show(desk, HAYSTACK)
    await find(desk, "needle")
    await desk.until(lambda: row(desk).endswith("3 of 3"))
    assert "three needles" in desk.screen
    for key, at, text in (
        ("up", 2, "needle two"),
        ("alt+enter", 1, "needle one"),
        ("enter", 2, "needle two"),
        ("down", 3, "three needles"),
        ("enter", 1, "needle one"),
        ("shift+enter", 3, "three needles"),
    ):
        await desk.pilot.press(key)
        await desk.until(lambda at=at: row(desk).endswith(f"{at} of 3"))
        await desk.until(lambda text=text: text in desk.screen)


async def test_the_bar_stands_above_the_composer_and_the_draft_stays(desk: Desktop) -> None:
    await show(desk, HAYSTACK)
    await desk.write("my draft")
    await find(desk, "two")
    await desk.until(lambda: row(desk).endswith("1 of 1"))
    lines = desk.screen.split("\n")
    assert [line.split()[0] for line in lines[-3:-1]] == ["find", "my"]
    await desk.pilot.press("escape")
    await desk.until(lambda: not row(desk))
    assert desk.draft == "my draft"
    await desk.pilot.press("!")
    await desk.until(lambda: desk.draft == "my draft!")
    assert "needle two" in desk.screen  # the reader is where they were led


async def test_what_is_not_there_is_told_and_the_screen_stays(desk: Desktop) -> None:
    await show(desk, HAYSTACK)
    before = [line[:79] for line in desk.screen.split("\n")[3:-3]]
    await find(desk, "xylophone")
    await desk.until(lambda: row(desk).endswith("nothing found"))
    await desk.pilot.press("enter")
    assert [line[:79] for line in desk.screen.split("\n")[2:-4]] == before
    assert desk.app.transcript.page.following


async def test_leaving_the_bar_at_the_end_follows_again(desk: Desktop) -> None:
    await show(desk, HAYSTACK)
    await find(desk, "needles")
    await desk.until(lambda: row(desk).endswith("1 of 1"))
    assert not desk.app.transcript.page.following
    await desk.pilot.press("escape")
    await desk.until(lambda: not row(desk))
    assert desk.app.transcript.page.following


async def test_a_capital_makes_capitals_count(desk: Desktop) -> None:
    await show(desk, "Cat cat CAT")
    await find(desk, "cat")
    await desk.until(lambda: row(desk).endswith("1 of 3"))
    await desk.pilot.press("ctrl+f", *"Cat")
    await desk.until(lambda: row(desk).endswith("find Cat 1 of 1"))


async def test_matches_are_marked_and_the_marks_go_with_the_bar(desk: Desktop) -> None:
    await show(desk, "a cat, a cat and a cat")
    await find(desk, "cat")
    await desk.until(lambda: row(desk).endswith("1 of 3"))
    styles = [s.style for s in segments(desk.app) if s.text == "cat"]
    assert [bool(style.reverse) for style in styles if style.underline or style.reverse] == [
        True,
        False,
        False,
    ]
    await desk.pilot.press("escape")
    await desk.until(lambda: not row(desk))
    assert not any(s.style.reverse for s in segments(desk.app) if "cat" in s.text)


async def test_the_same_is_sought_in_another_tab_without_going_there(desk: Desktop) -> None:
    await show(desk, HAYSTACK)
    await show(desk, "no such thing", "Another?")
    await find(desk, "needle")
    await desk.until(lambda: row(desk).endswith("nothing found"))
    await desk.pilot.press("alt+1")
    await desk.until(lambda: row(desk).endswith("3 found"))
    assert desk.app.transcript.page.following
    await desk.pilot.press("up")
    await desk.until(lambda: row(desk).endswith("of 3"))


async def test_ctrl_c_closes_the_bar_and_keeps_the_draft(desk: Desktop) -> None:
    await show(desk, HAYSTACK)
    await desk.write("draft")
    await find(desk, "two")
    await desk.pilot.press("ctrl+c")
    await desk.until(lambda: not row(desk))
    assert desk.draft == "draft"


async def test_a_new_tab_is_written_in(desk: Desktop) -> None:
    await show(desk, HAYSTACK)
    await find(desk, "two")
    await desk.pilot.press("ctrl+n", "h", "i")
    await desk.until(lambda: desk.draft == "hi")
    assert not row(desk)


async def test_what_is_pasted_is_one_clean_line(desk: Desktop) -> None:
    await show(desk, HAYSTACK)
    await desk.pilot.press("ctrl+f")
    await desk.write("needle\x1b[2J\n\r\ttwo")
    await desk.until(lambda: "find needle␛[2J two" in row(desk))


async def test_forty_columns_are_enough(desk: Desktop) -> None:
    await show(desk, HAYSTACK)
    await desk.pilot.resize_terminal(40, 12)
    await find(desk, "needle")
    await desk.until(lambda: row(desk) == "find needle 3 of 3")


def test_keys_in_one_burst_find_and_escape_gives_them_back(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "explain SSE #rate=2000")
        bar_says(program, "complete", timeout=60)
        program.send(b"\x06eventsource\x7f\x7f\x7f\x7f\x7f\x7f\r\x1b[A")  # ctrl+f … enter, up
        program.wait_for(re.compile(r"^ find event +\d+ of \d+ *$", re.MULTILINE))
        program.send(b"\x1b")
        program.wait_for(lambda: " find " not in screen(program))
        program.send(b"again")
        program.wait_for(re.compile("^ again$", re.MULTILINE))
        program.send(LEADER + b"f" + b"nowhere-at-all")
        shows(program, "find nowhere-at-all nothing found")
        leave(program)


def test_the_count_follows_a_stream_and_the_match_holds_still(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "explain SSE #rate=100")
        program.wait_for("does not end yet")
        program.send(b"\x06does not end")
        shows(program, "find does not end 1 of 1")
        held = screen(program).splitlines()[1:24]
        program.send(b"\x15the")  # ctrl+u
        program.wait_for(lambda: total(program) > 0)
        first = total(program)
        program.wait_for(lambda: total(program) > first + 5)
        program.send(b"\x15does not end")
        shows(program, "find does not end 1 of 1")
        assert "does not end" in "".join(held)
        assert "does not end" in screen(program)
        leave(program)


def total(program: PtyProgram) -> int:
    found = re.search(r"^ find the +\d+ of (\d+)", screen(program), re.MULTILINE)
    return int(found[1]) if found else 0
