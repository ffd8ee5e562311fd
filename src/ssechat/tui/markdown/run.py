"""A run of text: lines of one paragraph while it is still open."""

from __future__ import annotations

import re
from collections.abc import Callable

from ssechat.tui.markdown.blocks import Chunks, Flow, Margin
from ssechat.tui.markdown.spans import Span

LIMIT = 2048
"""A run is parsed again with every piece that comes, so what is longer settles, in characters."""
CHUNKS = 16
"""A paragraph of more settled chunks than this ends there, and another one goes on."""

_MARK = re.compile(
    r"(?P<code>`+)|(?P<pair>\*\*|\*|~~|__|_)|(?P<open>\[)|(?P<close>\])|(?P<space>[ \n]+)"
)

Parser = Callable[[str], list[Span]]


class Run:
    """Text that `parse` turns into spans when the run is closed, or before that if it gets long."""

    def __init__(self, parse: Parser) -> None:
        self.text = ""
        self._chunks = Chunks()
        self._parse = parse

    def fork(self) -> Run:
        other = Run(self._parse)
        other.text, other._chunks = self.text, self._chunks
        return other

    @property
    def whole(self) -> bool:
        """No part of it has settled as a paragraph's."""
        return not self._chunks.parsed

    @property
    def full(self) -> bool:
        return len(self._chunks.parsed) >= CHUNKS

    def add(self, text: str) -> None:
        self.text += text

    def settle(self) -> None:
        """Parse the beginning of a long run for good, as far as no mark is open."""
        while len(self.text) >= LIMIT and not self.full:
            cut = neutral(self.text[:LIMIT])
            self._chunks.parsed.append(self._parse(self.text[:cut]))
            self.text = self.text[cut:]

    def close(self, margin: Margin) -> Flow:
        """The paragraph. What has settled is shared with forks."""
        return Flow(margin, self._parse(self.text.rstrip(" ")), self._chunks)


def neutral(text: str) -> int:
    """Where to cut `text` so that no emphasis, code or link is torn: after a space, if any is."""
    half, last_space, last_neutral = len(text) // 2, 0, 0
    code, brackets, pairs = "", 0, set[str]()
    for mark in _MARK.finditer(text):
        if mark.lastgroup == "code":
            code = "" if code == mark[0] else code or mark[0]
        elif mark.lastgroup == "space":
            last_space = mark.end()
            if not (code or brackets or pairs):
                last_neutral = mark.end()
        elif not code and mark.lastgroup == "pair":
            pairs ^= {mark[0]}
        elif not code:
            brackets = max(0, brackets + (1 if mark.lastgroup == "open" else -1))
    return next((at for at in (last_neutral, last_space) if at > half), len(text))
