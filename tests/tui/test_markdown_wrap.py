"""Line breaking, in cells."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.tui.markdown.spans import Span, cells, fit, line_cells, line_text
from ssechat.tui.markdown.wrap import Wrapper, wrap


def broken(text: str, width: int) -> list[str]:
    return [line_text(line) for line in wrap([Span(text)], width)]


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("", 9, [""]),
        ("one two three", 8, ["one two", "three"]),
        ("one two", 7, ["one two"]),
        ("one  two", 6, ["one", "two"]),
        ("  one two", 6, ["  one", "two"]),
        ("a\n\nb", 9, ["a", "", "b"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("x abcdefgh", 5, ["x", "abcde", "fgh"]),
        ("汉字汉字", 5, ["汉字", "汉字"]),
        ("汉字，汉", 4, ["汉", "字，", "汉"]),
        ("ab汉字", 4, ["ab汉", "字"]),
        ("字「引」", 7, ["字", "「引」"]),
        ("汉字「引」字", 6, ["汉字", "「引」", "字"]),
        ("汉字“引”。字", 6, ["汉字", "“引”。", "字"]),
        ("ab汉(字)", 4, ["ab汉", "(字)"]),
        ("汉字abc,汉", 7, ["汉字", "abc,汉"]),
        ("コーヒーっ", 4, ["コー", "ヒー", "っ"]),
        ("汉字：abc def", 7, ["汉字：", "abc def"]),
        ("价$5元", 3, ["价", "$5", "元"]),
        ("50%汉", 4, ["50%", "汉"]),
        ("👨‍👩‍👧👨‍👩‍👧", 3, ["👨‍👩‍👧", "👨‍👩‍👧"]),
    ],
)
def test_text_breaks_like_this(text: str, width: int, expected: list[str]) -> None:
    assert broken(text, width) == expected


def test_a_word_in_several_styles_does_not_break_between_them() -> None:
    lines = wrap([Span("aaa "), Span("bb", "strong"), Span("cc,"), Span(" d")], 7)
    assert lines == [(Span("aaa"),), (Span("bb", "strong"), Span("cc, d"))]


def test_a_selector_in_a_span_of_its_own_widens_the_character_before_it() -> None:
    lines = wrap([Span("a"), Span("❤"), Span("\ufe0f")], 2)
    assert [line_text(line) for line in lines] == ["a", "❤\ufe0f"]


def test_thousands_of_marks_on_one_character_do_not_stay_in_one_line() -> None:
    assert max(map(len, broken("e" + "\u0301" * 10_000, 20))) <= 200


CHARACTERS = [
    "a",
    "b",
    " ",
    "漢",
    "、",
    "「",
    "é",
    "e\u0301",
    "👨\u200d👩\u200d👧",
    "❤\ufe0f",
    "\n",
]
texts = st.lists(st.sampled_from(CHARACTERS), max_size=80).map("".join)


@st.composite
def cut_spans(draw: st.DrawFn) -> list[Span]:
    """A text in spans that end anywhere, also within a character."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    ends = zip([0, *cuts], [*cuts, len(text)], strict=True)
    return [Span(text[start:end], draw(st.sampled_from(["", "em"]))) for start, end in ends]


@given(cut_spans(), st.data())
def test_lines_fit_and_lose_nothing_but_spaces(spans: list[Span], data: st.DataObject) -> None:
    width = data.draw(st.integers(2, 30))
    lines = wrap(spans, width)
    assert all(line_cells(line) <= width for line in lines)
    kept = "".join(map(line_text, lines)).replace(" ", "")
    assert kept == "".join(span.text for span in spans).replace(" ", "").replace("\n", "")


CJK = [
    "漢",
    "字",
    "か",
    "한",
    "abc",
    "、",
    "。",
    "」",
    "』",
    "「",
    "（",
    "“",
    "”",
    ",",
    "!",
    "ー",
    "っ",
]
OPENING, CLOSING = "「（“", "、。」』”,!ーっ"


@given(st.lists(st.sampled_from(CJK), max_size=40), st.integers(12, 30))
def test_beside_cjk_no_line_begins_with_closing_marks_or_ends_with_opening_ones(
    pieces: list[str], width: int
) -> None:
    text = re.sub(f"([{OPENING}{CLOSING}]{{2}})[{OPENING}{CLOSING}]+", r"\1", "".join(pieces))
    text = re.sub("(abc)+", "abc", text).lstrip(CLOSING).rstrip(OPENING)
    spans = [Span(char, "em" if n % 3 else "") for n, char in enumerate(text)]
    lines = [line_text(line) for line in wrap(spans, width)]
    assert lines == broken(text, width)
    for before, after in itertools.pairwise(lines):
        assert after[0] not in CLOSING, lines
        assert before[-1] not in OPENING, lines


def test_combining_marks_stay_with_their_character() -> None:
    assert broken("かが\u3099がが", 4)[0] == "かが\u3099"


@given(st.text(alphabet="ab 漢\n", max_size=60), st.integers(0, 60), st.integers(2, 12))
def test_a_fork_goes_on_without_changing_its_origin(text: str, at: int, width: int) -> None:
    origin = Wrapper(width)
    origin.feed([Span(text[:at])])
    fork = origin.fork()
    fork.feed([Span("other words")])
    fork.finish()
    rest = [Span(text[at:])] if text[at:] else []
    origin.feed(rest)
    whole = Wrapper(width)
    whole.feed([Span(text[:at]), *rest])
    assert origin.finish() == whole.finish()


@given(texts.map(lambda text: text.replace("\n", "")), st.integers(1, 20))
def test_a_line_is_cut_to_fit(text: str, width: int) -> None:
    cut = fit((Span(text),), width)
    assert line_cells(cut) <= width
    assert line_text(cut) == text or line_text(cut).endswith("…")
    assert cells(text) > width or line_text(cut) == text
