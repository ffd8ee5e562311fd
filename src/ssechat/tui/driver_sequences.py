"""What a terminal sends that is no key and nothing we know: taken out before it is typed.

Strings (OSC, DCS, APC, PM, SOS) answer what others have asked; a CSI sequence may be too long to be
a key. Textual would type both, character by character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

LONGEST = 32
"""Characters: what is longer, Textual's parser takes for typed."""
LIMIT = 1024 * 1024  # characters of one that does not end
SILENCE = 1.0  # s after which the end of one is not waited for any more
_BEGIN = re.compile(r"\x1b(?:[\[\]PX^_]|\Z)")
_CSI_END = re.compile(r"[^ -?]")
_STRING_END = re.compile(r"[\x07\x9c]|\x1b(?:.|\Z)", re.DOTALL)


class Sequences:
    """Passes on what is to be parsed. An alt key begins like a string (alt+P like a DCS), so one
    that has just begun is passed on, too: the parser has to forget it if it turns out to be one.

    `known` says whether a complete CSI sequence is to be parsed.
    """

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known = known
        self._open = ""  # the sequence that has begun and not ended; of a long one, how it began
        self._given = 0  # characters of it that were passed on
        self._swallowed = 0

    @property
    def swallowing(self) -> bool:
        return self._swallowed > 0

    def feed(self, data: str) -> Iterator[str | None]:
        """Text to be parsed; None: the parser is to forget the sequence that it is in."""
        text, given = self._open + data, self._given
        dropped, self._swallowed = self._swallowed, 0
        self._open, self._given = "", 0
        at = 0
        while begin := _BEGIN.search(text, at):
            start = begin.start()
            end = _end(text, start)
            length = (end or len(text)) - start + dropped
            if end is None and length <= LONGEST:
                stop = len(text) - (len(text) > start + 2 and text[-1] == "\x1b")
                self._open, self._given = text[start:], stop - start
                yield text[given:stop]
                return
            if length <= LONGEST and self._passes(text[start:end]):
                at = end or len(text)
                continue
            if given > start:
                yield None
            elif given < start:
                yield text[given:start]
            if end is None:
                self._swallow(text[start:], length)
                return
            given = at = end
            dropped = 0
        yield text[given:]

    def flush(self) -> str:
        """Nothing more of it will come: what is still to be parsed."""
        held = self._given < len(self._open) and self._open.endswith("\x1b")
        self._open, self._given, self._swallowed = "", 0, 0
        return "\x1b" if held else ""

    def _swallow(self, sequence: str, length: int) -> None:
        if length < LIMIT:
            half = "\x1b" if sequence.endswith("\x1b") else ""
            self._open, self._swallowed = sequence[:2] + half, length

    def _passes(self, sequence: str) -> bool:
        if sequence[1] == "[":
            return self._known(sequence)
        return _STRING_END.search(sequence, 2) is None  # it was cut short: typed after all


def _end(text: str, start: int) -> int | None:
    """Where the sequence ends that begins here; None if that is still to come."""
    if text[start + 1 : start + 2] == "[":
        found = _CSI_END.search(text, start + 2)
        return found and (found.end() if "@" <= found[0] <= "~" else found.start())
    found = _STRING_END.search(text, start + 2)
    if found is None or found[0] == "\x1b" or start + 1 == len(text):
        return None
    return found.start() if found[0][0] == "\x1b" and found[0] != "\x1b\\" else found.end()
