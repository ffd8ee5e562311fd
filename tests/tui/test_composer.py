"""The composer by itself: writing, growing, remembering."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Static

from ssechat.core.draft import Draft
from ssechat.tui.widgets.composer import Composer
from support.screen import rows

FAMILY = "👩\u200d👩\u200d👧"


class Desk(App[None]):
    CSS = "Static { height: 1fr; }"

    def compose(self) -> ComposeResult:
        yield Static("")
        yield Composer()


@asynccontextmanager
async def composer(rows: int = 20) -> AsyncIterator[tuple[Composer, Pilot[None]]]:
    app = Desk()
    async with app.run_test(size=(40, rows)) as pilot:
        yield app.query_one(Composer), pilot


async def test_empty_it_says_who_will_get_the_message() -> None:
    async with composer() as (box, pilot):
        box.invite("[b]model[/b]")
        await pilot.pause()
        assert rows(pilot.app)[-1].startswith(" message [b]model[/b]  (enter sends")


async def test_it_grows_with_its_text_up_to_a_bound() -> None:
    async with composer() as (box, pilot):
        assert box.size.height == 1
        box.insert("one\ntwo\nthree")
        await pilot.pause()
        assert box.size.height == 3
        box.insert("\nmore" * 50)
        await pilot.pause()
        assert box.size.height == 8
        await pilot.resize_terminal(40, 5)
        await pilot.pause()
        assert box.size.height == 2


async def test_long_lines_wrap_and_count_as_rows() -> None:
    async with composer() as (box, pilot):
        box.insert("word " * 20)
        await pilot.pause()
        assert box.size.height == 3


@pytest.mark.parametrize(
    "text", ["傅里叶变换", "한국어", f"a {FAMILY} b", "e\u0301", "🇩🇪", "ไทย", "שלום"]
)
async def test_any_script_is_typed_and_pasted_as_it_is(text: str) -> None:
    async with composer() as (box, pilot):
        for char in text:  # as terminals send it: each code point is a key
            pilot.app.post_message(events.Key(char, char))
        await pilot.pause()
        assert box.text == text
        pilot.app.post_message(events.Paste(text))
        await pilot.pause()
        assert box.text == text + text


async def test_a_paste_is_inserted_once_and_cleaned() -> None:
    async with composer() as (box, pilot):
        box.insert("before after")
        box.move_cursor((0, 7))
        pilot.app.post_message(events.Paste("one\r\ntwo\rthree\x1b[2J\x00 "))
        await pilot.pause()
        assert box.text == "before one\ntwo\nthree␛[2J␀ after"


async def test_up_and_down_go_through_what_was_sent_and_back_to_the_draft() -> None:
    async with composer() as (box, pilot):
        box.remember(["third", "second", "first"])
        await pilot.press(*"draft", "up")
        assert box.text == "third"
        await pilot.press("up", "up", "up")
        assert box.text == "first"
        await pilot.press("down")
        assert box.text == "second"
        await pilot.press("down", "down")
        assert box.text == "draft"
        await pilot.press("down")
        assert box.text == "draft"


async def test_within_a_text_of_many_lines_up_and_down_move() -> None:
    async with composer() as (box, pilot):
        box.remember(["sent"])
        box.insert("one\ntwo\nthree")
        await pilot.press("up", "up")
        assert box.text == "one\ntwo\nthree"
        assert box.cursor_location[0] == 0
        await pilot.press("up")
        assert box.text == "sent"
        await pilot.press("down")
        assert box.text == "one\ntwo\nthree"


async def test_a_remembered_text_that_was_changed_is_the_draft_and_the_older_one_stays() -> None:
    async with composer() as (box, pilot):
        box.remember(["second", "first"])
        await pilot.press(*"draft", "up", "!", "up")
        assert box.text == "draft"
        await pilot.press("up")
        assert box.text == "second"
        await pilot.press("down", "down")
        assert box.text == "second!"


async def test_what_is_sent_is_remembered_once() -> None:
    async with composer() as (box, pilot):
        box.remember(["b", "a"])
        box.insert("a")
        box.sent(Draft("a"))
        assert box.text == ""
        await pilot.press("up")
        assert box.text == "a"
        await pilot.press("up")
        assert box.text == "b"
        await pilot.press("up")
        assert box.text == "b"


async def test_an_undo_of_more_lines_than_fit_leaves_the_cursor_in_the_text() -> None:
    async with composer() as (box, pilot):
        pilot.app.post_message(events.Paste("a\n" * 50))
        await pilot.pause()
        await pilot.press("ctrl+z")
        assert (box.text, box.cursor_location) == ("", (0, 0))
        await pilot.press("ctrl+y", "b")
        assert box.text == "a\n" * 50 + "b"
