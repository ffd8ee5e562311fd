"""The key that opens and copies links, in the app."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual.widgets import OptionList

from ssechat.core.deltas import EndState, Text, Verdict
from ssechat.core.reply import Reply
from ssechat.journal import Outcome
from support.app import Desktop, configure, desktop
from support.journal import question

ANSWER = (
    "Read [the manual](https://a.example/manual), or [раypal](https://раypal.com/login).\n\n"
    f"Here is [one more](/relative) and [a long one](https://long.example/{'x' * 200}end)."
)


class Browser:
    """Writes down what it is given."""

    def __init__(self, log: Path) -> None:
        self._log = log

    @property
    def opened(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Browser:
    script, log = tmp_path / "browser", tmp_path / "opened"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\necho "on the terminal" >&2\n')
    script.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{script} %s")
    return Browser(log)


@pytest.fixture
async def desk(home: Path) -> AsyncIterator[Desktop]:
    configure(home, "http://127.0.0.1:9")  # nothing is sent
    async with desktop(size=(80, 24)) as desk:
        yield desk


async def show(desk: Desktop, answer: str = ANSWER) -> None:
    """A conversation that holds this answer, as the journal has it."""
    reply = Reply()
    for delta in (Text(answer), Verdict(EndState.COMPLETE)):
        reply.apply(delta, 0.0)
    journal = desk.app.session.journal
    begun = await journal.begin(question("Where?"))
    await journal.settle(begun.stream_id, Outcome(state=EndState.COMPLETE, parts=reply.store()))
    await desk.app.desk.open(begun.conversation_id)
    desk.app.show_tab()
    await desk.until(lambda: " complete" in desk.bar and "a-model" in desk.screen)


async def pick(desk: Desktop) -> None:
    await desk.pilot.press("ctrl+x", "k")
    await desk.until(lambda: "Links" in desk.screen)


async def test_links_are_listed_with_all_of_their_targets(desk: Desktop, browser: Browser) -> None:
    await show(desk)
    await pick(desk)
    rows = [line.strip(" █▁▂▃▄▅▆▇") for line in desk.screen.split("\n")]
    assert "a.example  the manual" in rows
    assert "https://a.example/manual" in rows
    assert "xn--ypal-43d9g.com  раypal" in rows
    assert "https://xn--ypal-43d9g.com/login" in rows
    assert any(row.startswith("one more") and row.endswith("copy only") for row in rows)
    assert "".join(rows).count("x" * 30) >= 2
    assert any(row.endswith("xend") for row in rows)
    assert browser.opened == []


async def test_enter_opens_the_one_that_was_picked_and_no_other(
    desk: Desktop, browser: Browser
) -> None:
    await show(desk)
    await pick(desk)
    await desk.pilot.press("down", "enter")
    await desk.tells("opened in another window: xn--ypal-43d9g.com")
    assert browser.opened == ["https://xn--ypal-43d9g.com/login"]
    assert "on the terminal" not in desk.screen


async def test_ctrl_c_copies(desk: Desktop, browser: Browser) -> None:
    await show(desk)
    await pick(desk)
    await desk.pilot.press(*"manual", "ctrl+c")
    await desk.tells("copied https://a.example/manual")
    assert desk.app.clipboard == "https://a.example/manual"
    assert browser.opened == []


async def test_what_is_no_web_or_mail_address_is_copied(desk: Desktop, browser: Browser) -> None:
    await show(desk)
    await pick(desk)
    await desk.pilot.press(*"relative", "enter")
    await desk.tells("copied /relative")
    assert desk.app.clipboard == "/relative"
    assert browser.opened == []


async def test_over_ssh_links_are_copied_and_it_says_why(
    desk: Desktop, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    await show(desk)
    await pick(desk)
    assert "enter copies: over SSH a browser would open on the other machine" in desk.words
    await desk.pilot.press("enter")
    await desk.tells("copied https://a.example/manual (over SSH a browser would open on the other")
    assert desk.app.clipboard == "https://a.example/manual"
    assert browser.opened == []


async def test_a_browser_that_fails_is_a_problem_with_a_remedy(
    desk: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER", shutil.which("false") or "/bin/false")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("DISPLAY", raising=False)
    await show(desk)
    await pick(desk)
    await desk.pilot.press("enter")
    await desk.tells("no browser could be started")


async def test_escape_opens_nothing(desk: Desktop, browser: Browser) -> None:
    await show(desk)
    await pick(desk)
    await desk.pilot.press("escape")
    await desk.until(lambda: "no such link" not in desk.screen and "Links" not in desk.screen)
    assert browser.opened == []
    assert desk.app.clipboard == ""


async def test_where_there_is_none_the_key_says_so(desk: Desktop) -> None:
    await show(desk, "nothing to see")
    await desk.pilot.press("ctrl+x", "k")
    await desk.tells("there is no link on the screen")


async def test_forty_columns_show_all_of_a_target(desk: Desktop, browser: Browser) -> None:
    await show(desk, f"[x](https://a.example/{'abcdefghij' * 9}end)")
    await desk.pilot.resize_terminal(40, 12)
    await pick(desk)
    await desk.until(lambda: "end" in desk.screen.replace("\n", ""))
    shown = "".join(line.strip(" █▁▂▃▄▅▆▇") for line in desk.screen.split("\n"))
    assert f"https://a.example/{'abcdefghij' * 9}end" in shown


async def test_of_very_many_the_first_are_listed_and_the_others_are_found_by_typing(
    desk: Desktop, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssechat.tui.screens.picker._MOST", 20)
    await show(desk, " ".join(f"https://a.example/page{number}" for number in range(1020)))
    await pick(desk)
    listing = desk.app.screen.query_one(OptionList)
    assert listing.option_count == 20
    await desk.until(lambda: "Links  … 1,000 more: type to narrow" in desk.screen)
    await desk.pilot.press(*"page1019")
    await desk.until(lambda: listing.option_count == 1 and "to narrow" not in desk.screen)
    await desk.pilot.press("enter")
    await desk.tells("opened in another window: a.example")
    assert browser.opened == ["https://a.example/page1019"]
