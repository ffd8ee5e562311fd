"""The second wall: text that a widget let through obeys nobody, and keeps its width."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import ControlType, Segment
from rich.style import Style
from textual.strip import Strip
from wcwidth import wcwidth

from ssechat.tui.paint.cells import Ink, cells_of, certain, cut
from ssechat.tui.paint.shadow import Shadow

OBEYED = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)
OURS = re.compile(r"\x1b\[[0-9;]*[CGHm]")
HOSTILE = [
    "\x1b]52;c;aGk=\x07",
    "\x1b]0;title\x1b\\",
    "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[31m",
    "\x9b2J\x9d52;c;aGk=\x9c",
    "a\rb\nc\td\x08\x7f",
    "\u202eright to left\u202c\u2066\u2069\u200f",
    "\ud83d \udc4d \udcff",
    "\U000e0041\U000e007f\ufff9",
    "👩\u200d\x1b[31m",
    "e\u0301\x1b\u0301",
]
TEXT = st.text(st.characters() | st.sampled_from("\x1b[]m;\x9b\u202e\ud800\u200d\ufe0f👩漢e\u0301"))


def sent(text: str, style: Style | None = None) -> str:
    strip = Strip([Segment(text, style)])
    return Shadow(200, 1, ColorSystem.TRUECOLOR).draw([(0, 0, strip)], (0, 0))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(text: str) -> None:
    assert OBEYED.search(OURS.sub("", sent(f"before {text} after"))) is None


@given(TEXT)
def test_no_text_gets_anything_through_and_all_of_it_can_be_encoded(text: str) -> None:
    out = sent(text)
    assert OBEYED.search(OURS.sub("", out)) is None
    out.encode()


@given(TEXT)
def test_a_text_fills_as_many_cells_as_textual_thinks(text: str) -> None:
    cells = cells_of(Strip([Segment(text)]), ColorSystem.TRUECOLOR)
    assert len(cells) == cell_len(text)


@pytest.mark.parametrize("claimed", [0, 1, 3, 4, 9])
def test_a_strip_fills_as_many_cells_as_it_claims(claimed: int) -> None:
    strip = Strip([Segment("漢字")], claimed)
    assert len(cells_of(strip, ColorSystem.TRUECOLOR)) == claimed


def test_a_wide_character_that_is_cut_is_a_blank() -> None:
    cells = cells_of(Strip([Segment("漢字")]), ColorSystem.TRUECOLOR)
    assert [text for text, _ in cut(cells, 3)] == ["漢", "", " "]


def test_what_textual_sends_as_a_control_is_not_sent() -> None:
    control = Segment("\x1b[2J", None, [(ControlType.CLEAR,)])
    out = Shadow(9, 1, ColorSystem.TRUECOLOR).draw([(0, 0, Strip([control, Segment("x")]))], (0, 0))
    assert out == "\x1b[1;1H\x1b[0mx\x1b[0m\x1b[1;1H"


def test_links_are_not_sent() -> None:
    assert "http" not in sent("text", Style(link="http://example.org"))


def test_what_joins_letters_and_marks_stays() -> None:
    text = "👩\u200d💻 ⚠\ufe0f e\u0301 नि"
    assert OURS.sub("", sent(text)).split() == text.split()


def test_a_mark_at_the_beginning_of_a_segment_belongs_to_the_letter_before() -> None:
    cells = cells_of(Strip([Segment("e"), Segment("\u0301x")]), ColorSystem.TRUECOLOR)
    assert cells == [("e\u0301", Ink()), ("x", Ink())]


def test_characters_that_we_are_certain_of_have_one_width_everywhere() -> None:
    found = [chr(code) for code in range(0xA0, 0x10000) if certain(chr(code))]
    assert {"é", "я", "─", "漢", "한", "•", "…", "✓", "€"} < set(found)
    assert [char for char in found if cell_len(char) != wcwidth(char)] == []
