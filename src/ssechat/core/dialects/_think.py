"""Thinking that a server without a reasoning parser leaves in the answer."""

from __future__ import annotations

from enum import Enum, auto

from ssechat.core.deltas import Delta, Text, Thinking

OPEN = "<think>"
CLOSE = "</think>"
MAX_LEAD = 64
"""White space, in characters, that may stand before the opening tag."""


class _Where(Enum):
    LEAD = auto()
    THINKING = auto()
    ANSWER = auto()


class ThinkSplitter:
    """Parts `<think>…</think>` from the answer that it opens, wherever the pieces are cut.

    The tags, white space before the first one and line ends after either one are dropped. What
    could be the start of a tag is held back until it is one or cannot be. A tag anywhere else in
    the answer is text.
    """

    def __init__(self) -> None:
        self._where = _Where.LEAD
        self._held = ""
        self._after_tag = False

    def feed(self, text: str) -> list[Delta]:
        match self._where:
            case _Where.LEAD:
                return self._lead(text)
            case _Where.THINKING:
                return self._thinking(text)
            case _Where.ANSWER:
                return self._answer(text)

    def close(self) -> list[Delta]:
        """What was held back. An answer that has not opened with a tag by now never will."""
        held, self._held = self._held, ""
        if self._where is _Where.LEAD:
            self._where = _Where.ANSWER
        if not held:
            return []
        return [Thinking(held) if self._where is _Where.THINKING else Text(held)]

    def _lead(self, text: str) -> list[Delta]:
        self._held += text
        start = self._held.lstrip()
        if len(self._held) - len(start) > MAX_LEAD:
            return self.close()
        if start.startswith(OPEN):
            self._enter(_Where.THINKING)
            return self._thinking(start[len(OPEN) :])
        return [] if OPEN.startswith(start) else self.close()

    def _thinking(self, text: str) -> list[Delta]:
        text = self._held + self._trimmed(text)
        thought, tag, rest = text.partition(CLOSE)
        if tag:
            self._enter(_Where.ANSWER)
            return [*_said(Thinking, thought), *self._answer(rest)]
        cut = len(text) - _overlap(text, CLOSE)
        self._held = text[cut:]
        return _said(Thinking, text[:cut])

    def _answer(self, text: str) -> list[Delta]:
        return _said(Text, self._trimmed(text))

    def _enter(self, where: _Where) -> None:
        self._where, self._held, self._after_tag = where, "", True

    def _trimmed(self, text: str) -> str:
        if self._after_tag:
            text = text.lstrip("\r\n")
            self._after_tag = not text
        return text


def _said(kind: type[Text] | type[Thinking], text: str) -> list[Delta]:
    return [kind(text)] if text else []


def _overlap(text: str, tag: str) -> int:
    """The length of the longest end of `text` that begins `tag`."""
    return next(n for n in range(len(tag) - 1, -1, -1) if text.endswith(tag[:n]))
