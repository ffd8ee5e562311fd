"""Strings from a server: surrogate halves, and a line fit for a note."""

from __future__ import annotations

import re

import msgspec

from ssechat.core.deltas import Delta, Text, Thinking, Tool, Verdict

_SURROGATE = re.compile("[\ud800-\udfff]")
_LOST = "\ufffd"


def mended(text: str) -> str:
    """`text` with surrogate pairs joined and each half without its other one as U+FFFD."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def brief(text: str, limit: int) -> str:
    """The start of `text` as one printable line of at most `limit` characters."""
    head = text[: 4 * limit]
    line = " ".join("".join(char if char.isprintable() else " " for char in head).split())
    if len(line) <= limit and len(head) == len(text):
        return line
    return line[: limit - 1].rstrip() + "…"


class Mender:
    """Joins surrogate pairs whose halves came in two deltas of one kind, one after the other.

    Servers that cut an answer by tokens can end one JSON string in `\\ud83d` and begin the next
    with `\\ude00`. No delta that leaves here holds half a pair.
    """

    def __init__(self) -> None:
        self._half = ""
        self._like: Text | Thinking | Tool = Text("")

    def mend(self, deltas: list[Delta]) -> list[Delta]:
        out: list[Delta] = []
        for delta in deltas:
            if isinstance(delta, Text | Thinking | Tool):
                out += self._running(delta)
            elif isinstance(delta, Verdict):
                out += [*self.close(), delta]
            else:
                out.append(delta)
        return out

    def close(self) -> list[Delta]:
        """The half that was held back, its other one not having come."""
        half, self._half = self._half, ""
        return [_saying(self._like, _LOST)] if half else []

    def _running(self, delta: Text | Thinking | Tool) -> list[Delta]:
        text = _said(delta)
        out = self.close() if self._half and _bare(delta) != self._like else []
        if not self._half and mended(text) is text:
            return [*out, delta]
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half, self._like = text[:-1], text[-1], _bare(delta)
        if text or isinstance(delta, Tool):
            out.append(_saying(delta, mended(text)))
        return out


def _said(delta: Text | Thinking | Tool) -> str:
    return delta.arguments if isinstance(delta, Tool) else delta.text


def _saying(delta: Text | Thinking | Tool, text: str) -> Text | Thinking | Tool:
    if isinstance(delta, Tool):
        return msgspec.structs.replace(delta, arguments=text)
    return type(delta)(text)


def _bare(delta: Text | Thinking | Tool) -> Text | Thinking | Tool:
    return Tool(delta.index) if isinstance(delta, Tool) else type(delta)("")
