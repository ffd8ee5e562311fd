"""A torture document at three widths, cut in the middle of things and finished. After a change
that is meant: UPDATE_GOLDENS=1 pytest …, and a look at the diff of tests/tui/goldens/.

At the right of a line stand the styles that are in it, with the first and last character of each.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ssechat.core.safe import clean
from ssechat.tui.markdown import Document, Line
from ssechat.tui.markdown.spans import line_cells, line_text
from support.markdown import settle

GOLDENS = Path(__file__).parent / "goldens"
TORTURE = clean((GOLDENS / "markdown.md").read_text(encoding="utf-8"))
CUTS = {"list": "a third level that is", "fence": "total += item.pr", "table": "| half a ce"}


def told(line: Line, width: int) -> str:
    styles, at = list[str](), 0
    for text, style in line:
        if style:
            styles.append(f"{style} {at}-{at + len(text) - 1}")
        at += len(text)
    room = " " * (width - line_cells(line))
    return f"{line_text(line)}{room} ⋮ {', '.join(styles)}".rstrip()


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("state", ["list", "fence", "table", "finished"])
def test_the_torture_document_looks_like_its_golden(state: str, width: int) -> None:
    document = Document()
    end = TORTURE.index(CUTS[state]) + len(CUTS[state]) if state in CUTS else len(TORTURE)
    for at in range(0, end, 7):
        document.feed(TORTURE[at : min(at + 7, end)])
        document.lines(width)
    if state == "finished":
        document.finish()
    text = "".join(f"{told(line, width)}\n" for line in settle(document, width))
    file = GOLDENS / f"markdown_{state}_{width}.txt"
    if os.environ.get("UPDATE_GOLDENS"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
