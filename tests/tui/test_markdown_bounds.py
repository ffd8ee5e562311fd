"""What a piece of text costs does not depend on how much came before it.

Work is counted in calls, so that a busy machine makes no difference.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from ssechat.tui.markdown import Document
from ssechat.tui.markdown.document import LONGEST

UNITS = {
    "paragraph": ("", "word **bold** `code` and more of it "),
    "one line without spaces": ("", "word"),
    "lines of one paragraph": ("", "a line\n"),
    "fence": ("```python\n", "name = value(1)\n"),
    "fence line": ("```python\n", "name = value(1) "),
    "list": ("", "1. item **bold**\n"),
    "loose list": ("", "- item\n\n  more\n"),
    "table": ("| a | b |\n|---|---|\n", "| cell | *other* |\n"),
    "table row": ("| a | b |\n|---|---|\n", "| cell "),
    "quote": ("", "> quoted *text* here\n>\n"),
    "nested": ("", "- a\n  - b\n\n    > c\n"),
    "deep": ("", "> - "),
    "brackets": ("", "["),
    "tags without end": ("", "<a "),
    "images": ("", "!["),
    "asterisks": ("", "*_ **a"),
    "backticks": ("", "`a``b```"),
    "dollars": ("", "$a \\("),
    "definitions": ("", "[a]: http://b 'c'\n"),
    "late definitions": ("", "[a] and *b*\n\n[a]: http://b\n\n"),
    "footnotes": ("", "[^a]: text[^a]\n"),
    "formula": ("$$\n", "x_1 + y\n"),
    "blank lines": ("    code\n", "\n"),
}
STEP = 300
"""Characters fed at once."""


def work(document: Document, text: str) -> int:
    """How many calls it takes to take this in, in pieces, and to show it."""
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for at in range(0, len(text), STEP):
            document.feed(text[at : at + STEP])
            document.lines(80)
    finally:
        sys.setprofile(before)
    return calls


def work_after(head: str, unit: str, characters: int) -> int:
    """How many calls the next characters take, when so many are there."""
    text = unit * (characters // len(unit) + 2 * LONGEST)
    document = Document()
    document.feed(head + text[:characters])
    document.lines(80)
    while document.pending:
        document.lines(80)
    return work(document, text[characters : characters + 2 * LONGEST])


@pytest.mark.parametrize(("head", "unit"), UNITS.values(), ids=UNITS)
def test_work_does_not_grow_with_the_document(head: str, unit: str) -> None:
    few, many = (work_after(head, unit, times * LONGEST) for times in (3, 20))
    assert many <= 1.3 * few


def test_a_megabyte_in_one_line_is_read_in_pieces() -> None:
    document = Document()
    document.feed("word " * 200_000)
    assert len(document.lines(80)) >= 12_500
    assert work(document, "word " * 8) < 10_000
