"""Trimming what a continued answer repeats of the text that it goes on from."""

from __future__ import annotations

LONGEST = 200
"""Characters at the end of the old text that a model may repeat."""
SHORTEST = 8
"""A shorter match is taken for chance: `no` may well follow `no`."""


class Overlap:
    """Drops from the beginning of a new text what stands already: all of the old text (llama.cpp
    repeats a prefill whole) or its end (as a model does that was asked by a message). `echoes`: the
    former is expected, so that it does not count as chance however short it is.

    Text is held back only while it may still be such a repetition. Work is linear in what is fed,
    however it is cut.
    """

    def __init__(self, old: str, *, echoes: bool = False) -> None:
        self._old = old
        self._end = old[-LONGEST:]
        self._held: list[str] = []
        self._length = 0
        self._whole = True
        self._places = list(range(len(self._end) - SHORTEST + 1))
        self._open = echoes or bool(self._places)

    def feed(self, text: str) -> str:
        """What of the text so far is new and certain."""
        if not self._open:
            return text
        self._whole = self._whole and self._old.startswith(text, self._length)
        self._places = [at for at in self._places if self._end.startswith(text, at + self._length)]
        self._held.append(text)
        self._length += len(text)
        return "" if self._repeats() else self.close()

    def close(self) -> str:
        """No more will come, or it cannot be a repetition any more."""
        held, self._held, self._open = "".join(self._held), [], False
        if held.startswith(self._old):
            return held[len(self._old) :]
        longest = min(len(held), len(self._end))
        for length in range(longest, SHORTEST - 1, -1):
            if self._end.endswith(held[:length]):
                return held[length:]
        return held

    def _repeats(self) -> bool:
        """Whether what is held may be the beginning of a repetition that has not ended yet."""
        if self._whole and self._length < len(self._old):
            return True
        return any(at + self._length < len(self._end) for at in self._places)
