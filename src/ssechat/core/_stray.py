"""Errors that servers write between events, though the rules say that nobody will notice."""

from __future__ import annotations

import json
from typing import Any

MAX_STRAY = 64 * 2**10
"""Bytes that such a text may have."""


class Stray:
    """Finds a JSON object with an `error` member among the lines that mean nothing in a stream.

    Gemini writes `{"error": {…}}` without `data:` before it, in one line, or indented over
    several: from a line that begins with a brace to one that begins with the closing brace. Each
    line is parsed at most twice, so a text may neither begin nor end elsewhere.
    """

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0

    def take(self, line: bytes) -> str:
        """The error's whole text, if this line completes it, else ""."""
        if line.startswith(b"{"):
            self._forget()
        elif not self._lines:
            return ""
        self._lines.append(line)
        self._size += len(line) + 1
        if self._size > MAX_STRAY:
            self._forget()
        elif line.startswith((b"{", b"}")):
            return self._parsed(closed=line.startswith(b"}"))
        return ""

    def _parsed(self, *, closed: bool) -> str:
        text = b"\n".join(self._lines).decode("utf-8", "replace")
        value = _value(text)
        if closed or value is not None:
            self._forget()
        failed = isinstance(value, dict) and value.get("error") is not None
        return text if failed else ""

    def _forget(self) -> None:
        self._lines.clear()
        self._size = 0


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
