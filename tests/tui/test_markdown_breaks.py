"""Wrapping a line at a time gives what wrapping a character at a time does."""

from __future__ import annotations

import re
import sys

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import get_character_cell_size

from ssechat.tui.markdown.breaks import (
    CJK,
    CLOSING,
    EVEN,
    OPENING,
    even,
    even_cells,
    may_break,
    reach,
)
from ssechat.tui.markdown.spans import Span, cells, line_text
from ssechat.tui.markdown.wrap import MANY, Wrapper, wrap


def slowly(text: str, width: int) -> list[str]:
    """Greedy line breaking, character by character."""
    lines: list[str] = []
    line = word = space = ""
    wide = soft = False

    def end_word() -> None:
        nonlocal line, word, space, soft
        if not word:
            return
        if not line:
            space = "" if soft else space[: width // 2]
        if line and cells(line + space + word) > width:
            lines.append(line)
            line, soft = "", True
        else:
            line += space
        for char in word:
            if line and cells(line + char) > width:
                lines.append(line)
                line, soft = "", True
            line += char
        word = space = ""

    for char in text:
        if char == " ":
            end_word()
            space += char
        elif char == "\n":
            end_word()
            lines.append(line)
            line, space, soft = "", "", False
        else:
            cjk = bool(re.match(f"[{CJK}]", char))
            closes = bool(re.match(f"[{CLOSING}]", char))
            if word and (cjk or wide) and not closes and word[-1] not in OPENING:
                end_word()
            wide = cjk or (closes and wide and bool(word))
            word += char
    end_word()
    return [*lines, line]


PIECES = [
    *("a", "word ", "x" * 50, " ", "   ", "a,b", "(", ")", ",", "!", "$", "\n", "é", "я", "…"),
    *("漢", "字", "か", "한", "々", "ａ", "\u3000", "、", "。」", "」", "「", "（", "“", "”", "ー"),
    *("汉字汉字汉字汉字汉字，", "ｱ", "｡", "😀", "привет мир "),
]
even_texts = st.lists(st.sampled_from(PIECES), max_size=120).map("".join)
odd_texts = st.lists(
    st.sampled_from(
        [*PIECES, "e\u0301", "❤\ufe0f", "\u200d", "👨\u200d👩\u200d👧", "ไทย", "\ufe0f"]
    ),
    max_size=80,
).map("".join)


def fed(spans: list[Span], width: int) -> list[str]:
    wrapper = Wrapper(width)
    wrapper.feed(spans)
    return [line_text(line) for line in wrapper.finish()]


@given(even_texts, st.integers(2, 40))
def test_lines_are_those_of_the_slow_way(text: str, width: int) -> None:
    assert fed([Span(text)], width) == slowly(text, width)


@given(odd_texts, st.integers(2, 40))
def test_it_does_not_matter_whether_characters_come_alone(text: str, width: int) -> None:
    assert fed([Span(text)], width) == fed([Span(char) for char in text], width)


@given(even_texts.filter(lambda text: text == text.strip(" ")), st.integers(2, 200))
def test_a_text_that_fits_is_one_line_and_any_other_is_broken(text: str, width: int) -> None:
    assert [line_text(line) for line in wrap([Span(text)], width)] == slowly(text, width)


def test_even_characters_have_the_width_that_is_counted_for_them() -> None:
    every = [chr(code) for code in range(0x20, 0x40000) if re.match(f"[{EVEN}]", chr(code))]
    assert len(every) > 150_000
    for char in every:
        assert even_cells(char) == get_character_cell_size(char), hex(ord(char))


@given(even_texts.map(lambda text: text.replace("\n", "")), st.integers(0, 30), st.data())
def test_as_much_is_reached_as_fits(text: str, room: int, data: st.DataObject) -> None:
    assert even(text)
    start = data.draw(st.integers(0, len(text)))
    stop = reach(text, start, room)
    assert cells(text[start:stop]) <= room
    assert stop == len(text) or cells(text[start : stop + 1]) > room


def test_kinsoku_needs_a_cjk_character_beside() -> None:
    assert [at for at in range(1, 8) if may_break("ab汉,字「c」", at)] == [2, 4, 5]
    assert not any(may_break("(ab),c", at) for at in range(1, 6))


def test_cjk_text_costs_little_more_than_its_lines() -> None:
    """Of the slow way's some ten calls for each character there is none."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    text = "今日は天気が良いので、散歩に行きました。「本当に？」と彼女は言った。" * 100
    assert len(text) > MANY
    before = sys.getprofile()
    sys.setprofile(count)  # type: ignore[arg-type]
    try:
        lines = wrap([Span(text)], 80)
    finally:
        sys.setprofile(before)
    assert calls < 80 * len(lines)
