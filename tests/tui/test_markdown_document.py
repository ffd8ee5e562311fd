"""Documents grow: how a text was cut, and when it was looked at, makes no difference in the end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.tui.markdown.document import Document, plain
from ssechat.tui.markdown.inline import LIMIT
from ssechat.tui.markdown.run import CHUNKS
from ssechat.tui.markdown.spans import line_text
from support.markdown import settle, settled

WIDTHS = (20, 38, 80, 118)
TORTURE = (Path(__file__).parent / "goldens" / "torture.md").read_text(encoding="utf-8")

documents = st.lists(
    st.sampled_from(["- ", "> ", "# ", "\n", "\n\n", "```\n", "word ", "汉字，"])
).map("".join)


def pieces(text: str, sizes: list[int]) -> list[str]:
    cut: list[str] = []
    while text:
        size = sizes[len(cut) % len(sizes)]
        cut.append(text[:size])
        text = text[size:]
    return cut


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_torture_document_looks_the_same_however_it_comes(size: int, width: int) -> None:
    document = Document()
    for n, piece in enumerate(pieces(TORTURE, [size])):
        document.feed(piece)
        if n % 16 == 0:
            document.lines(WIDTHS[n % 4])
    document.finish()
    assert settle(document, width) == settled(TORTURE, width)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "text",
    [
        "word " * 3000,
        "**bold words** and `code` [link](http://a.b) " * 400,
        "x" * 9000,
        "# " + "heading " * 900,
        "```python\n" + "print('a', 1) " * 700 + "\n```\nafter",
        "| a | b |\n|-|-|\n" + "| cell | x |\n" * 450 + "| " + "y " * 3000 + "|\nafter",
        "line\n" * 2000,
        "汉字，" * 2500,
    ],
    ids=["words", "styled", "one-word", "heading", "code", "table", "lines", "cjk"],
)
def test_blocks_longer_than_the_limit_look_the_same_however_they_come(
    text: str, width: int
) -> None:
    document = Document()
    for n, piece in enumerate(pieces(text, [701, 3, 1999])):
        document.feed(piece)
        if n % 5 == 0:
            document.lines(width)
    document.finish()
    assert settle(document, width) == settled(text, width)


@given(documents, st.sampled_from(WIDTHS))
def test_plain_text_is_shown_as_it_is(text: str, width: int) -> None:
    document = plain()
    document.feed(text)
    document.finish()
    letters = "".join(text.split())
    assert "".join("".join(map(line_text, document.lines(width))).split()) == letters


def test_a_very_long_paragraph_goes_on_in_another_one() -> None:
    document = Document()
    document.feed("word " * LIMIT * CHUNKS)
    assert len("".join(map(line_text, document.lines(80)))) > 4 * LIMIT * CHUNKS


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\u200db", "ab"),
        ("\u200d\u200dab\u200d", "ab"),
        ("a&zwj;b", "ab"),
        (
            "👩🏽\u200d💻 ❤\ufe0f\u200d🔥 🏳\ufe0f\u200d🌈",
            "👩🏽\u200d💻 ❤\ufe0f\u200d🔥 🏳\ufe0f\u200d🌈",
        ),
        ("👩\u200d**💻**", "👩💻"),
    ],
)
def test_joiners_stay_only_between_pictures(text: str, kept: str) -> None:
    assert "".join(map(line_text, settled(text, 40))) == kept


@pytest.mark.parametrize(
    ("line", "waits"),
    [
        *(("-", True), ("##", True), ("12.", True), ("> ", True), ("```", True), ("|--", True)),
        *(("[x", True), ("[x]: http://a", True), ("[x] y", False), ("[x](u", False), ("$", True)),
        *(("- a", False), ("#a", False), ("12", True), ("12 a", False), ("[" + "x" * 70, False)),
    ],
)
def test_the_beginning_of_a_line_is_shown_once_it_is_clear_what_it_is(
    line: str, waits: bool
) -> None:
    document = Document()
    document.feed(line)
    assert (not document.lines(80)) == waits


def test_the_marks_of_open_emphasis_and_code_are_never_seen() -> None:
    text = (
        "A **bold *both*** word, `code` ~~gone~~ __u__ **汉**字.\n\n# H **b** x\n\n- **i**: `c`\n"
    )
    document = Document()
    for char in text:
        document.feed(char)
        assert not set("".join(map(line_text, document.lines(80)))) & set("*`~_")


@pytest.mark.parametrize("text", ["2*3 is", "a * b", "\\*a", "a\\`b", "snake_case_a", "a\\\\"])
def test_what_is_no_mark_is_seen_at_once(text: str) -> None:
    document = Document()
    document.feed(text)
    assert list(document.lines(80)) == settled(text, 80)


def is_in_order(some: Sequence[str], text: str) -> bool:
    """Whether these characters stand in the text, one after the other."""
    characters = iter(text)
    return all(one in characters for one in some)


@given(st.text("*_~`\\[]($ ab汉\n", max_size=30))
def test_every_beginning_of_a_text_is_shown(text: str) -> None:
    document = Document()
    for char in f"{text}\n\nb a":
        document.feed(char)
        shown = "\n".join(map(line_text, document.lines(20)))
        assert is_in_order(re.findall("[ab汉]", shown), text + "b a")
    assert shown.endswith("b a")


def test_marks_that_never_close_are_seen_in_the_end() -> None:
    document = Document()
    document.feed("**never closed")
    assert line_text(document.lines(80)[0]) == "never closed"
    document.finish()
    assert line_text(document.lines(80)[0]) == "**never closed"


def test_a_line_that_may_become_anything_waits_for_more() -> None:
    document = Document()
    document.feed("Items:\n-")
    assert [line_text(line) for line in document.lines(40)] == ["Items:"]
    document.feed(" one")
    assert [line_text(line) for line in document.lines(40)] == ["Items:", "• one"]


def test_a_mark_comes_after_the_open_fence_that_it_is_in() -> None:
    document = Document()
    document.feed("before\n\n```\none\ntw")
    document.mark()
    assert document.marks(40) == [len(document.lines(40))]
    document.feed("o\nthree\n```\nafter")
    assert document.marks(40) == [5]
    assert [line_text(line).strip() for line in document.lines(40)][4:] == ["three", "after"]


@pytest.mark.parametrize(
    ("text", "offset", "block"),
    [
        ("one\n\ntwo", 2, "one"),
        ("one\n\ntwo", 5, "one"),
        ("one\n\ntwo", 7, "two"),
        ("one\ntwo\n# three\nfour", 5, "one two"),
        ("- a\n- b\n- c", 5, "• b"),
        ("# one\ntwo", 3, "one"),
        ("# one\ntwo", 6, "one"),
        ("", 0, None),
    ],
)
def test_a_mark_comes_after_the_block_that_contains_its_place(
    text: str, offset: int, block: str | None
) -> None:
    document = Document()
    document.feed(text[:offset])
    document.mark()
    document.feed(text[offset:])
    document.finish()
    (line,) = document.marks(40)
    before = [line_text(each).rstrip() for each in document.lines(40)[:line]]
    assert (before[-1] if before else None) == block


@given(documents, st.data())
def test_a_place_is_found_again_at_the_same_width(text: str, data: st.DataObject) -> None:
    document = Document()
    document.feed(text)
    count = len(document.lines(38))
    line = data.draw(st.integers(0, max(0, count - 1)))
    place = document.place(line)
    document.lines(80)
    document.lines(38)
    assert document.find(*place) == line


def test_a_place_is_the_same_text_at_another_width() -> None:
    text = "\n\n".join(f"paragraph{n} " + "word " * 30 for n in range(50))
    document = Document()
    document.feed(text)
    lines = document.lines(80)
    at = next(n for n, line in enumerate(lines) if "paragraph30" in line_text(line))
    place = document.place(at)
    narrow = document.lines(38)
    found = document.find(*place)
    assert any("paragraph30" in line_text(line) for line in narrow[found : found + 3])
