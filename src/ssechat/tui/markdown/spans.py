"""Styled text before it meets a screen: spans, lines, and how many cells they take."""

from __future__ import annotations

import re
from typing import NamedTuple

from rich.cells import cell_len, split_graphemes

from ssechat.tui.markdown.breaks import even, even_cells, reach

LONG = 64
"""The widths of shorter texts are remembered."""

Style = str
"""Names of roles, parted by spaces: "strong", "em code", "fence.keyword", or "" for plain text."""


class Span(NamedTuple):
    """Text of one style. In a line it holds no line break; before wrapping "\\n" is one."""

    text: str
    style: Style = ""


Line = tuple[Span, ...]
"""What stands in one row of the screen, without the padding at its right."""


_PICTURE = "\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_STRAY = re.compile(f"(?<![\ufe0f{_PICTURE}])\u200d|\u200d(?![{_PICTURE}])")


def steady(text: str) -> str:
    """The text without zero-width joiners that join no pictures.

    What follows a joiner is taken to have no width, but a terminal gives letters one all the same.
    """
    return _STRAY.sub("", text) if "\u200d" in text else text


def cells(text: str) -> int:
    """The width of `text` on a terminal."""
    if text.isascii():
        return len(text)
    return even_cells(text) if len(text) > LONG and even(text) else cell_len(text)


def about_cells(text: str) -> int:
    """About as many, found fast: in UTF-8, what is wide takes three bytes. At least one."""
    size = len(text)
    return (size if text.isascii() else (size + len(text.encode("utf-8", "replace"))) // 2) or 1


def line_cells(line: Line) -> int:
    return sum(cells(span.text) for span in line)


def line_text(line: Line) -> str:
    return "".join(span.text for span in line)


def merge(spans: list[Span]) -> Line:
    """The same text in as few spans as its styles allow; empty spans go."""
    merged: list[Span] = []
    for span in spans:
        if not span.text:
            continue
        if merged and merged[-1].style == span.style:
            merged[-1] = Span(merged[-1].text + span.text, span.style)
        else:
            merged.append(span)
    return tuple(merged)


def restyle(spans: list[Span], style: Style) -> list[Span]:
    """The spans with `style` under their own."""
    return [Span(text, f"{style} {own}" if own else style) for text, own in spans]


def take(text: str, width: int) -> int:
    """How many characters of `text` fit into `width` cells: at least one, whole graphemes.

    Many marks on one character are cut too, or a single cell could hold megabytes.
    """
    if text.isascii():
        return max(1, width)
    if even(text[: width + 1]):  # also what follows: it might be a mark
        return max(1, reach(text, 0, width))
    for most in (2 * width + 8, 8 * width + 8):  # that much is needed only where marks abound
        used = 0
        for start, end, size in split_graphemes(text[:most])[0]:
            if start and (used + size > width or end > 8 * width):
                return start
            used += size
        if most >= len(text):
            break
    return min(len(text), 8 * width + 8)


def fit(line: Line, width: int) -> Line:
    """The line cut to at most `width` cells, with … where something was cut."""
    if line_cells(line) <= width:
        return line
    kept: list[Span] = []
    room = width - 1
    for text, style in line:
        size = cells(text)
        if size > room:
            head = text[: take(text, room)] if room > 0 else ""
            kept.append(Span(head if cells(head) <= room else "", style))
            break
        kept.append(Span(text, style))
        room -= size
    return merge([*kept, Span("…", kept[-1].style)])


def tail(line: Line, width: int) -> Line:
    """The last `width` cells of a line; a wide character that is cut becomes a blank."""
    kept: list[Span] = []
    for text, style in reversed(line):
        end = text
        while cells(end) > width:
            end = end[1:]
        blank = " " if end != text and cells(end) < width else ""
        kept.append(Span(blank + end, style))
        width -= cells(end) + len(blank)
    return merge(kept[::-1])
