"""What a copy of some lines holds: their text as it reads, not as it happens to be broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ssechat.tui.markdown import Line
from ssechat.tui.markdown.spans import cells, line_text
from ssechat.tui.transcript.column import Column, Shown
from ssechat.tui.transcript.page import source_text
from ssechat.tui.transcript.slices import END, INDENT, Rows
from ssechat.tui.transcript.views import CARET

_MARGIN = " │"
_WORD = re.compile(r"\w+|[^\w\s]+|\s+")
_SPACED = re.compile("[\u2e80-\uffef] [!-~]|[!-~] [\u2e80-\uffef]")
_PARTED = 6
"""Before so many characters of CJK text there is surely a place where a line may be broken."""


class Spot(NamedTuple):
    """A character: the number of its line on the page, and its own in the line."""

    line: int
    character: int


def copied(column: Column, start: Spot, end: Spot) -> str:
    """The text from `start` to before `end`, of lines that are laid out. Where that is all of a
    message, or of several, it is their texts as they came."""
    shown = [item for item in column.shown(start.line, end.line + 1) if _touched(item, start, end)]
    if shown and all(_whole(item, start, end) for item in shown):
        return "\n\n".join(source_text(item.item) for item in shown)
    room = column.look.text_width + len(INDENT[0].text)
    return "\n".join(line for item in shown for line in _lines(item, start, end, room))


def sources(column: Column, start: Spot, end: Spot) -> str:
    """The texts of all messages that have lines there, as they came."""
    shown = [item for item in column.shown(start.line, end.line + 1) if _touched(item, start, end)]
    return "\n\n".join(source_text(item.item) for item in shown)


def word(column: Column, spot: Spot) -> tuple[Spot, Spot]:
    """From where to where the word goes that is here, as far as it is in this line."""
    text = "".join(map(line_text, column.lines(spot.line, spot.line + 1)))
    for found in _WORD.finditer(text):
        if found.end() > spot.character:
            return Spot(spot.line, found.start()), Spot(spot.line, found.end())
    return Spot(spot.line, len(text)), Spot(spot.line, len(text))


def paragraph(column: Column, line: int) -> tuple[Spot, Spot]:
    """From where to where the block goes that this line is of: a line of code, a table."""
    for item in column.shown(line, line + 1):
        for rows in item.stack.rows(line - item.first, line - item.first + 1):
            first = item.first + rows.first
            if first <= line < first + len(rows.lines):
                begin = len(line_text(rows.indent))
                return Spot(first, begin), _end(first + len(rows.lines) - 1, rows.lines[-1])
    return Spot(line, 0), Spot(line, 0)


def message(column: Column, line: int) -> tuple[Spot, Spot]:
    """From where to where the message's text goes that has this line."""
    for item in column.shown(line, line + 1):
        first, last = _body(item)
        return Spot(item.first + first, 0), _end(item.first + last, item.stack.line(last))
    return Spot(line, 0), Spot(line, 0)


def _end(number: int, line: Line) -> Spot:
    return Spot(number, len(line_text(line)))


def _body(item: Shown) -> tuple[int, int]:
    """The first and the last line of what is no header and no blank line below."""
    first, last = 0, len(item.stack) - 1
    while first < last and item.stack.place(first).group == 0:
        first += 1
    while last > first and item.stack.place(last).group >= END:
        last -= 1
    return first, last


def _touched(item: Shown, start: Spot, end: Spot) -> bool:
    """Whether more of the item is there than the blank line below it."""
    _, last = _body(item)
    return start.line <= item.first + last and (end.line, end.character) > (item.first, 0)


def _whole(item: Shown, start: Spot, end: Spot) -> bool:
    """Whether all of the message's text is there."""
    first, last = _body(item)
    rows = next(item.stack.rows(first, first + 1))
    begin = Spot(item.first + first, len(line_text(rows.indent)))
    text = line_text(item.stack.line(last)).rstrip(CARET.text + " ")
    return start <= begin and end >= Spot(item.first + last, len(text))


def _lines(item: Shown, start: Spot, end: Spot, room: int) -> Iterator[str]:
    """The item's lines that are there: those that one was broken into are one again."""
    for rows in item.stack.rows(max(0, start.line - item.first), end.line + 1 - item.first):
        styles = "".join(span.style for line in rows.lines for span in line)
        apart, code = rows.block is None or "table" in styles, "fence" in styles
        text, before = "", None
        for number, line in enumerate(rows.lines, item.first + rows.first):
            if not start.line <= number <= end.line:
                continue
            begin, stop = _own(line, rows)
            whole = line_text(line)[begin:stop].rstrip()
            first = max(0, start.character - begin) if number == start.line else 0
            last = max(0, end.character - begin) if number == end.line else None
            joint: str | None = None
            if before is not None and not apart:
                joint = _joint(before, whole, room - begin, code=code)
            if joint is None:
                if before is not None:
                    yield text.rstrip()
                text = whole[first:last]
            else:
                text += joint + whole[first:last].lstrip(_MARGIN)
            before = whole
        if before is not None:
            yield text.rstrip()


def _joint(before: str, after: str, room: int, *, code: bool) -> str | None:
    """What stood where a line of so many cells was broken; None if it ended there, as a line of
    code does not."""
    after = after.lstrip(_MARGIN)
    head, tail = after.split(" ", 1)[0], before.rsplit(" ", 1)[-1]
    wide = cells(before[-1:]) > 1, cells(after[:1]) > 1
    unit = head[:_PARTED] if wide[1] else head
    if not code and cells(before) + 1 + cells(unit) <= room:
        return None
    if any(wide):
        return " " if not all(wide) and _SPACED.search(f"{before}\n{after}") else ""
    return "" if cells(tail) + cells(head) > room else " "


def _own(line: Line, rows: Rows) -> tuple[int, int]:
    """From which character to which the line's own text goes: without the indentation, and for
    code, without what stands beside it."""
    begin, at = len(line_text(rows.indent)), 0
    stop = code = len(line_text(line))
    for text, style in line:
        if style == "fence.label":
            stop = at
        elif style.startswith("fence"):
            code = min(code, at)
        at += len(text)
    return (code if code < stop else begin), stop
