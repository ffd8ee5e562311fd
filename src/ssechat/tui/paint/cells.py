"""Text and styles as a terminal holds them: in cells.

Here stands the second wall. Whatever a widget let through, no character that a terminal would obey
gets into a cell, and no link (OSC 8) does; the text stays as wide as Textual takes it to be.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from rich.cells import split_graphemes
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.strip import SGR_STYLES, Strip


class Ink(NamedTuple):
    """A style as SGR parameters ("1;4", "38;5;1", "48;5;2"); "" is the terminal's own."""

    attributes: str = ""
    color: str = ""
    ground: str = ""


Cell = tuple[str, Ink]
"""A grapheme and its ink. The second cell of a wide grapheme holds ""."""

BLANK: Cell = (" ", Ink())

_OBEYED = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Controls (C0, DEL, C1, lines, directions, annotations, tags) and what is no character at all."""

_CERTAIN = re.compile(
    "[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0377\u037a-\u037f\u0384-\u0482\u048a-\u052f"
    "\u1e00-\u1eff\u2010-\u2027\u2030-\u205e\u20a0-\u20c0\u2100-\u22ff\u2400-\u2426\u2500-\u25fc\u2610\u2612"
    "\u2713\u2717\u2718\u27f0-\u27ff\u2800-\u28ff\u3001-\u3020\u3041-\u3096\u30a1-\u30fe"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff5e\ufffd]*"
)


_MARKS = re.compile(r"\b(?:4|7|9|21|51|52|53)\b")


def marks_blanks(ink: Ink) -> bool:
    """Whether more than the ground shows without a letter: lines, frames, swapped colours."""
    return _MARKS.search(ink.attributes) is not None


def certain(text: str) -> bool:
    """Whether every terminal draws the text in as many cells as we count, and in this order."""
    return text.isascii() or _CERTAIN.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def blank(ink: Ink) -> Cell:
    """A blank in no more of the ink than it shows, so that what looks the same is the same."""
    return (" ", ink) if marks_blanks(ink) else _blank_on(ink.ground)


@lru_cache(maxsize=1024)
def _blank_on(ground: str) -> Cell:
    return (" ", Ink(ground=ground))


def cells_of(strip: Strip, colors: ColorSystem) -> list[Cell]:
    """The cells that a strip fills: `strip.cell_length` of them."""
    cells: list[Cell] = []
    for text, style, control in strip:
        if not control:
            marks, more = _drawn(text, style, colors)
            if marks:
                _mark(cells, marks)
            cells += more
    return cut(cells, strip.cell_length) + [BLANK] * (strip.cell_length - len(cells))


def cut(cells: list[Cell], length: int) -> list[Cell]:
    """The first `length` cells, or all; of a wide grapheme that is cut, a blank is left."""
    if not 0 < length < len(cells):
        return cells[: max(0, length)]
    end = [(" ", cells[length - 1][1])] if not cells[length][0] else []
    return cells[: length - len(end)] + end


@lru_cache(maxsize=4096)
def _drawn(text: str, style: Style | None, colors: ColorSystem) -> tuple[str, tuple[Cell, ...]]:
    """Marks without a letter of their own that the text begins with, and the cells that it fills.

    Styles differ in what a terminal does not see; equal cells are mostly the same object.
    """
    ink = _ink(style, colors) if style else BLANK[1]
    return ("", _plain(text, ink)) if text.isascii() and text.isprintable() else _walled(text, ink)


@lru_cache(maxsize=4096)
def _plain(text: str, ink: Ink) -> tuple[Cell, ...]:
    space = blank(ink)
    return tuple([(char, ink) if char != " " else space for char in text])


def _walled(text: str, ink: Ink) -> tuple[str, tuple[Cell, ...]]:
    marks = ""
    cells: list[Cell] = []
    for start, end, width in split_graphemes(text)[0]:
        shown = _OBEYED.sub("", text[start:end])
        if width:
            cells.append(blank(ink) if shown == " " else (shown or "\ufffd".ljust(width), ink))
            cells += [("", ink)] * (width - 1)
        elif cells:
            _mark(cells, shown)
        else:
            marks += shown
    return marks, tuple(cells)


def _mark(cells: list[Cell], marks: str) -> None:
    at = len(cells) - 1
    while at > 0 and not cells[at][0]:
        at -= 1
    if at >= 0:
        cells[at] = (cells[at][0] + marks, cells[at][1])


def _ink(style: Style, colors: ColorSystem) -> Ink:
    attributes = style._attributes & style._set_attributes
    return _mixed(attributes, style.color, style.bgcolor, colors)


@lru_cache(maxsize=1024)
def _mixed(attributes: int, color: Color | None, ground: Color | None, colors: ColorSystem) -> Ink:
    return Ink(
        ";".join(code for bit, code in enumerate(SGR_STYLES) if attributes >> bit & 1),
        ";".join(color.downgrade(colors).get_ansi_codes()) if color else "",
        ";".join(ground.downgrade(colors).get_ansi_codes(foreground=False)) if ground else "",
    )
