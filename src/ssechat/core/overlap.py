"""Trimming what a continued answer repeats of the text that it goes on from."""

from __future__ import annotations

LONGEST = 200
"""Characters at the end of the old text that a model may repeat."""
SHORTEST = 8
"""A shorter match is taken for chance: `no` may well follow `no`."""


class Overlap:
    """Drops from the beginning of a new text what stands already: all of the old text (llama.cpp
    repeats a prefill whole) or its end (as a model does that was asked by a message).

    Text is held back only while it may still be such a repetition.
    """

    def __init__(self, old: str) -> None:
        self._old = old
        self._end = old[-LONGEST:]
        self._held = ""
        self._open = len(self._end) >= SHORTEST

    def feed(self, text: str) -> str:
        """What of the text so far is new and certain."""
        if not self._open:
            return text
        self._held += text
        return "" if self._repeats() else self.close()

    def close(self) -> str:
        """No more will come, or it cannot be a repetition any more."""
        held, self._held, self._open = self._held, "", False
        if held.startswith(self._old):
            return held[len(self._old) :]
        longest = min(len(held), len(self._end))
        for length in range(longest, SHORTEST - 1, -1):
            if self._end.endswith(held[:length]):
                return held[length:]
        return held

    def _repeats(self) -> bool:
        """Whether what is held may be the beginning of a repetition that has not ended yet."""
        held = self._held
        if len(held) < len(self._old) and self._old.startswith(held):
            return True
        starts = range(len(self._end) - max(len(held), SHORTEST - 1))
        return any(self._end.startswith(held, at) for at in starts)
