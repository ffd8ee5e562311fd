"""Finding in a page, without a screen: what is counted, where it leads, what is marked."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssechat.core.deltas import Citation, EndState, Text, Tool, Verdict
from ssechat.core.reply import Reply
from ssechat.tui.markdown.spans import line_text
from ssechat.tui.transcript import NoteItem, Page, ReplyItem, ThinkingMode, UserItem
from ssechat.tui.transcript.column import KEEP, Column
from ssechat.tui.transcript.find import FOUND, HERE, SEARCHED, Finder, Tally
from ssechat.tui.transcript.slices import Look
from support.pages import HOSTILE, WALL, answered, long_page, reply


class Reader:
    """A column with a search in it, on a screen of `width` × `height`."""

    def __init__(self, page: Page, width: int = 60, height: int = 12, **look: object) -> None:
        self.column = Column(page)
        self.width, self.height, self._look = width, height, look
        self.arrange()

    def arrange(self) -> None:
        self.column.arrange(Look(self.width, **self._look), self.height)  # type: ignore[arg-type]

    def find(self, query: str, *, stay: bool = False) -> Finder:
        self.finder = Finder(self.column, query, None if stay else self.column.anchor)
        return self.work()

    def step(self, by: int) -> Tally:
        self.finder.step(by)
        return self.work().tally

    def work(self) -> Finder:
        self.finder.work()
        while self.finder.busy:
            self.arrange()
            self.finder.work()
        self.arrange()
        return self.finder

    def marked(self, role: str) -> list[str]:
        """The texts on the screen that have this role, as far as they are in one line."""
        return [
            span.text
            for line in self.finder.mark(self.column.rows())
            for span in line
            if span.style.split()[-1:] == [role]
        ]

    @property
    def row(self) -> int:
        """The row in which the match is that the reader has gone to."""
        rows = self.finder.mark(self.column.rows())
        return next(y for y, line in enumerate(rows) if any(HERE in s.style for s in line))

    @property
    def here(self) -> str:
        """The text of that row."""
        return line_text(self.column.rows()[self.row]).strip()


def numbered(messages: int, chars: int = 2000) -> Page:
    """Each message says its number once, in its first line."""
    filler = "Nothing to see here, but many words of it. " * (chars // 44)
    return Page(answered(f"r{n}", f"needle {n:04}\n\n{filler}") for n in range(messages))


def test_matches_are_counted_in_what_nobody_has_been_near() -> None:
    reader = Reader(numbered(2000, 2500))
    reader.find("needle", stay=True)
    assert reader.finder.tally == Tally(None, 2000, counted=True)
    assert reader.column.fed < 40_000


def test_the_first_match_from_the_first_row_on_is_gone_to_else_the_last_before_it() -> None:
    reader = Reader(numbered(50))
    assert reader.find("needle").tally.at == 50  # the reader was at the end
    assert reader.here == "needle 0049"
    reader.column.scroll(0)
    reader.arrange()
    assert reader.find("needle").tally.at == 1
    assert reader.here == "needle 0000"
    assert reader.find("0031").tally == Tally(1, 1, counted=True)
    assert reader.here == "needle 0031"


def test_next_and_previous_go_round() -> None:
    reader = Reader(numbered(5))
    reader.find("needle")
    assert [reader.step(by).at for by in (-1, -1, 1, 1, 1, 1, -1)] == [4, 3, 4, 5, 1, 2, 1]
    assert reader.here == "needle 0000"


def test_a_match_that_is_not_on_the_screen_comes_to_its_upper_third() -> None:
    reader = Reader(numbered(50))
    reader.find("needle 0020")
    assert reader.row == reader.height // 3
    assert not reader.column.page.following


def test_the_screen_holds_still_for_a_match_that_is_on_it() -> None:
    reader = Reader(Page([answered("r", "word\n\n" * 100 + "one two")]))
    top = reader.column.top
    reader.find("two")
    assert reader.column.top == top
    assert reader.row == reader.height - 2


def test_what_is_found_stays_on_the_screen_while_a_stream_goes_on_below_it() -> None:
    growing = reply("word\n\n" * 100 + "one two", ended=False)
    reader = Reader(Page([ReplyItem("r", growing, "m")]))
    reader.find("two")
    row = reader.row
    growing.apply(Text("\n\nmore two" * 40), 120.0)
    reader.work()
    assert reader.row == row
    assert reader.finder.tally == Tally(1, 41, counted=True)
    assert reader.step(-1).at == 41


def test_a_match_that_comes_in_pieces_is_counted_once() -> None:
    growing = reply("", ended=False)
    reader = Reader(Page([ReplyItem("r", growing, "m")]))
    reader.find("needle", stay=True)
    for piece in ("a nee", "d", "le, a needle, nee", "dle and", " n"):
        growing.apply(Text(piece), 101.0)
        reader.work()
    assert reader.finder.tally == Tally(None, 3, counted=True)


def test_marks_are_on_every_match_on_the_screen_and_others_on_the_one_gone_to() -> None:
    page = Page([UserItem("u", "a cat, a cat", WALL), answered("r", "the **cat** is\n\n- Cat\n")])
    reader = Reader(page)
    reader.find("cat")
    assert reader.marked(HERE) == ["cat"]
    assert reader.marked(FOUND) == ["cat", "cat", "Cat"]
    reader.step(1)
    reader.step(1)
    assert reader.here == "the cat is"
    reader.find("")
    assert reader.marked(FOUND) == reader.marked(HERE) == []


def test_a_match_that_was_wrapped_is_marked_in_both_lines() -> None:
    reader = Reader(Page([answered("r", "> " + "word " * 9 + "the first borrow lives")]))
    reader.find("first borrow")
    assert reader.marked(HERE) == ["first", "borrow"]


def test_what_is_typed_on_is_looked_for_from_where_the_last_query_led() -> None:
    reader = Reader(numbered(50))
    reader.column.scroll(0)
    reader.arrange()
    reader.find("needle 001")
    assert reader.here == "needle 0010"
    for query, total, here in (("needle 0", 50, "0010"), ("needle 003", 10, "0030"), ("x", 0, "")):
        reader.finder = reader.finder.instead(query)
        assert reader.work().tally.total == total
        assert not here or reader.here == f"needle {here}"


@pytest.mark.parametrize("blank", ["", " "])
def test_a_query_of_nothing_is_no_work_whatever_comes(blank: str) -> None:
    growing = reply("many words\n\n" * 20_000, ended=False)
    finder = Finder(Reader(Page([ReplyItem("r", growing, "m")])).column, "m")
    finder.work()
    assert finder.busy
    nothing = finder.instead(blank)
    assert not nothing.busy
    growing.apply(Text(" more"), 120.0)
    nothing.step(1)
    assert not nothing.work()
    assert not nothing.busy
    assert nothing.tally == Tally()


@pytest.mark.parametrize(("steps", "at"), [((1,), 2), ((1, 1, 1), 4), ((1, -1, -1), 5), ((2,), 3)])
def test_steps_on_the_way_to_the_first_match_begin_there(steps: tuple[int, ...], at: int) -> None:
    reader = Reader(numbered(5, 2 * SEARCHED))
    reader.column.scroll(0)
    reader.arrange()
    reader.finder = Finder(reader.column, "needle", reader.column.anchor)
    for by in steps:
        reader.finder.step(by)
    reader.finder.work()
    assert reader.work().tally.at == at


def test_steps_to_nowhere_are_forgotten() -> None:
    growing = reply("word", ended=False)
    reader = Reader(Page([ReplyItem("r", growing, "m")]))
    reader.finder = Finder(reader.column, "needle", reader.column.anchor)
    reader.finder.step(1)
    reader.work()
    growing.apply(Text(" needle one needle two needle three"), 120.0)
    reader.work()
    assert reader.step(1).at == 1


def test_headers_notes_and_hidden_thinking_are_not_searched() -> None:
    page = Page([answered("r", "answer", "I think"), NoteItem("n", "model think answer")])
    assert Reader(page).find("think").tally == Tally(None, 0, counted=True)
    assert Reader(page).find("model").tally.total == 0
    reader = Reader(page, thinking=ThinkingMode.SHOW)
    assert reader.find("think").tally.total == 1
    assert reader.marked(HERE) == ["think"]


def test_thinking_that_is_opened_is_searched_from_then_on() -> None:
    page = Page([answered("r", "answer", "deep thought")])
    reader = Reader(page)
    assert reader.find("thought").tally.total == 0
    page.toggle("r", 0, opened=True)
    reader.arrange()
    assert reader.work().tally.total == 1
    assert reader.step(1).at == 1
    page.toggle("r", 0, opened=False)
    reader.arrange()
    assert reader.work().tally == Tally(None, 0, counted=True)


def test_tool_calls_and_sources_are_searched() -> None:
    said = Reply()
    said.apply(Citation("A needle", "https://needle.example"), 1.0)
    said.apply(Text("a needle"), 1.0)
    said.apply(Tool(0, "t", "needle", '{"where": "needle"}'), 2.0)
    said.apply(Verdict(EndState.COMPLETE), 3.0)
    reader = Reader(Page([ReplyItem("r", said, "m", state="complete")]))
    assert reader.find("needle").tally == Tally(1, 4, counted=True)
    assert [reader.step(1).at for _ in range(4)] == [2, 3, 4, 1]


def test_the_count_is_put_right_where_the_text_is_shown_otherwise() -> None:
    page = Page([answered("a", "[x]: http://needle\n\na needle"), answered("b", "needle")])
    reader = Reader(page)
    assert reader.find("needle", stay=True).tally == Tally(None, 3, counted=True)
    assert [reader.step(1) for _ in range(3)] == [(1, 2, True), (2, 2, True), (1, 2, True)]


def test_what_the_text_has_but_no_line_shows_is_passed_by() -> None:
    page = Page([answered("a", "one"), answered("b", "[x]: http://needle"), answered("c", "one")])
    reader = Reader(page)
    assert reader.find("needle").tally == Tally(None, 0, counted=True)
    assert not reader.finder.busy


def test_the_match_gone_to_stays_the_same_at_another_width() -> None:
    reader = Reader(numbered(30, 500))
    reader.find("needle 0017")
    for width in (38, 100, 60):
        reader.width = width
        reader.arrange()
        reader.work()
        assert reader.here == "needle 0017"
        assert reader.finder.tally.at == 1


def test_a_path_that_changes_is_followed() -> None:
    page = numbered(5)
    reader = Reader(page)
    reader.find("needle")
    page.reset(page.items[:3])
    reader.arrange()
    assert reader.work().tally == Tally(None, 3, counted=True)
    assert reader.step(1).at == 3


def test_five_megabytes_are_searched_a_slice_at_a_time() -> None:
    reader = Reader(long_page(2000, 2500), 100, 40)
    reader.finder = Finder(reader.column, "BOLD words".lower(), None)
    totals = [0]
    while reader.finder.busy:
        reader.finder.work()
        totals.append(reader.finder.tally.total)
    assert totals[-1] > 20_000
    assert 40 < len(totals) < 100
    assert max(after - before for before, after in pairwise(totals)) < totals[-1] / 40


def test_a_match_deep_in_a_huge_answer_is_reached_in_slices() -> None:
    text = (
        "some words of a line that is not long\n\n" * (KEEP // 30) + "needle\n\n" + "more\n\n" * 99
    )
    page = Page([answered("huge", text), *numbered(20).items[1:]])
    reader = Reader(page, 100, 40)
    reader.column.scroll(0)
    reader.arrange()
    assert reader.find("needle").tally == Tally(1, 20, counted=True)
    assert reader.here == "needle"
    assert reader.step(-1).at == 20
    assert reader.step(1).at == 1
    assert reader.here == "needle"


@settings(max_examples=40)
@given(
    st.lists(
        st.sampled_from(
            ["needle ", "x ", "\n\n", "- ", "```\n", "| needle | b |\n|-|-|\n", "> ", *HOSTILE]
        ),
        max_size=40,
    ),
    st.integers(30, 70),
)
def test_going_through_all_matches_shows_each_once(pieces: list[str], width: int) -> None:
    reader = Reader(Page([UserItem("u", "needle", WALL), answered("r", "".join(pieces))]), width)
    reader.column.scroll(0)
    reader.arrange()
    reader.find("needle")
    seen = [(reader.finder.tally.at, reader.column.top + reader.row)]
    for _ in range(reader.finder.tally.total - 1):
        at = reader.step(1).at
        seen.append((at, reader.column.top + reader.row))
    total = reader.finder.tally.total
    assert [at for at, _ in seen][:total] == [*range(1, total + 1)]
    assert [line for _, line in seen[:total]] == sorted(line for _, line in seen[:total])
    assert reader.step(1).at == 1
