"""Chips: what stands in the composer's text for a long paste.

A chip is a label between two of Unicode's noncharacters, which nobody can type and no paste brings
in (`unmarked`). Which two tells it from other chips of the same label. On the screen they are
brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, product

from ssechat.core.draft import Draft, Pasted, size
from ssechat.core.media import size_text
from ssechat.core.safe import clean

_OPENING = [chr(code) for code in range(0xFDD0, 0xFDE0)]
_CLOSING = [chr(code) for code in range(0xFDE0, 0xFDF0)]
_MARK = re.compile("[\ufdd0-\ufdef]")
_CHIP = re.compile("[\ufdd0-\ufddf][^\n\ufdd0-\ufdef]*[\ufde0-\ufdef]")
_SHOWN = str.maketrans(dict.fromkeys(_OPENING, "[") | dict.fromkeys(_CLOSING, "]"))


class Chips:
    """The pastes that stand in one text, or did: an undo may bring one back."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def chip(self, text: str) -> str:
        """What stands for `text`."""
        return next(chip for chip in _chips(text) if self._texts.setdefault(chip, text) == text)

    def written(self, draft: Draft) -> str:
        """The text that stands for a draft. Chips of an earlier one mean nothing any more."""
        self._texts.clear()
        return "".join(
            self.chip(piece.text) if isinstance(piece, Pasted) else unmarked(piece)
            for piece in draft.pieces()
        )

    def read(self, text: str) -> Draft:
        """The draft for which a text stands."""
        draft, at = Draft(), 0
        for match in _CHIP.finditer(text) if self._texts else ():
            paste = Draft("", (Pasted(0, self._texts[match[0]]),))
            draft, at = draft + Draft(text[at : match.start()]) + paste, match.end()
        return draft + Draft(text[at:])


def chip_spans(line: str) -> list[tuple[int, int]]:
    """Where in a line there are chips."""
    return [match.span() for match in _CHIP.finditer(line)]


def chip_around(line: str, column: int) -> tuple[int, int]:
    """Start and end of the chip that has this place in a line within it; else the place, twice."""
    for start, end in chip_spans(line):
        if start < column < end:
            return start, end
    return column, column


def shown(line: str) -> str:
    """A line as it is to be read, with as many characters."""
    return line.translate(_SHOWN)


def unmarked(text: str) -> str:
    """A text made fit to be typed: it can be shown, and nothing in it is a chip."""
    return _MARK.sub("\ufffd", clean(text))


def _chips(text: str) -> Iterator[str]:
    lines = text.count("\n") + (not text.endswith("\n"))
    amount = size_text(size(text)).replace(".0 ", " ")
    label = f"pasted {amount}, {lines:,} {'line' if lines == 1 else 'lines'}"
    for more in count():
        for opening, closing in product(_OPENING, _CLOSING):
            yield f"{opening}{label}{'+' * more}{closing}"
