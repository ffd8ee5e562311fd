"""Link definitions and footnotes. They may come after the text that refers to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ssechat.tui.markdown.inline import parse_inline
from ssechat.tui.markdown.later import Later, Step
from ssechat.tui.markdown.spans import Span
from ssechat.tui.markdown.syntax import Environment, label_key

_LABEL = re.compile(r"\[((?:[^\[\]\\]|\\.){1,999})\]", re.DOTALL)


class _Use(NamedTuple):
    """A text in a block that has closed. `put` changes the block."""

    source: str
    block: int
    put: Callable[[list[Span]], None]


@cache
def _grammar() -> MarkdownIt:
    return MarkdownIt("zero").enable("reference")


class References:
    """What has been defined, and which texts wait for what has not."""

    def __init__(self, later: Later) -> None:
        self.env: Environment = {"references": {}, "footnotes": set()}
        self._later = later
        self._waiting: dict[str, list[_Use]] = {}

    def take(self, text: str, *, keep: bool) -> str:
        """The paragraph `text` without the definitions that it begins with, which are kept."""
        if not text.startswith("["):
            return text
        found: dict[str, Any] = {}
        left: list[Token] = []
        grammar = _grammar()
        grammar.block.parse(text, grammar, found, left)
        if keep:
            known = self.env["references"]
            for key in found.get("references", {}).keys() - known.keys():
                known[key] = found["references"][key]
                self._release(key)
        return "\n".join(text.split("\n")[left[0].map[0] :]) if left and left[0].map else ""

    def footnote(self, label: str) -> None:
        """There is a footnote of this label."""
        self.env["footnotes"].add(label_key(label))
        self._release(label_key(f"^{label}"))

    def wait(self, source: str, block: int, put: Callable[[list[Span]], None]) -> None:
        """Read `source`, which is in this block, again when something that it refers to comes."""
        for label in dict.fromkeys(_LABEL.findall(source)) if "[" in source else ():
            key = label_key(label)
            if key not in self.env["references"]:
                self._waiting.setdefault(key, []).append(_Use(source, block, put))

    def _release(self, key: str) -> None:
        for use in self._waiting.pop(key, ()):
            self._later.add(self._again(use))

    def _again(self, use: _Use) -> Iterator[Step]:
        use.put(parse_inline(use.source, self.env))
        yield Step(len(use.source), use.block)
