"""Selecting with the mouse in the transcript, while lines get other numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.selection import SELECT_ALL

from ssechat.core.deltas import Text, Thinking
from ssechat.tui.transcript import Page, ReplyItem, ThinkingMode, UserItem
from ssechat.tui.widgets.transcript import Transcript
from support.pages import WALL, answered, long_page, reply
from support.screen import rows, segments, until


class Reader(App[None]):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.transcript = Transcript(page)

    def compose(self) -> ComposeResult:
        yield self.transcript


class Hand:
    """A mouse on the screen, and what it has selected."""

    def __init__(self, app: Reader, pilot: Pilot[None]) -> None:
        self.app, self.pilot, self.transcript = app, pilot, app.transcript

    async def drag(self, start: tuple[int, int], end: tuple[int, int], *, up: bool = True) -> None:
        await self.pilot.mouse_down(offset=start)
        await self.pilot.hover(offset=end)
        if up:
            await self.pilot.mouse_up(offset=end)
        await self.pilot.pause()

    def move(self, to: tuple[int, int], down: int) -> None:
        """As `hover`, but so that Textual knows how far the mouse went down."""
        it = self.transcript
        move = events.MouseMove(it, *to, 0, down, 1, False, False, False, *to)
        self.app.screen._forward_event(move)

    async def pull(self) -> None:
        self.transcript.pull()
        await self.pilot.pause()

    def at(self, words: str) -> tuple[int, int]:
        """Where these words begin on the screen."""
        return next(
            (line.index(words), y) for y, line in enumerate(rows(self.app)) if words in line
        )

    @property
    def copied(self) -> str:
        return self.app.screen.get_selected_text() or ""

    @property
    def marked(self) -> list[str]:
        """What is marked on the screen, word by word."""
        colour = self.app.screen.get_component_rich_style("screen--selection").bgcolor
        shown = [s.text for s in segments(self.app) if s.style and s.style.bgcolor == colour]
        return " ".join(shown).split()


@asynccontextmanager
async def hand(page: Page, size: tuple[int, int] = (60, 12)) -> AsyncIterator[Hand]:
    app = Reader(page)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        while app.transcript.pending:
            app.transcript.pull()
            await pilot.pause()
        yield Hand(app, pilot)


def page_of(text: str) -> Page:
    return Page([answered("r", text)])


@pytest.mark.parametrize(
    ("clicks", "copied"),
    [
        (2, "quick_brown"),
        (3, "the quick_brown fox jumps over the lazy dog and on into the next line"),
        (4, "# Title\n\nthe quick_brown fox jumps over the lazy dog and on into the next line"),
    ],
)
async def test_clicks_select_a_word_a_paragraph_and_a_message(clicks: int, copied: str) -> None:
    text = "# Title\n\nthe quick_brown fox jumps over the lazy dog and on into the next line"
    page = Page([UserItem("u", "question", WALL), answered("r", text)])
    async with hand(page) as it:
        await it.pilot.click(Transcript, offset=it.at("k_brown"), times=clicks)
        await until(it.pilot, lambda: it.copied == copied)


async def test_two_clicks_on_a_thinking_header_select_nothing() -> None:
    async with hand(Page([answered("r", "Yes.", "Let me see.")])) as it:
        await it.pilot.click(Transcript, offset=it.at("thought"), times=2)
        await it.pilot.pause()
        assert it.copied == ""
        assert "▸ thought" in "\n".join(rows(it.app))


async def test_what_is_dragged_over_is_marked_and_copied() -> None:
    async with hand(page_of("one two three\n\nfour five six\n\nend")) as it:
        await it.drag(it.at("two"), (it.at("five")[0] + 3, it.at("five")[1]))
        assert it.copied == "two three\n\nfour five"
        assert it.marked == ["two", "three", "four", "five"]


async def test_a_selection_stays_on_its_text_when_what_is_above_turns_out_longer() -> None:
    async with hand(long_page(40, 900), (60, 20)) as it:
        x, y = it.at("• item")
        await it.drag((x, y), (x + 5, y))
        assert it.copied == "• item"
        (before,) = it.app.screen.selections.values()
        for _ in range(12):
            it.transcript.scroll_page_up()
            await it.pilot.pause()
        it.transcript.follow()
        await it.pilot.pause()
        (after,) = it.app.screen.selections.values()
        assert after.start.y != before.start.y  # the lines above were guesses
        assert it.copied == "• item"
        assert it.marked == ["•", "item"]


async def test_dragging_on_goes_on_from_the_same_text_after_scrolling_into_guesses() -> None:
    async with hand(long_page(40, 900), (60, 20)) as it:
        await it.drag((30, 16), (25, 16), up=False)
        begun = it.copied
        for turn in range(20):
            await it.pilot._post_mouse_events([events.MouseScrollUp], Transcript)
            await it.pilot.hover(offset=(5, 5 + turn % 2))
        await it.pilot.mouse_up(offset=(5, 6))
        assert it.copied.endswith(begun.rstrip())
        assert len(it.copied) > 1000


async def test_at_the_edge_dragging_scrolls_and_selects_what_comes() -> None:
    numbered = "\n\n".join(f"line {n}" for n in range(100))
    async with hand(page_of(numbered), (40, 20)) as it:
        await it.drag((8, 17), (4, 1), up=False)
        it.move((4, 0), -1)
        await until(it.pilot, lambda: "line 60\n" in it.copied, tries=2000)
        await it.pilot.mouse_up(offset=(4, 0))
        numbers = [int(line.split()[1]) for line in it.copied.split("\n\n")[1:-1]]
        assert numbers == [*range(numbers[0], numbers[-1] + 1)]
        assert numbers[-1] >= 96


async def test_thinking_that_collapses_above_takes_the_selection_along() -> None:
    growing = reply("", "A thought.\n" * 3, ended=False)
    growing.apply(Text("one two three"), 104.0)
    growing.apply(Thinking("more"), 105.0)
    page = Page([ReplyItem("r", growing, "m"), UserItem("u", "the question", WALL)])
    async with hand(page, (60, 20)) as it:
        x, y = it.at("question")
        await it.drag((x, y), (x + 7, y))
        it.transcript.thinking_mode = ThinkingMode.HIDE
        await it.pull()
        assert it.at("question")[1] < y
        assert it.copied == "question"
        assert it.marked == ["question"]


async def test_a_selection_in_a_stream_stays_while_the_stream_grows() -> None:
    growing = reply("one two three\n\nfour fi", ended=False)
    async with hand(Page([ReplyItem("r", growing, "m")])) as it:
        await it.drag(it.at("two"), (it.at("fi")[0] + 1, it.at("fi")[1]))
        for piece in ("ve", " six", "\n\nseven" * 20):
            growing.apply(Text(piece), 120.0)
            await it.pull()
            assert it.copied == "two three\n\nfour fi"


async def test_a_selection_goes_where_its_text_is_gone_and_can_still_be_copied() -> None:
    page = Page([answered("a", "one two three"), answered("b", "four five six")])
    async with hand(page) as it:
        await it.drag(it.at("five"), (it.at("five")[0] + 3, it.at("five")[1]))
        assert it.copied == "five"
        assert it.transcript.dropped is None
        page.drop("b")
        await it.pull()
        assert it.copied == ""
        assert it.marked == []
        assert it.transcript.dropped == "five"
        it.transcript.forget_dropped()
        assert it.transcript.dropped is None


@pytest.mark.parametrize(
    ("text", "words", "more"),
    [
        ("alpha beta [gamma](http://exam", "[gamma](http", "ple.org) more"),
        ("| alpha | beta |\n|-|-|\n| one | two |\n", "alpha", "| longer words | two |\n"),
    ],
)
async def test_what_is_selected_in_a_block_that_is_read_again_can_still_be_copied(
    text: str, words: str, more: str
) -> None:
    growing = reply(text, ended=False)
    async with hand(Page([ReplyItem("r", growing, "m")])) as it:
        x, y = it.at(words)
        await it.drag((x, y), (x + len(words) - 1, y))
        assert (chosen := it.copied) == words
        growing.apply(Text(more), 120.0)
        await it.pull()
        assert (it.copied or it.transcript.dropped) == chosen


async def test_a_selection_that_the_user_lets_go_is_not_kept() -> None:
    async with hand(page_of("one two three")) as it:
        await it.drag(it.at("two"), (it.at("two")[0] + 2, it.at("two")[1]))
        await it.pull()
        it.app.screen.clear_selection()
        await it.pull()
        assert it.transcript.dropped is None


async def test_of_a_selection_that_was_too_long_to_be_kept_it_is_known_that_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ssechat.tui.widgets.selecting._MOST", 1)
    async with hand(page_of("one two three\n\nfour")) as it:
        await it.drag(it.at("two"), it.at("four"))
        await it.pilot.resize_terminal(50, 12)
        await until(it.pilot, lambda: it.copied == "")
        assert it.transcript.dropped == ""


async def test_a_drag_that_began_on_text_that_has_changed_goes_on() -> None:
    growing = reply("one [two](http://exam", ended=False)
    async with hand(Page([ReplyItem("r", growing, "m")])) as it:
        x, y = it.at("two")
        await it.pilot.mouse_down(offset=(x + 8, y))
        growing.apply(Text("ple.org) three"), 120.0)
        await it.pull()
        await it.pilot.hover(offset=(4, y))
        await it.pull()
        assert it.copied
        assert it.transcript.dropped is None


async def test_a_selection_goes_when_another_page_is_shown() -> None:
    async with hand(page_of("one two three")) as it:
        x, y = it.at("two")
        await it.drag((x, y), (x + 2, y))
        assert it.copied == "two"
        it.transcript.show(page_of("another page"))
        await it.pull()
        await until(it.pilot, lambda: it.copied == "")
        assert it.marked == []
        assert it.transcript.dropped is None


@pytest.mark.parametrize("width", [20, 59, 61])
async def test_a_selection_goes_when_the_width_changes_and_can_still_be_copied(width: int) -> None:
    async with hand(page_of("one **two** three " * 20), (60, 12)) as it:
        await it.drag((8, 2), (57, 5))
        assert (chosen := it.copied)
        await it.pilot.resize_terminal(width, 12)
        await until(it.pilot, lambda: it.copied == "")
        assert it.marked == []
        assert it.transcript.dropped == chosen


async def test_the_source_of_what_is_selected_is_at_hand() -> None:
    page = Page([answered("a", "*one*"), answered("b", "*two*"), answered("c", "*three*")])
    async with hand(page) as it:
        assert it.transcript.selected_sources == ""
        await it.drag(it.at("two"), (it.at("two")[0] + 1, it.at("two")[1]))
        assert it.copied == "tw"
        assert it.transcript.selected_sources == "*two*"
        it.app.screen.selections = {it.transcript: SELECT_ALL}
        assert it.transcript.selected_sources == "*one*\n\n*two*\n\n*three*"


async def test_clicking_a_link_does_nothing() -> None:
    async with hand(page_of("see [this](https://evil.example/x) or https://a.example")) as it:
        before = rows(it.app)
        for words in ("this", "evil", "//a."):
            await it.pilot.click(Transcript, offset=it.at(words))
        assert rows(it.app) == before
        assert it.copied == ""
        style = it.app.screen.get_style_at(*Offset(*it.at("evil")))
        assert style.link is None
        assert "@click" not in style.meta
