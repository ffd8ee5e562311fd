"""Block Markdown, a line at a time: what a line begins or continues (CommonMark 0.31, GFM's
tables and task lists, footnotes, displayed mathematics).

The patterns match what is left of a line when its containers' marks are taken off. Tabs have
become spaces before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ssechat.tui.markdown.spans import Line, Span, cells
from ssechat.tui.markdown.syntax import FOOTNOTE, displayed

DEEPEST = 20
"""Containers are not nested deeper; what would be one more is text."""

_QUOTE = re.compile(r" {0,3}> ?")
_MARKER = re.compile(r"( {0,3})([-+*]|(\d{1,9})([.)]))( +|\Z)")
_RULE = re.compile(r" {0,3}([-*_])(?: *\1){2,} *\Z")
_HEADING = re.compile(r" {0,3}(#{1,6})(?= |\Z)")
_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*\Z)|~{3,}) *(\S*)")
_FORMULA = re.compile(r" {0,3}(\$\$(?!\$)|\\\[)(.*)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+) *\Z")
_FOOTNOTE = re.compile(rf" {{0,3}}{FOOTNOTE}: *")
AFTER_FORMULA = " .,;:!?"
TASK = re.compile(r"\[([ xX])\] +(?=\S)")
BULLETS = "•◦▪"
UNDECIDED = re.compile(r"[-=*+_~`#>|:$\\ ]*\Z| *\d{1,9}[.)]?\Z| {0,3}\[[^\[\]]{0,60}(\](:.*)?)?\Z")
"""The beginning of a line that may yet become anything; it is not drawn before more has come."""


@dataclass(slots=True)
class Quote:
    def rest(self) -> Line:
        return (Span("│ ", "quote"),)

    first = rest


@dataclass(slots=True)
class Item:
    """A list item: `kind` is its bullet, or what follows its number; `indent` its text's column.

    A footnote is one too, of the kind "^".
    """

    kind: str
    number: int
    indent: int
    mark: str
    drawn: bool = False
    empty: bool = False  # nothing followed the marker on its line, nor yet after it
    over: bool = False  # a blank line came while it was empty

    @property
    def bullet(self) -> bool:
        return self.kind in "-+*"

    def rest(self) -> Line:
        return (Span(" " * (cells(self.mark) + 1)),)

    def first(self) -> Line:
        return self.rest() if self.drawn else (Span(f"{self.mark} ", "marker"),)


Container = Quote | Item


@dataclass(frozen=True, slots=True)
class FenceStart:
    indent: int
    mark: str
    label: str

    def closed_by(self, line: str) -> bool:
        text = line.strip(" ")
        return (
            len(text) >= len(self.mark) and indentation(line) < 4 and not text.strip(self.mark[0])
        )

    def inner(self, line: str) -> str:
        """The line without the indentation of the opening mark."""
        return line[min(self.indent, indentation(line)) :]


@dataclass(frozen=True, slots=True)
class FormulaStart:
    closing: str


def indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def continues(container: Container, line: str) -> str | None:
    """What is left of the line inside the container; None if it does not go on there."""
    if isinstance(container, Quote):
        mark = _QUOTE.match(line)
        return line[mark.end() :] if mark else None
    if not line.strip(" "):
        container.over = container.empty
        return ""
    inside = indentation(line) >= container.indent and not container.over
    return line[container.indent :] if inside else None


def quote(line: str) -> tuple[Quote, str] | None:
    mark = _QUOTE.match(line)
    return (Quote(), line[mark.end() :]) if mark else None


def list_item(
    line: str, *, before: Container | None, in_paragraph: bool, depth: int
) -> tuple[Item, str] | None:
    """The list item that the line begins, and what is left of the line.

    `before` is the item that would be its sibling; `depth` the number of bullets around it.
    In mid-paragraph only a first, non-empty item begins a list.
    """
    mark = _MARKER.match(line)
    if mark is None or _RULE.match(line):
        return None
    left, bullet, digits, stop, spaces = mark.groups()
    blank = not line[mark.end() :]
    if in_paragraph and (blank or digits not in (None, "1")):
        return None
    kind = stop or bullet
    number = int(digits) if digits else 0
    if digits and isinstance(before, Item) and before.kind == kind:
        number = before.number + 1
    after = 1 if blank or len(spaces) > 4 else len(spaces)
    indent = len(left) + len(bullet) + after
    shown = f"{number}{stop}" if digits else BULLETS[depth % len(BULLETS)]
    return Item(kind, number, indent, shown, empty=blank), "" if blank else line[indent:]


def footnote(line: str) -> tuple[str, str] | None:
    """The label of the footnote that the line begins, and what is left of the line."""
    mark = _FOOTNOTE.match(line)
    return (mark[1], line[mark.end() :]) if mark else None


def heading(line: str) -> tuple[int, str] | None:
    """Level and text of an ATX heading."""
    mark = _HEADING.match(line)
    if mark is None:
        return None
    text = line[mark.end() :].strip(" ")
    bare = text.rstrip("#")
    return len(mark[1]), bare.rstrip(" ") if not bare or bare.endswith(" ") else text


def underline(line: str) -> int | None:
    """The level of the heading that this line makes of the paragraph above it."""
    mark = _UNDERLINE.match(line)
    return None if mark is None else 1 if mark[1][0] == "=" else 2


def fence(line: str) -> FenceStart | None:
    mark = _FENCE.match(line)
    return FenceStart(len(mark[1]), mark[2], mark[3]) if mark else None


def formula(line: str) -> FormulaStart | None:
    """Displayed mathematics that begins with this line; one with text after it is a paragraph."""
    mark = _FORMULA.match(line)
    if mark is None:
        return None
    closing = "$$" if mark[1] == "$$" else "\\]"
    inner, _, after = mark[2].partition(closing)
    if after.strip(AFTER_FORMULA) or (closing != "$$" and inner and not displayed(inner)):
        return None
    return FormulaStart(closing)


def interrupts(line: str) -> bool:
    """Whether the line begins a leaf that ends a paragraph."""
    begins = _RULE.match(line) or _HEADING.match(line) or _FENCE.match(line)
    return bool(begins or formula(line))
