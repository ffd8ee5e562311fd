"""The tab strip and the status bar: what they say in how much room."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from ssechat.tui.status import Piece, TabLabel, Tone
from ssechat.tui.widgets.status_bar import StatusBar
from ssechat.tui.widgets.tab_strip import TabStrip


def strip(labels: list[TabLabel], active: int, width: int) -> str:
    bar = TabStrip()
    bar.show(labels, active)
    return "".join(text for text, _ in bar.line(width))


def status(pieces: list[Piece], width: int, hint: list[Piece] | None = None) -> str:
    bar = StatusBar()
    bar.show(pieces, hint or [])
    return "".join(text for text, _ in bar.line(width))


LABELS = [
    TabLabel("Rust lifetimes", Piece("●", Tone.BUSY)),
    TabLabel("傅里叶变换", Piece("⟳ 3 s", Tone.WARN)),
    TabLabel("Nginx buffering", Piece("✓", Tone.GOOD), unread=True),
]


def test_tabs_show_number_title_state_and_unread_mark() -> None:
    said = strip(LABELS, 0, 100)
    assert said.startswith(" 1 Rust lifetimes ●  2 傅里叶变换 ⟳ 3 s  3 Nginx buffering ✓ • ")
    assert said.endswith(" + ctrl+n ")
    assert cell_len(said) == 100


def test_a_long_title_is_cut_by_its_width() -> None:
    assert " 1 aaaaaaaaaaaaaaaaaaaaaaa…  " in strip([TabLabel("a" * 60)], 0, 100)
    assert " 1 换换换换换换换换换换换…  " in strip([TabLabel("换" * 60)], 0, 100)


@pytest.mark.parametrize("count", [1, 2, 9, 50])
@pytest.mark.parametrize("width", [1, 5, 20, 40, 80, 120])
def test_the_active_tab_is_in_sight_and_the_strip_never_too_wide(count: int, width: int) -> None:
    labels = [TabLabel(f"tab {number}", Piece("●")) for number in range(1, count + 1)]
    for active in range(count):
        said = strip(labels, active, width)
        if width >= 20:
            assert f" {active + 1} tab {active + 1} " in said
            assert cell_len(said) <= width
        assert said.startswith("‹ ") or said.startswith(" 1 ")


def test_arrows_say_that_there_are_more_tabs() -> None:
    labels = [TabLabel(f"tab {number}") for number in range(1, 10)]
    assert strip(labels, 0, 30) == " 1 tab 1  2 tab 2  3 tab 3  ›"
    assert strip(labels, 8, 30).startswith("‹  7 tab 7  8 tab 8  9 tab 9 ")
    middle = strip(labels, 4, 30)
    assert middle.startswith("‹ ")
    assert middle.endswith(" ›")


def test_tabs_that_just_fit_need_no_arrows() -> None:
    labels = [TabLabel("python", Piece("●")), TabLabel("rust", Piece("●"))]
    whole = " 1 python ●  2 rust ● "
    for active in (0, 1):
        assert strip(labels, active, cell_len(whole)) == whole


PIECES = [Piece("live", Tone.BUSY), Piece("a-model", rank=2), Piece("TTFB 412 ms", rank=1)]


def test_the_status_bar_ends_in_the_way_to_help() -> None:
    said = status(PIECES, 60)
    assert said == " live  a-model  TTFB 412 ms" + " " * 25 + "F1 help "


@pytest.mark.parametrize(
    ("width", "said"),
    [(36, " live  a-model  TTFB 412 ms"), (20, " live  TTFB 412 ms"), (10, " live")],
)
def test_the_status_bar_drops_help_first_then_what_matters_least(width: int, said: str) -> None:
    assert status(PIECES, width).rstrip() == said


@pytest.mark.parametrize("width", range(30))
def test_the_status_bar_is_never_too_wide(width: int) -> None:
    assert cell_len(status([*PIECES, Piece("模型模型", rank=3)], width)) <= max(width, 1)


def test_a_pending_leader_takes_the_bar_over() -> None:
    hint = [Piece("ctrl+x …"), Piece("r retry", rank=1), Piece("w close tab", rank=2)]
    assert status(PIECES, 60, hint) == " ctrl+x …  r retry  w close tab "
    assert status(PIECES, 20, hint) == " ctrl+x …  r retry "
