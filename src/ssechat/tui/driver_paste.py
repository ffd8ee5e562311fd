"""A bracketed paste while it comes.

What the terminal was asked it may answer in the middle of it, if that is a multiplexer: tmux writes
its answers between two pieces of a paste that it hands on.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LIMIT = 16 * 1024 * 1024  # characters; the rest of a longer paste is dropped
SILENCE = 2.0  # s after which the end of a paste is not waited for any more
_MARK = re.compile(r"\x1b\[(?:201~|0n|\d{1,4};\d{1,4}R)")
_PART = re.compile(r"\x1b(?:\[(?:\d{1,4}(?:;\d{0,4})?)?)?\Z")
_LONGEST_PART = 12
_TYPED = 32  # characters that a user may type between two reads


class Paste:
    """Its text, without NULs and without the answers that `take` takes for such."""

    def __init__(self, take: Callable[[str], bool]) -> None:
        self._take = take
        self._pieces: list[str] = []
        self._came = 0
        self._tail = ""  # may be the beginning of a mark

    @property
    def text(self) -> str:
        """All that has come."""
        return "".join([*self._pieces, self._tail]).replace("\x00", "")

    @property
    def length(self) -> int:
        """Characters that have come."""
        return self._came + len(self._tail)

    def feed(self, data: str) -> str | None:
        """None as long as the paste goes on, then what follows it."""
        text = self._tail + data
        self._tail, at = "", 0
        for found in _MARK.finditer(text):
            ends = found[0].endswith("~")
            if ends or self._take(found[0]):
                self._add(text[at : found.start()])
                at = found.end()
            if ends:
                return text[at:]
        part = _PART.search(text, max(at, len(text) - _LONGEST_PART))
        stop = part.start() if part else len(text)
        self._add(text[at:stop])
        self._tail = text[stop:]
        return None

    def _add(self, text: str) -> None:
        self._pieces.append(text[: max(0, LIMIT - self._came)])
        self._came += len(text)


def goes_on(data: str) -> bool:
    """Whether what comes first after a silence is more of the paste, rather than typed."""
    if "\x1b[200~" in data:
        return False
    return "\x1b[201~" in data or (len(data) > _TYPED and data[0] != "\x1b")
