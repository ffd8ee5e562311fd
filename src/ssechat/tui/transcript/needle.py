"""What is looked for: in texts as they came, and in lines as they are shown.

Each character stands for itself, and counts as a capital or small letter only if there is a capital
among them. A space stands for any blanks. In Markdown it stands for the end of a line too, and the
marks around words are passed over: "not, always" is found in `**not**, always`. On the screen a
line may have been broken anywhere.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from ssechat.core.safe import clean

LONGEST = 200
"""A longer query is cut, in characters."""

_MARKS = "*_`~"
_MARGIN = " │"
_PASSED = 4  # marks in a row that are passed over
_BETWEEN = 24  # blanks and marks in a row that a space stands for


class Match(NamedTuple):
    """Where it stands: from line `line` on, in each line the characters from one to before the
    other."""

    line: int
    ranges: tuple[tuple[int, int], ...]

    @property
    def start(self) -> tuple[int, int]:
        """Line and character."""
        return self.line, self.ranges[0][0]


class Needle:
    """A query, ready to look for. It finds nothing if there is nothing but blanks in it."""

    def __init__(self, query: str) -> None:
        self.text = " ".join(clean(query).split())[:LONGEST].rstrip()
        self.reach = len(self.text) * (_PASSED + _BETWEEN + 2)
        """A match is never longer, in characters of the text as it came."""
        self._markdown = self._pattern(_in_markdown)
        self._plain = self._pattern(_in_plain_text)
        self._shown = self._pattern(_on_screen)

    def __bool__(self) -> bool:
        return bool(self.text)

    def count(self, text: str, start: int, stop: int, *, markdown: bool) -> tuple[int, int]:
        """How many matches begin between `start` and `stop`, and where the last one ends."""
        found = 0
        pattern = self._markdown if markdown else self._plain
        for match in pattern.finditer(text, start, stop + self.reach) if self else ():
            if match.start() >= stop:
                break
            found, start = found + 1, match.end()
        return found, start

    def matches(self, texts: Sequence[str], first: int = 0) -> list[Match]:
        """All in these lines of one block, which are numbered from `first`."""
        if not self:
            return []
        starts = [0, *accumulate(len(text) + 1 for text in texts)]
        found: list[Match] = []
        for match in self._shown.finditer("\n".join(texts)):
            line = bisect_right(starts, match.start()) - 1
            begin = match.start() - starts[line]
            ranges: list[tuple[int, int]] = []
            for piece in match[0].split("\n"):
                margin = len(piece) - len(piece.lstrip(_MARGIN)) if ranges else 0
                ranges.append((begin + margin, begin + len(piece)))
                begin = 0
            found.append(Match(first + line, tuple(ranges)))
        return found

    def _pattern(self, between: Callable[[str, str], str]) -> re.Pattern[str]:
        """The characters, and between each two of them what may stand there besides. What that
        matches is never given back, so that no text makes the search slow."""
        parts = [re.escape(self.text[:1])]
        for before, after in pairwise(self.text):
            parts.append(between(before, after))
            parts.append("" if after == " " else re.escape(after))
        exact = any(char.isupper() for char in self.text)
        return re.compile("".join(parts), 0 if exact else re.IGNORECASE)


def _in_plain_text(before: str, after: str) -> str:
    return rf"[ \t]{{1,{_BETWEEN}}}+" if after == " " else ""


def _in_markdown(before: str, after: str) -> str:
    if after == " ":
        return rf"[{_MARKS}]{{0,{_PASSED}}}+\s"
    if before == " ":
        more = "" if after in f"{_MARKS}>|\\" else rf"{_MARKS}>|\\"
        return rf"[\s{more}]{{0,{_BETWEEN - 1}}}+"
    if before in _MARKS or (before.isalnum() and after.isalnum() and before.isascii()):
        return ""
    escape = "" if after.isalnum() or after == "\\" else r"\\?+"
    return escape if after in _MARKS else rf"[{_MARKS}]{{0,{_PASSED}}}+{escape}"


def _on_screen(before: str, after: str) -> str:
    broken = rf"\n[{_MARGIN}]*+"
    if after == " ":
        return rf"(?: ++(?:{broken})?+|{broken})"
    if before == " " or after in _MARGIN:
        return ""
    return rf"(?:{broken})?+"
