"""Untrusted text made fit for a terminal.

Nothing that came from a server, a file or a terminal is shown without this. It works on single
code points, so an escape sequence that is cut anywhere is as harmless as a whole one.

    LF, TAB                                    stay
    CR LF, CR, NEL, U+2028, U+2029             LF
    other C0, DEL                              their pictures: ESC is ␛, DEL is ␡
    other C1, lone surrogates, tags, U+FFF9-B  U+FFFD
    bidi embeddings, overrides, isolates       U+FFFD
    bidi marks: U+061C, U+200E, U+200F         dropped

Joiners and variation selectors stay: emoji and many scripts need them.
"""

from __future__ import annotations

import re

_REPLACEMENT = "\ufffd"
_SUSPECT = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def _table() -> dict[int, str | None]:
    replaced = [
        *range(0x80, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xFFF9, 0xFFFC),
        *range(0xE0000, 0xE0080),
    ]
    table: dict[int, str | None] = dict.fromkeys(replaced, _REPLACEMENT)
    table |= {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
    table |= {0x7F: "\u2421", 0x85: "\n", 0x2028: "\n", 0x2029: "\n"}
    return table | dict.fromkeys((0x061C, 0x200E, 0x200F))


_TABLE = _table()


class Cleaner:
    """Cleans a text that comes in pieces; the result does not depend on where it was cut."""

    def __init__(self) -> None:
        self._after_cr = False
        self._high = ""

    def feed(self, text: str) -> str:
        """The next piece, cleaned. Half a surrogate pair at its end waits for the other half."""
        if not text:
            return ""
        if not self._after_cr and not self._high and _SUSPECT.search(text) is None:
            return text
        text = self._join(text)
        if self._after_cr:
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r")
        return text.replace("\r\n", "\n").replace("\r", "\n").translate(_TABLE)

    def finish(self) -> str:
        """The text is complete: what was held back."""
        rest = _REPLACEMENT if self._high else ""
        self._high, self._after_cr = "", False
        return rest

    def _join(self, text: str) -> str:
        """Surrogate pairs made characters; a high surrogate at the end is held back."""
        text = self._high + text
        self._high = ""
        if _SURROGATE.search(text) is None:
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            self._high, text = text[-1], text[:-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def clean(text: str) -> str:
    """A whole text, cleaned."""
    cleaner = Cleaner()
    return cleaner.feed(text) + cleaner.finish()


def clean_line(text: str, limit: int = 200) -> str:
    """A text as one line for a title or a message: each run of blanks is one space.

    Longer than `limit` characters, it is cut there and ends in an ellipsis.
    """
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
