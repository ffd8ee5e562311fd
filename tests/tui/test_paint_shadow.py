"""Differences draw the same screen as whole frames, with and without scrolling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyte.screens import Char
from rich.cells import split_graphemes
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ssechat.tui.paint.shadow import Piece, Shadow
from support.vt import Terminal

WIDTH, HEIGHT = 14, 9
CONSOLE = Console(force_terminal=True, color_system="truecolor", legacy_windows=False)
STYLES = [
    Style(),
    Style(color="red", bgcolor="#102030"),
    Style(color="#a0b0c0", bgcolor="#102030", bold=True),
    Style(bgcolor="#102030"),
    Style(bgcolor="blue", underline=True),
    Style(color="green", reverse=True, italic=True),
]
AGREED = ["a", "b", " ", "  ", "e", "漢", "字", "─", "€"]
DISPUTED = [*AGREED, "👩\u200d💻", "⚠\ufe0f", "e\u0301", "✅", "ש", "\u00ad", "ก\u0e47"]

Rows = list[Strip]
Cell = tuple[str, Style | None]
"""A grapheme; the second cell of a wide one holds ""."""


def cells_of(strip: Strip) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, _ in strip:
        for start, end, width in split_graphemes(text)[0]:
            cells += [(text[start:end], style), ("", style)][:width]
    return cells


def strip_of(width: int, parts: Iterable[tuple[str, Style]]) -> Strip:
    strip = Strip([Segment(text, style) for text, style in parts])
    return strip.adjust_cell_length(width, STYLES[1])


def strips(width: int, graphemes: list[str]) -> st.SearchStrategy[Strip]:
    text = st.lists(st.sampled_from(graphemes), max_size=8).map("".join)
    parts = st.lists(st.tuples(text, st.sampled_from(STYLES)), max_size=4)
    return parts.map(lambda parts: strip_of(width, parts))


def blank(*, scrolls: bool) -> Shadow:
    shadow = Shadow(WIDTH, HEIGHT, ColorSystem.TRUECOLOR)
    shadow.scrolls = scrolls
    return shadow


class Screen:
    """What is to be seen: a document that scrolls between two rows, beside a scrollbar."""

    def __init__(self, document: Rows) -> None:
        self.document = document
        self.top = 0
        self.rows: list[list[Cell]] = [[(" ", None)] * WIDTH for _ in range(HEIGHT)]

    def scroll(self, by: int) -> Iterator[Piece]:
        """The document moves; its strips are the same objects as before."""
        self.top = max(0, min(self.top + by, len(self.document) - HEIGHT + 2))
        thumb = 1 + self.top * (HEIGHT - 2) // len(self.document)
        for y in range(1, HEIGHT - 1):
            yield self.put(y, 0, self.document[self.top + y - 1])
            yield self.put(y, WIDTH - 1, strip_of(1, [(" ", STYLES[4 + (y == thumb)])]))

    def put(self, y: int, x: int, strip: Strip) -> Piece:
        """Put it over what is there; what it leaves of a wide grapheme is blank."""
        row = self.rows[y]
        end = x + strip.cell_length
        if not row[x][0]:
            row[x - 1] = (" ", row[x - 1][1])
        if end < WIDTH and not row[end][0]:
            row[end] = (" ", row[end][1])
        row[x:end] = cells_of(strip)
        return y, x, strip

    def whole(self) -> list[Piece]:
        return [(y, 0, Strip([Segment(*cell) for cell in row])) for y, row in enumerate(self.rows)]


class Emulator:
    def __init__(self) -> None:
        self.terminal = Terminal(WIDTH, HEIGHT)
        self.feed("\x1b[?1049h\x1b[?7l")

    def feed(self, text: str) -> None:
        self.terminal.feed(text.encode())

    def cells(self) -> list[list[tuple[object, ...]]]:
        """Characters with all of their looks; of a blank, what shows."""
        rows = self.terminal.screen.buffer
        return [[_looks(rows[y][x]) for x in range(WIDTH)] for y in range(HEIGHT)]


def _looks(cell: Char) -> tuple[object, ...]:
    if cell.data == " " and not (cell.underscore or cell.strikethrough or cell.reverse):
        return " ", cell.bg
    return tuple(cell)


def by_textual(pieces: Iterable[Piece]) -> str:
    return "".join(f"\x1b[{y + 1};{x + 1}H{strip.render(CONSOLE)}" for y, x, strip in pieces)


def whole_by_us(pieces: Iterable[Piece]) -> str:
    return Shadow(WIDTH, HEIGHT, ColorSystem.TRUECOLOR).draw(pieces, (0, 0))


@st.composite
def steps(draw: st.DrawFn, graphemes: list[str]) -> tuple[Rows, list[tuple[str, object]]]:
    """A document in which lines are repeated, and what happens to it and over it."""
    lines = draw(st.lists(strips(WIDTH - 1, graphemes), min_size=3, max_size=8))
    document = draw(st.lists(st.sampled_from(lines), min_size=12, max_size=30))
    at = st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1))
    piece = at.flatmap(
        lambda at: st.tuples(
            st.just(at), st.integers(1, WIDTH - at[1]).flatmap(lambda w: strips(w, graphemes))
        )
    )
    step = st.one_of(
        st.tuples(st.just("scroll"), st.integers(-5, 5)),
        st.tuples(st.just("change"), st.tuples(st.integers(0, 11), strips(WIDTH - 1, graphemes))),
        st.tuples(st.just("pieces"), st.lists(piece, max_size=3)),
        st.tuples(st.just("whole"), st.none()),
        st.tuples(st.just("anew"), st.none()),
    )
    return document, draw(st.lists(step, max_size=8))


def play(
    document: Rows, steps: list[tuple[str, object]], scrolls: bool
) -> Iterator[tuple[str, Screen]]:
    """What the shadow sends for each step, and what is to be seen then."""
    screen, shadow = Screen(list(document)), blank(scrolls=scrolls)
    yield shadow.draw([*screen.whole(), *screen.scroll(0)], (0, 0)), screen
    for kind, what in steps:
        match kind, what:
            case "scroll", int(by):
                pieces = list(screen.scroll(by))
            case "change", (int(at), Strip() as strip):
                screen.document[min(at, len(screen.document) - 1)] = strip
                pieces = list(screen.scroll(0))
            case "pieces", list(told):
                pieces = [screen.put(*at, strip) for at, strip in told]
            case _:
                if kind == "anew":
                    shadow = blank(scrolls=scrolls)
                pieces = screen.whole()
        yield shadow.draw(pieces, (0, 0)), screen


@pytest.mark.parametrize("scrolls", [False, True])
@settings(max_examples=40)
@given(steps(AGREED))
def test_differences_draw_what_textual_would_draw(
    scrolls: bool, played: tuple[Rows, list[tuple[str, object]]]
) -> None:
    ours, theirs = Emulator(), Emulator()
    for sent, screen in play(*played, scrolls):
        ours.feed(sent)
        theirs.feed(by_textual(screen.whole()))
        assert ours.cells() == theirs.cells()


@pytest.mark.parametrize("scrolls", [False, True])
@settings(max_examples=40)
@given(steps(DISPUTED))
def test_where_terminals_do_not_agree_about_widths_differences_draw_what_whole_rows_would(
    scrolls: bool, played: tuple[Rows, list[tuple[str, object]]]
) -> None:
    ours, theirs = Emulator(), Emulator()
    for sent, screen in play(*played, scrolls):
        ours.feed(sent)
        theirs.feed(whole_by_us(screen.whole()))
        assert ours.cells() == theirs.cells()


# What is sent, byte for byte where that matters.


def lines(first: int, count: int = HEIGHT - 1) -> list[Piece]:
    """Numbered lines above a status row."""
    numbered = [(y, 0, strip_of(WIDTH, [(f"line {first + y}", STYLES[1])])) for y in range(count)]
    return [*numbered, (HEIGHT - 1, 0, strip_of(WIDTH, [("status", STYLES[2])]))]


def shadow_of(pieces: list[Piece], *, scrolls: bool = False) -> Shadow:
    shadow = blank(scrolls=scrolls)
    shadow.draw(pieces, (0, 0))
    return shadow


@pytest.mark.parametrize("same", [True, False], ids=["the same strips", "equal strips"])
def test_what_stands_there_is_not_sent_again(same: bool) -> None:
    pieces = lines(0)
    shadow = shadow_of(pieces)
    assert shadow.draw(pieces if same else lines(0), (0, 0)) == ""


def test_only_the_cursor_is_sent_if_only_the_cursor_moves() -> None:
    shadow = shadow_of(lines(0))
    assert shadow.draw(lines(0), (4, 2)) == "\x1b[3;5H"
    assert shadow.draw(lines(0), (4, 2)) == ""


def test_of_a_row_only_what_differs_is_sent() -> None:
    shadow = shadow_of(lines(0))
    sent = shadow.draw([(2, 0, strip_of(WIDTH, [("line 7", STYLES[1])]))], (0, 0))
    assert sent == "\x1b[3;6H\x1b[0;31;48;2;16;32;48m7\x1b[0m\x1b[1;1H"


def test_wide_characters_are_drawn_whole_and_counted_twice() -> None:
    def row(character: str) -> Piece:
        return 0, 0, strip_of(40, [(character + " " * 20 + character, STYLES[0])])

    shadow = Shadow(40, 1, ColorSystem.TRUECOLOR)
    shadow.draw([row("漢")], (0, 0))
    assert shadow.draw([row("字")], (0, 0)) == "\x1b[1;1H\x1b[0m字\x1b[20C字\x1b[0m\x1b[1;1H"


@pytest.mark.parametrize("by", [1, 2, -1, -2])
def test_rows_that_move_are_moved_by_the_terminal_and_the_status_row_stays(by: int) -> None:
    shadow = shadow_of(lines(10), scrolls=True)
    sent = shadow.draw(lines(10 + by), (0, 0))
    edge, step = (HEIGHT - 1, "\n" * by) if by > 0 else (1, "\x1bM" * -by)
    assert sent.startswith(f"\x1b[1;{HEIGHT - 1}r\x1b[{edge}H{step}\x1b[r")
    assert sent.count("line") == abs(by)
    assert "status" not in sent


def test_a_row_that_moves_along_though_nothing_was_said_about_it_is_drawn_again() -> None:
    shadow = shadow_of(lines(10), scrolls=True)
    told = [piece for piece in lines(11) if piece[0] != 3]
    emulator = Emulator()
    emulator.feed(whole_by_us(lines(10)) + shadow.draw(told, (0, 0)))
    rows = [row.strip() for row in emulator.terminal.text().splitlines()]
    assert rows == [f"line {n}" for n in (11, 12, 13, 13, 15, 16, 17, 18)] + ["status"]


@pytest.mark.parametrize("count", [1, 3])
def test_a_few_rows_that_move_are_drawn(count: int) -> None:
    shadow = shadow_of(lines(10, count), scrolls=True)
    assert "r" not in shadow.draw(lines(11, count), (0, 0)).replace("\x1b[0m", "")


def test_nothing_is_scrolled_that_must_then_be_drawn_again() -> None:
    shadow = shadow_of(lines(10), scrolls=True)
    twice = [(y, 0, strip) for y, (_, _, strip) in enumerate([*lines(14, 4)[:4], *lines(10)[4:]])]
    assert "\n" not in shadow.draw(twice, (0, 0))


def test_without_leave_nothing_is_scrolled() -> None:
    shadow = shadow_of(lines(10))
    assert "\n" not in shadow.draw(lines(11), (0, 0))


def test_what_was_drawn_over_is_drawn_again_though_its_strip_is_the_same() -> None:
    pieces = lines(10)
    shadow = shadow_of(pieces)
    shadow.draw([(3, 2, strip_of(3, [("box", STYLES[1])]))], (0, 0))
    assert "ne " in shadow.draw(pieces, (0, 0))


def test_of_an_unknown_row_only_what_is_told_is_drawn() -> None:
    shadow = Shadow(WIDTH, HEIGHT, ColorSystem.TRUECOLOR)
    sent = shadow.draw([(3, 2, strip_of(3, [("box", STYLES[0])]))], (0, 0))
    assert sent == "\x1b[4;3H\x1b[0mbox\x1b[0m\x1b[1;1H"


def test_what_is_not_on_the_screen_is_not_drawn() -> None:
    shadow = shadow_of(lines(0))
    strip = strip_of(4, [("漢字", STYLES[1])])
    outside = [(HEIGHT, 0, strip), (-1, 0, strip), (0, WIDTH, strip)]
    assert shadow.draw(outside, (0, 0)) == ""
    sent = shadow.draw([(0, WIDTH - 3, strip)], (0, 0))
    assert "漢 " in sent
    assert "字" not in sent
