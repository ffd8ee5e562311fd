"""The layout of a page: what holds still, and how little is read."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssechat.core.deltas import EndState, Text, Thinking, Tool, Verdict
from ssechat.core.reply import Reply
from ssechat.tui.markdown import Document
from ssechat.tui.markdown.spans import line_cells, line_text
from ssechat.tui.transcript import NoteItem, Page, ReplyItem, ThinkingMode, UserItem
from ssechat.tui.transcript.column import KEEP, Column
from ssechat.tui.transcript.slices import Look
from support.pages import HOSTILE, WALL, answered, long_page, reply


def shown(column: Column) -> list[str]:
    return [line_text(line).rstrip() for line in column.rows()]


def laid_out(page: Page, width: int = 60, height: int = 20, **look: object) -> Column:
    column = Column(page)
    column.arrange(Look(width, **look), height)  # type: ignore[arg-type]
    return column


def whole(page: Page, width: int = 60, **look: object) -> list[str]:
    return shown(laid_out(page, width, 10_000, **look))


def test_a_long_conversation_opens_at_its_end_and_reads_only_what_is_near() -> None:
    page = long_page(2000, 2500)
    column = laid_out(page, 100, 40)
    assert column.at_end
    assert column.fed <= 6 * 2600
    assert shown(column)[-3:] == whole(Page(page.items[-1:]), 100)[-3:]


def test_going_to_the_start_reads_only_what_is_there() -> None:
    column = laid_out(long_page(2000, 2500), 100, 40)
    column.scroll(0)
    column.arrange(Look(100), 40)
    assert column.top == 0
    assert shown(column)[1] == "   message 0"
    assert column.fed <= 12 * 2600


def test_what_is_far_away_is_forgotten_when_it_becomes_much() -> None:
    column = laid_out(long_page(1000, 2500), 100, 40)
    for _ in range(300):
        column.scroll(column.top - 40)
        column.arrange(Look(100), 40)
    assert column.fed <= KEEP + 12 * 2600


@pytest.mark.parametrize("step", [1, 3, 20])
def test_scrolling_up_by_lines_shows_every_line_once(step: int) -> None:
    page = long_page(12, 900)
    expected = whole(page)
    column = laid_out(page)
    seen = shown(column)
    while column.top > 0:
        before = column.top
        column.scroll(before - step)
        column.arrange(Look(60), 20)
        new = shown(column)
        moved = min(step, len(expected) - len(seen))
        seen = new[:moved] + seen
        assert new == seen[:20]
    assert seen == expected


texts = st.lists(
    st.sampled_from(
        ["word ", "# h\n", "\n", "\n\n", "- i\n", "```\n", "| a | b |\n|-|-|\n", *HOSTILE]
    )
).map("".join)
items = st.one_of(
    st.builds(lambda text: ("user", text), texts),
    st.builds(lambda text: ("reply", text), texts),
    st.builds(lambda text: ("thought", text), texts),
    st.builds(lambda text: ("tool", text), texts),
    st.builds(lambda text: ("note", text), texts),
)


def page_of(kinds: list[tuple[str, str]]) -> Page:
    page = Page()
    for number, (kind, text) in enumerate(kinds):
        key = str(number)
        if kind == "user":
            page.put(UserItem(key, text, WALL))
        elif kind == "note":
            page.put(NoteItem(key, text, "warning"))
        else:
            made = Reply()
            made.apply(Thinking(text), 1.0) if kind == "thought" else None
            made.apply(Tool(0, name=text, arguments=text), 2.0) if kind == "tool" else None
            made.apply(Text(text), 3.0)
            made.lost(WALL, 3.5, text)
            page.put(ReplyItem(key, made, text, (1, 2), note=text, wall=WALL))
    return page


@settings(max_examples=60)
@given(st.lists(items, max_size=6), st.sampled_from((20, 38, 80)), st.sampled_from(ThinkingMode))
def test_no_line_is_too_wide_or_holds_a_control_character(
    kinds: list[tuple[str, str]], width: int, mode: ThinkingMode
) -> None:
    column = laid_out(page_of(kinds), width, 2000, thinking=mode)
    for line in column.rows():
        assert line_cells(line) <= width
        for character in line_text(line):
            assert unicodedata.category(character) not in ("Cc", "Cs"), repr(character)
            assert character not in "\u202e\u2066\u2028"


@settings(max_examples=60)
@given(st.lists(items, min_size=1, max_size=5), st.data())
def test_a_resize_and_back_shows_the_same_first_row(
    kinds: list[tuple[str, str]], data: st.DataObject
) -> None:
    column = laid_out(page_of(kinds), 60, 4)
    column.scroll(data.draw(st.integers(0, column.total)))
    column.arrange(Look(60), 4)
    rows, top, following = shown(column), column.top, column.page.following
    column.arrange(Look(33), 4)
    column.arrange(Look(60), 4)
    assert following or (shown(column), column.top) == (rows, top)


def test_a_resize_keeps_the_text_that_is_being_read() -> None:
    numbered = "\n\n".join(f"Paragraph {n} says something of some length." for n in range(200))
    column = laid_out(Page([answered("r", numbered)]), 80, 10)
    column.scroll(next(n for n in range(0, 400) if "Paragraph 77" in line_at(column, n)))
    for width in (30, 118, 21, 80):
        column.arrange(Look(width), 10)
        assert "Paragraph 77" in shown(column)[0]


def line_at(column: Column, number: int) -> str:
    return line_text(column.lines(number, number + 1)[0])


def read_at(column: Column, text: str, **look: object) -> None:
    """The reader scrolls until the line with this text is in the first row."""
    top = next(n for n in range(column.total) if text in line_at(column, n))
    column.scroll(top)
    column.arrange(Look(60, **look), column.height)  # type: ignore[arg-type]
    assert text in shown(column)[0]


def test_text_that_comes_below_moves_nothing_for_a_reader_who_has_scrolled_up() -> None:
    growing = reply("\n\n".join(f"line {n}" for n in range(100)), ended=False)
    column = laid_out(Page([ReplyItem("r", growing, "model")]))
    read_at(column, "line 40")
    growing.apply(Text("\n\nmore" * 50), 120.0)
    column.arrange(Look(60), 20)
    assert "line 40" in shown(column)[0]
    assert not column.page.following


def test_a_follower_stays_at_the_end() -> None:
    growing = reply("line\n\n" * 50, ended=False)
    column = laid_out(Page([ReplyItem("r", growing, "model")]))
    growing.apply(Text("the end"), 120.0)
    column.arrange(Look(60), 20)
    assert shown(column)[-2:] == ["   the end▊", ""]


def test_coming_back_to_the_end_follows_again() -> None:
    page = long_page(10, 500)
    column = laid_out(page)
    column.scroll(column.top - 1)
    assert not page.following
    column.arrange(Look(60), 20)
    column.scroll(column.top + 1)
    assert page.following


@pytest.mark.parametrize("mode", [ThinkingMode.COLLAPSE, ThinkingMode.HIDE])
def test_collapsing_thinking_above_keeps_the_line_that_is_being_read(mode: ThinkingMode) -> None:
    page = Page([answered("r", "\n\n".join(f"line {n}" for n in range(60)), "hm " * 500)])
    column = laid_out(page, thinking=ThinkingMode.SHOW)
    read_at(column, "line 30", thinking=ThinkingMode.SHOW)
    column.arrange(Look(60, thinking=mode), 20)
    assert "line 30" in shown(column)[0]
    column.arrange(Look(60, thinking=ThinkingMode.SHOW), 20)
    assert "line 30" in shown(column)[0]


def test_thinking_does_not_collapse_while_it_is_being_read() -> None:
    growing = reply("", "\n".join(f"thought {n}" for n in range(60)), ended=False)
    column = laid_out(Page([ReplyItem("r", growing, "model")]))
    read_at(column, "thought 20")
    growing.apply(Text("the answer"), 130.0)
    column.arrange(Look(60), 20)
    assert "thought 20" in shown(column)[0]
    column.scroll(column.total)
    column.arrange(Look(60), 20)
    assert "thought" not in "".join(shown(column)[2:])


def test_an_item_that_is_gone_leaves_the_reader_near() -> None:
    page = long_page(20, 400)
    column = laid_out(page)
    read_at(column, "message 5")
    page.drop(page.anchor.key if page.anchor else "")
    column.arrange(Look(60), 20)
    assert "model-1" in shown(column)[0] or "you" in shown(column)[0]
    assert 0 < column.top < column.total - 20


def test_nothing_is_stale_until_something_changes() -> None:
    growing = reply("text", ended=False)
    page = Page([ReplyItem("r", growing, "model")])
    column = laid_out(page)
    assert not column.stale(Look(60))
    growing.apply(Text("more"), 120.0)
    assert column.stale(Look(60))
    column.arrange(Look(60), 20)
    assert not column.stale(Look(60))
    page.put(ReplyItem("r", growing, "model", state="cut"))
    assert column.stale(Look(60))
    assert column.stale(Look(61))


def test_live_thinking_goes_stale_with_the_clock() -> None:
    column = laid_out(Page([ReplyItem("r", reply("", "hm", ended=False), "m")]), now=103.0)
    assert not column.stale(Look(60, now=103.5))
    assert column.stale(Look(60, now=104.0))


def test_a_hidden_reply_below_the_screen_costs_nothing() -> None:
    growing = reply("text", ended=False)
    page = long_page(40, 2000)
    page.put(ReplyItem("live", growing, "model"))
    column = laid_out(page, 100, 20)
    column.scroll(0)
    column.arrange(Look(100), 20)
    growing.apply(Text("more"), 120.0)
    assert not column.stale(Look(100))


def test_a_new_version_of_an_item_does_not_read_its_text_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = reply("word " * 40)
    page = Page([ReplyItem("r", said, "model")])
    column = laid_out(page)
    fed: list[str] = []
    monkeypatch.setattr(Document, "feed", lambda _, text: fed.append(text))
    page.put(ReplyItem("r", said, "model", state="cut", note="F6 resumes"))
    column.arrange(Look(60), 20)
    assert "cut: F6 resumes" in shown(column)[0]
    assert "".join(fed) == ""


def test_the_anchor_is_on_the_page_so_that_another_layout_finds_it() -> None:
    page = long_page(20, 400)
    column = laid_out(page)
    read_at(column, "message 3")
    rows = shown(column)
    assert shown(laid_out(page)) == rows


def test_a_part_that_goes_on_after_its_end_is_read_as_one() -> None:
    said = Reply()
    said.apply(Text("one **bo"), 1.0)
    said.apply(Verdict(EndState.STOPPED, last=False), 2.0)
    page = Page([ReplyItem("r", said, "model", state="cut")])
    column = laid_out(page)
    said.apply(Text("ld** two"), 3.0)
    page.put(ReplyItem("r", said, "model", state="complete"))
    column.arrange(Look(60), 20)
    assert shown(column) == [" model", "   one bold two", ""]
