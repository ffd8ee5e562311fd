"""Rows of cells, as a terminal holds them.

Here stands the second wall: no control character passes, whatever a widget let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from rich.cells import cell_len, set_cell_size, split_graphemes
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ssechat.core.safe import clean

Cell = tuple[str, str]
"""A grapheme and the SGR codes of its style ("1;31"). The second cell of a wide one holds ""."""
Row = list[Cell]

_CERTAIN = re.compile(
    "[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e"
    "\u2190-\u2199\u2200-\u22ff\u2500-\u25ff"
    "\u3001-\u3020\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff5e]*"
)
"""Characters without marks or joiners, of which terminals agree how wide they are."""


def row_of(segments: Iterable[Segment], colors: ColorSystem) -> Row:
    """The cells that these segments fill."""
    row: Row = []
    for text, style, control in segments:
        if text and not control:
            codes = _codes(style, text, colors)
            row += _cells(text if text.isprintable() else _walled(text), codes)
    return row


def certain(row: Sequence[Cell]) -> bool:
    """Whether every terminal draws the row in as many cells as we count."""
    return _CERTAIN.fullmatch("".join([text for text, _ in row])) is not None


def whole(row: Sequence[Cell], start: int, stop: int) -> tuple[int, int]:
    """The range, made wider where it would cut a wide character."""
    while 0 < start < len(row) and not row[start][0]:
        start -= 1
    while stop < len(row) and not row[stop][0]:
        stop += 1
    return start, stop


def _walled(text: str) -> str:
    """The text without what a terminal would obey, as wide as Textual takes it to be."""
    cleaned = clean(text).translate({0x0A: " ", 0x09: " "})
    return text if cleaned == text else set_cell_size(cleaned, cell_len(text))


@lru_cache(maxsize=4096)
def _cells(text: str, codes: str) -> tuple[Cell, ...]:
    if text.isascii():
        return tuple([(char, codes) for char in text])
    cells: list[Cell] = []
    for start, end, size in split_graphemes(text)[0]:
        if size:
            cells += [(text[start:end], codes), *[("", codes)] * (size - 1)]
        elif cells:  # a mark without a letter of its own goes with the character before it
            at = next(n for n in range(-1, -len(cells) - 1, -1) if cells[n][0])
            cells[at] = (cells[at][0] + text[start:end], codes)
    return tuple(cells)


def _codes(style: Style | None, text: str, colors: ColorSystem) -> str:
    if style is None:
        return ""
    if text.isspace() and not (style.underline or style.reverse or style.strike):
        return _ground(style, colors)
    return _ink(style, colors)


@lru_cache(maxsize=1024)
def _ink(style: Style, colors: ColorSystem) -> str:
    return Strip.render_ansi(style, colors)


@lru_cache(maxsize=1024)
def _ground(style: Style, colors: ColorSystem) -> str:
    """The codes of a style of which only the background shows."""
    return Strip.render_ansi(Style(bgcolor=style.bgcolor), colors)
