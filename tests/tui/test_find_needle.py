"""What a query finds: in texts as they came, and in the lines that they became."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.tui.transcript.needle import LONGEST, Match, Needle


def count(query: str, text: str, *, markdown: bool = True) -> int:
    return Needle(query).count(text, 0, len(text), markdown=markdown)[0]


@pytest.mark.parametrize(
    ("query", "text", "times"),
    [
        ("one", "One one ONE", 3),
        ("One", "One one ONE", 1),
        ("straße", "STRASSE Straße", 1),
        ("Ünder", "ünder Ünder", 1),
        ("傅里叶", "傅里叶变换", 1),
        ("a.c", "abc a.c", 1),
        ("(x|y)*", "(x|y)*", 1),
        ("[a-z]\\d$", "[a-z]\\d$ b7", 1),
        ("aa", "aaaa", 2),
        ("no", "yes", 0),
    ],
)
def test_characters_stand_for_themselves_and_capitals_count_if_there_are_any(
    query: str, text: str, times: int
) -> None:
    assert count(query, text) == count(query, text, markdown=False) == times
    assert len(Needle(query).matches([text])) == times


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("not, always", "It does **not**, always."),
        ("the `x` is", "the `x`\nis"),
        ("the x is", "the `x` is"),
        ("the x is", "> the ***x***\n> is"),
        ("foo_bar()", "`foo\\_bar()`"),
        ("变换公式", "**变换**公式"),
        ("a b", "a\n\tb"),
        ("2 * 3", "2 * 3"),
        ("** bold", "** bold"),
    ],
)
def test_in_markdown_the_marks_and_line_ends_between_words_are_passed_over(
    query: str, text: str
) -> None:
    assert count(query, text) == 1


@pytest.mark.parametrize(
    ("query", "text"), [("ab", "a*b"), ("snakecase", "snake_case"), ("a b", "ab"), ("ab", "a b")]
)
def test_marks_within_words_and_missing_blanks_are_not_passed_over(query: str, text: str) -> None:
    assert count(query, text) == 0


def test_what_the_user_wrote_is_searched_as_it_stands() -> None:
    assert count("a b", "a  \tb", markdown=False) == 1
    assert count("a b", "a\nb", markdown=False) == 0
    assert count("not, always", "**not**, always", markdown=False) == 0


@pytest.mark.parametrize("query", ["", " ", "\n\t", "\x1b"[:0]])
def test_nothing_is_found_where_nothing_is_looked_for(query: str) -> None:
    assert not Needle(query)
    assert count(query, "a text") == 0
    assert Needle(query).matches(["a text"]) == []


def test_a_long_query_is_cut() -> None:
    assert len(Needle("word " * 1000).text) <= LONGEST


def test_a_match_may_go_on_in_lines_that_were_broken_anywhere() -> None:
    lines = ["   │ the first", "   │ borrow, the fi", "   │ rst bor", "   │ row lives"]
    assert Needle("first borrow").matches(lines, 7) == [
        Match(7, ((9, 14), (5, 11))),
        Match(8, ((17, 19), (5, 12), (5, 8))),
    ]


texts = st.text(st.sampled_from("ab *_`~>\\|\n\tA字「é.")).map(lambda text: text * 3)
queries = st.text(st.sampled_from("ab *_`~>\\|A字「é."), min_size=1, max_size=9)


@given(queries, texts, st.booleans(), st.integers(1, 9))
def test_slices_find_as_many_as_one_search(
    query: str, text: str, markdown: bool, size: int
) -> None:
    needle = Needle(query)
    at = found = 0
    while at < len(text):
        stop = min(len(text), at + size)
        more, end = needle.count(text, at, stop, markdown=markdown)
        found, at = found + more, max(end, stop)
    assert found == needle.count(text, 0, len(text), markdown=markdown)[0]


@given(queries, texts)
def test_a_match_on_the_screen_is_what_was_looked_for(query: str, text: str) -> None:
    needle = Needle(query)
    lines = text.split("\n")
    for match in needle.matches(lines):
        pieces = [lines[at][begin:end] for at, (begin, end) in enumerate(match.ranges, match.line)]
        assert "".join("".join(pieces).split()).lower() == "".join(needle.text.split()).lower()


@pytest.mark.parametrize("unit", ["*", "a ", "> ", "_", "\n", "\\", "`a` ", "│ "])
@pytest.mark.parametrize("query", ["********", "a a a a a b", "> > > x", "____x", "\\\\\\a"])
def test_no_text_makes_the_search_slow(query: str, unit: str) -> None:
    needle = Needle(query)

    def cost(characters: int) -> float:
        """s a character, the best of three times."""
        text = unit * (characters // len(unit))
        times = []
        for _ in range(3):
            began = time.process_time()
            needle.count(text, 0, len(text), markdown=True)
            needle.matches([text])
            times.append(time.process_time() - began)
        return min(times) / characters

    assert cost(100_000) < 3 * cost(10_000)
