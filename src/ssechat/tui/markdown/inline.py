"""Inline Markdown: emphasis, code, links. The grammar is markdown-it's, with HTML shown as text."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ssechat.core.safe import clean
from ssechat.tui.markdown.spans import Span, restyle

References = dict[str, Any]
"""What markdown-it calls `env`: the link definitions seen so far."""

_SPECIAL = re.compile(r"[\\`*_~\[<&\n]")
_UNSPACED = re.compile(r"[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uff60]")  # Han, kana: no spaces between
_DEFINITION = re.compile(r" {0,3}\[(?!\^)[^\]\n]+\]:")  # not a footnote: those stay text
_STYLES = {"strong_open": "strong", "em_open": "em", "s_open": "strike", "link_open": "link"}


@cache
def _grammar() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def parse_inline(text: str, references: References) -> list[Span]:
    """The spans of a paragraph's text; "\\n" in a span is a hard break."""
    if not _SPECIAL.search(text):
        return [Span(text)]
    token = _grammar().parseInline(text, references)[0]
    return _Reader().read(token.children or [])


def define(line: str, references: References) -> bool:
    """Whether the line is a link definition, which is then kept in `references`."""
    return bool(_DEFINITION.match(line)) and not _grammar().parse(line, references)


class _Reader:
    """Folds inline tokens into spans."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._styles: list[str] = []
        self._links: list[tuple[str, int]] = []  # target, and the span with which the text begins

    def read(self, tokens: list[Token]) -> list[Span]:
        for token in tokens:
            self._token(token)
        return self._spans

    def _token(self, token: Token) -> None:
        match token.type:
            case "softbreak":
                self._soft_break()
            case "hardbreak":
                self._put("\n")
            case "code_inline":
                self._put(token.content, "code")
            case "image":
                self._image(token)
            case "link_close":
                self._styles.pop()
                self._target(*self._links.pop())
            case kind if kind in _STYLES:
                if kind == "link_open":
                    self._links.append((str(token.attrs.get("href", "")), len(self._spans)))
                self._styles.append(_STYLES[kind])
            case "strong_close" | "em_close" | "s_close":
                self._styles.pop()
            case _:
                self._put(token.content)

    def _put(self, text: str, style: str = "") -> None:
        # Entities (&#x202E;) and percent escapes bring back what was cleaned away.
        safe = text if text.isprintable() or text == "\n" else clean(text).replace("\t", " ")
        names = dict.fromkeys([*self._styles, style] if style else self._styles)
        self._spans.append(Span(safe, " ".join(names)))

    def _soft_break(self) -> None:
        last = self._spans[-1].text[-1:] if self._spans else ""
        self._put("" if _UNSPACED.match(last) else " ")

    def _image(self, token: Token) -> None:
        self._put(f"[image: {token.content}]" if token.content else "[image]", "image")
        source = str(token.attrs.get("src", ""))
        if not source.startswith("data:"):
            self._target(source, len(self._spans))

    def _target(self, target: str, start: int) -> None:
        shown = "".join(span.text for span in self._spans[start:])
        if target and target not in (shown, f"mailto:{shown}"):
            self._spans += restyle([Span(f" <{clean(target)}>")], "target")
