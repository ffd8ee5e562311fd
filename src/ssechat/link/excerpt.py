"""The beginning of an error body, fit for one line."""

from __future__ import annotations

import html

LENGTH = 300
"""Characters."""

_MOSTLY = 0.9  # of the characters must be readable, else it is no text


def clip(text: str, length: int = LENGTH) -> str:
    """`text` on one line, at most `length` characters of it, with nothing that does not print."""
    words = "".join(c if c.isprintable() else " " for c in text[: length * 8]).split()
    line = " ".join(words)
    return line if len(line) <= length else f"{line[: length - 1]}…"


def excerpt(body: bytes, media: str) -> str:
    """The title of an HTML page, the beginning of another text; "" for what is not text."""
    if title := _title(body):
        return clip(html.unescape(title))
    text = body[: LENGTH * 4].decode(errors="replace")
    readable = sum(c.isprintable() or c in "\t\r\n" for c in text) - text.count("\ufffd")
    if media == "text/html" or readable < len(text) * _MOSTLY:
        return ""
    return clip(text)


def _title(page: bytes) -> str:
    low = page.lower()
    begin = low.find(b">", low.find(b"<title")) if b"<title" in low else -1
    end = low.find(b"</title", begin)
    return page[begin + 1 : end].decode(errors="replace") if 0 <= begin < end else ""
