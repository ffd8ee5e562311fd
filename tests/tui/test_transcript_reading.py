"""How much of a text is read at once, and that it does not show."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import ComposeResult

from ssechat.core.deltas import Text
from ssechat.core.reply import Reply
from ssechat.tui.markdown.blocks import Block
from ssechat.tui.markdown.plain import PlainLines
from ssechat.tui.markdown.scanner import MarkdownLines
from ssechat.tui.markdown.spans import Line, line_text
from ssechat.tui.paint.display import PaintedApp
from ssechat.tui.transcript import NoteItem, Page, ReplyItem, UserItem
from ssechat.tui.transcript import shelf as shelf_module
from ssechat.tui.transcript.column import Column
from ssechat.tui.transcript.reading import Allowance
from ssechat.tui.transcript.shelf import Shelf
from ssechat.tui.transcript.slices import Look
from ssechat.tui.widgets import transcript
from ssechat.tui.widgets.transcript import Transcript
from support.pages import HOSTILE, WALL, answered, long_page, reply
from support.screen import rows, until

STEP = MarkdownLines.step


def steps(count: int) -> Allowance:
    """Time for so many steps: the clock ticks at every look."""
    ticks = itertools.count()
    return Allowance(count, lambda: float(next(ticks)))


def look(count: int, width: int = 60) -> Look:
    return Look(width, allowance=steps(count))


def shown(column: Column) -> list[str]:
    return [line_text(line).rstrip() for line in column.rows()]


@pytest.mark.parametrize("seconds", [0.0, 1.0, 7.0])
def test_the_first_step_is_always_taken_and_the_others_while_there_is_time(seconds: float) -> None:
    ticks = itertools.count(5.0)
    assert len([*Allowance(seconds, lambda: next(ticks)).steps()]) == max(1, seconds)


@pytest.mark.parametrize("kind", ["answer", "user", "note"])
def test_a_huge_text_is_read_in_as_many_rounds_as_it_takes(kind: str) -> None:
    text = "word " * 20_000
    step = STEP if kind == "answer" else PlainLines.step
    item = {
        "answer": answered("r", text),
        "user": UserItem("r", text, WALL),
        "note": NoteItem("r", text),
    }[kind]
    column = Column(Page([item]))
    rounds = 0
    while not rounds or column.unread:
        column.arrange(look(10), 20)
        rounds += 1
        assert column.fed == min(len(text), 10 * step * rounds)
    assert not column.pending


def test_the_time_goes_to_what_is_last_on_the_screen() -> None:
    page = Page([answered("a", "old " * 1000), answered("b", "new " * 1000)])
    column = Column(page)
    column.arrange(look(8), 100)
    assert column.fed == 8 * STEP
    assert "new new" in "".join(shown(column))
    assert "old" not in "".join(shown(column))


def test_what_is_read_between_two_rounds_moves_no_line_before_the_next() -> None:
    page = Page([answered("a", "# old\n\n" * 400), answered("b", "new\n\n" * 900)])
    column = Column(page)
    column.arrange(look(2), 20)
    before, top, total = shown(column), column.top, column.total
    for _ in range(3):
        column.read_on(look(2))
        assert (shown(column), column.top, column.total) == (before, top, total)
        assert column.stale(Look(60))
    column.arrange(look(1), 20)
    assert column.total > total
    assert column.fed == 9 * STEP


texts = st.lists(
    st.sampled_from(
        [
            "word " * 40,
            "# h\n",
            "\n\n",
            "- i\n",
            "```py\nx = 1\n```\n",
            "[a]\n\n[a]: /b\n",
            *HOSTILE,
        ]
    )
).map("".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=4), st.data())
def test_however_it_is_sliced_the_page_is_the_same_in_the_end(
    said: list[str], data: st.DataObject
) -> None:
    items = [answered(f"r{n}", f"*{text}*", "thought\n") for n, text in enumerate(said)]
    whole, sliced = Column(Page(items)), Column(Page(items))
    for column in (whole, sliced):
        rounds = 0
        while not rounds or column.pending:
            count = 10_000 if column is whole else data.draw(st.integers(1, 5))
            column.arrange(look(count), 2000)
            if column is sliced and data.draw(st.booleans()):
                column.read_on(look(2))
            rounds += 1
    assert shown(sliced) == shown(whole)


def test_a_closed_fence_is_coloured_as_a_whole_though_nothing_more_comes() -> None:
    """What a later line says about an earlier one is looked for until it is found."""
    text = '```python\n"""\n' + "is\n" * 900 + '"""\n```\n'
    column = Column(Page([answered("r", text)]))
    column.arrange(Look(60), 20)
    assert column.pending
    while column.pending:
        column.arrange(Look(60), 20)
    assert not column.stale(Look(60))


class App(PaintedApp[None]):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.transcript = Transcript(page)

    def compose(self) -> ComposeResult:
        yield self.transcript


SMALL = answered("small", "nothing much")
HUGE = answered("huge", "Read **me**.\n\n" * 20_000 + "The end.")


async def test_a_page_that_takes_long_to_read_is_not_shown_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transcript, "HOLD", 1000.0)
    app = App(Page([SMALL]))
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.pause()
        before = rows(app)
        app.transcript.show(Page([HUGE]))
        assert app.transcript.pending
        app.transcript.pull()
        app.transcript.scroll_relative(y=-3, animate=False)
        await pilot.pause()
        assert rows(app) == before
        await until(pilot, lambda: app.transcript.pull() and not app.transcript.pending, 10_000)
        await pilot.pause()
        assert "The end." in rows(app)[8]
        assert app.transcript.page.following


async def test_a_page_that_takes_too_long_is_shown_as_far_as_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transcript, "HOLD", 0.0)
    app = App(Page([SMALL]))
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.pause()
        app.transcript.show(Page([HUGE]))
        await pilot.pause()
        assert app.transcript.pending
        assert "Read me." in "".join(rows(app))


async def test_a_burst_is_read_between_frames_too(monkeypatch: pytest.MonkeyPatch) -> None:
    growing = Reply()
    app = App(Page([ReplyItem("r", growing, "model")]))
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.pause()
        growing.apply(Text("word " * 100_000), 1.0)
        assert app.transcript.pull()
        assert app.transcript.pending
        fed = app.transcript._column.fed
        await until(pilot, lambda: app.transcript._column.fed > fed + 50 * STEP, 1000)


async def test_going_back_to_a_page_that_was_read_shows_it_at_once() -> None:
    small, long = Page([SMALL]), Page([answered("r", "One line.\n\n" * 300 + "The end.")])
    app = App(long)
    async with app.run_test(size=(60, 10)) as pilot:
        await until(pilot, lambda: not app.transcript.pull(), 1000)
        for _ in range(2):
            app.transcript.show(small)
            await pilot.pause()
            app.transcript.show(long)
            assert not app.transcript.pending
            await pilot.pause()
            assert "The end." in rows(app)[8]


def test_of_pages_that_were_shown_the_last_are_kept_as_far_as_they_were_on_the_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shelf_module, "MOST", 50_000)
    pages = [long_page(40, 2500) for _ in range(40)]
    shelf = Shelf()
    for page in pages:
        shelf.show(page)
        column = shelf.column(page)
        column.arrange(Look(60), 40)
        column.scroll(0)
        column.arrange(Look(60), 40)
    kept = [page for page in pages if shelf.column(page).fed]
    assert kept == pages[-len(kept) :]
    fed = [shelf.column(page).fed for page in kept]
    assert 40_000 < sum(fed[:-1]) <= 50_000
    assert max(fed[:-1]) <= 4 * 2600


def test_reading_begins_anew_where_an_ended_part_goes_on() -> None:
    made = reply("It ends here", ended=True)
    column = Column(Page([ReplyItem("r", made, "m", state="cut")]))
    column.arrange(look(3), 20)
    made.parts[0].add(" and goes on.")
    made.rev += 1
    column.arrange(look(3), 20)
    assert "It ends here and goes on." in "".join(shown(column))


HUGE_TEXTS = ["2026-11-26 INFO one line of a log\n" * 30_000, "汉字，" * 300_000, "x" * 1_000_000]


@pytest.mark.parametrize("text", HUGE_TEXTS, ids=["log", "cjk", "one word"])
def test_of_a_huge_message_only_what_is_near_the_screen_is_wrapped_at_another_width(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = Column(Page([UserItem("u", text, WALL)]))
    column.arrange(Look(90), 40)
    wrapped = 0
    lines = Block.lines

    def counted(self: Block, width: int) -> list[Line]:
        nonlocal wrapped
        wrapped += self.size
        return lines(self, width)

    monkeypatch.setattr(Block, "lines", counted)
    for width in (60, 120):
        column.arrange(Look(width), 40)
        assert column.at_end
        assert 38 * width // 2 < wrapped < 300_000
        wrapped = 0


def test_the_line_in_the_first_row_stays_there_whatever_is_measured_around_it() -> None:
    text = "".join(f"line {n}: {'汉字，' * (n * 7 % 40)}\n" for n in range(3000))
    column = Column(Page([UserItem("u", text, WALL)]))
    column.arrange(Look(90), 20)
    for target in (0, 1 << 30, 2500, 400, 1234):
        column.scroll(target)
        column.arrange(Look(90), 20)
        first = shown(column)[0]
        for _ in range(30):
            column.scroll(column.top - 7)
            column.arrange(Look(90), 20)
        for _ in range(30):
            column.scroll(column.top + 7)
            column.arrange(Look(90), 20)
        if 0 < target < 1 << 30 and target > 210:
            assert shown(column)[0] == first


def test_scrolling_through_guesses_skips_no_line_and_shows_none_twice() -> None:
    text = "".join(f"<{n}> {'汉字，' * (n * 7 % 40)}\n" for n in range(400))
    column = Column(Page([UserItem("u", text, WALL)]))
    column.arrange(Look(60), 20)
    seen = [*shown(column)]
    while column.top > 0:
        before = column.top
        column.scroll(column.top - 13)
        column.arrange(Look(60), 20)
        moved = min(13, before)
        seen = shown(column)[:moved] + seen
    numbers = [int(found) for found in re.findall(r"<(\d+)>", "".join(seen))]
    assert numbers == [*range(400)]


def test_what_was_sent_is_not_read_again_when_it_is_written_down() -> None:
    text = "word " * 20_000
    page = Page([UserItem("outgoing", text, WALL)])
    column = Column(page)
    column.arrange(look(10_000), 20)
    page.reset([UserItem("row", text[:1] + text[1:], WALL + 1), answered("r", "yes")])
    column.arrange(look(1), 20)
    assert not column.unread
    assert column.fed >= len(text)
