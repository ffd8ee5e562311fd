"""A run of text: lines of one paragraph while it is still open."""

from __future__ import annotations

import copy
from collections.abc import Callable

from ssechat.tui.markdown.blocks import Chunks, Flow, Margin
from ssechat.tui.markdown.inline import LIMIT, neutral
from ssechat.tui.markdown.spans import Span

CHUNKS = 32
"""A paragraph of more settled chunks than this ends there, and another one goes on."""

Parser = Callable[[str], list[Span]]


class Run:
    """Text that becomes spans when the run is closed, or before that if it gets long."""

    def __init__(self) -> None:
        self.text = ""
        self.settled: list[str] = []
        """The sources of its chunks."""
        self.chunks = Chunks()
        self._trial = False

    def fork(self) -> Run:
        other = copy.copy(self)
        other._trial = True
        return other

    @property
    def whole(self) -> bool:
        """No part of it has settled as a paragraph's."""
        return not self.settled

    @property
    def full(self) -> bool:
        return len(self.settled) >= CHUNKS

    def settle(self, parse: Parser) -> None:
        """Parse the beginning of a long run for good: it is parsed again with all that comes."""
        while len(self.text) >= LIMIT and not self.full:
            cut = neutral(self.text[:LIMIT])
            self.settled.append(self.text[:cut])
            self.chunks.add(parse(self.text[:cut]))
            self.text = self.text[cut:]

    def close(self, margin: Margin, parse: Parser) -> Flow:
        """The paragraph. What has settled is shared with forks."""
        chunks = self.chunks if self.settled else None
        self.chunks.growing = self._trial
        return Flow(margin, parse(self.text.rstrip(" ")), chunks=chunks)
