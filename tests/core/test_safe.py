from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.safe import Cleaner, clean, clean_line

NASTY = (
    "\r\n\t\0\x07\x1b\x7f\x80\x85\x9b\x9d\u061c\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"
    "\ud83d\ude00\udb40\udc41\ud800\udfff\ufe0f\ufff9\ufffb\U000e0001\U000e007f\U0001f600 a[]mé中"
)
texts = st.text(st.sampled_from(NASTY) | st.characters(codec=None), max_size=40)


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def is_dangerous(char: str) -> bool:
    code = ord(char)
    return (
        (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") and char not in "\n\t")
        or code in (0x061C, 0x200E, 0x200F)
        or 0x202A <= code <= 0x202E
        or 0x2066 <= code <= 0x2069
        or 0xFFF9 <= code <= 0xFFFB
        or 0xE0000 <= code <= 0xE007F
    )


@given(texts)
def test_nothing_dangerous_comes_out(text: str) -> None:
    assert [char for char in clean(text) if is_dangerous(char)] == []


def test_no_code_point_comes_out_dangerous() -> None:
    everything = "".join(map(chr, range(0x110000)))
    assert [char for char in clean(everything) if is_dangerous(char)] == []


def test_all_other_code_points_stay_as_they_are() -> None:
    harmless = "".join(char for char in map(chr, range(0x110000)) if not is_dangerous(char))
    assert clean(harmless) == harmless


@given(texts)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(texts, st.lists(st.integers(0, 40), max_size=6))
def test_the_result_does_not_depend_on_where_the_text_was_cut(text: str, cuts: list[int]) -> None:
    cleaner = Cleaner()
    out = "".join(cleaner.feed(piece) for piece in pieces_of(text, cuts)) + cleaner.finish()
    assert out == clean(text)


@given(texts)
def test_one_character_at_a_time_equals_the_whole(text: str) -> None:
    cleaner = Cleaner()
    assert "".join(map(cleaner.feed, text)) + cleaner.finish() == clean(text)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("a\tb\nc", "a\tb\nc", id="tab and line feed stay"),
        pytest.param("a\r\nb\rc\n\rd", "a\nb\nc\n\nd", id="CR LF and CR are one line feed"),
        pytest.param("a\u2028b\u2029c\x85d", "a\nb\nc\nd", id="Unicode line ends are line feeds"),
        pytest.param("\x1b[31mred", "␛[31mred", id="escape is shown"),
        pytest.param("\0\x07\x0b\x0c\x1f\x7f", "␀␇␋␌␟␡", id="control pictures"),
        pytest.param("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇", id="clipboard write is text"),
        pytest.param("\x9b31m\x9d8;;", "�31m�8;;", id="C1 introducers are gone"),
        pytest.param("a\u202eb\u2066c\u2069", "a�b�c�", id="bidi controls are marked"),
        pytest.param("a\u200eb\u200fc\u061cd", "abcd", id="bidi marks are dropped"),
        pytest.param("a\U000e0041b", "a�b", id="tag characters are marked"),
        pytest.param("a\ufff9b\ufffac\ufffbd", "a�b�c�d", id="annotation is marked"),
        pytest.param("a\ud83d b\ude00", "a� b�", id="lone surrogates are marked"),
        pytest.param("\ud83d\ude00", "😀", id="a surrogate pair is its character"),
        pytest.param("\udb40\udc41", "�", id="a pair that makes a tag character is marked"),
        pytest.param("👩\u200d🔬 ❤\ufe0f", "👩\u200d🔬 ❤\ufe0f", id="joiner and selector stay"),
    ],
)
def test_cleaning(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_line_ends_as_soon_as_its_cr_has_come() -> None:
    cleaner = Cleaner()
    assert [cleaner.feed("a\r"), cleaner.feed("\nb"), cleaner.finish()] == ["a\n", "b", ""]


def test_a_high_surrogate_waits_for_its_other_half() -> None:
    cleaner = Cleaner()
    assert [cleaner.feed("a\ud83d"), cleaner.feed("\ude00b")] == ["a", "😀b"]


def test_a_high_surrogate_at_the_end_of_all_is_marked() -> None:
    cleaner = Cleaner()
    assert [cleaner.feed("a\ud83d"), cleaner.finish()] == ["a", "�"]


def test_a_finished_cleaner_begins_anew() -> None:
    cleaner = Cleaner()
    cleaner.feed("a\r")
    cleaner.finish()
    assert cleaner.feed("\n") == "\n"


def test_clean_text_passes_without_a_copy() -> None:
    text = "plain text — with ünïcode, 中文 and 👩\u200d🔬\n" * 3
    assert clean(text) is text


@given(texts, st.integers(1, 30))
def test_a_line_is_one_printable_line_within_its_limit(text: str, limit: int) -> None:
    line = clean_line(text, limit)
    assert len(line) <= limit
    assert not set(line) & set("\n\t\r")
    assert "  " not in line
    assert line == line.strip()


def test_a_line_joins_blanks_and_shows_where_it_was_cut() -> None:
    assert clean_line(" a\n\n b\t\tc ") == "a b c"
    assert clean_line("abcdef", 4) == "abc…"
    assert clean_line("abcd", 4) == "abcd"
