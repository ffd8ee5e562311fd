"""Colours for code: each line is lexed once, in the state that the line before it left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any, cast

from ssechat.tui.markdown.spans import Span

_LABEL = re.compile(r"[\w+#.-]{1,32}\Z")
LONGEST = 400
"""Longer lines are not lexed, in characters: lexers are regular expressions, some of them slow."""
DEEPEST = 200
"""A lexer that nests deeper starts again."""

_ROLES = {
    "Comment": "comment",
    "Keyword": "keyword",
    "Name.Function": "name",
    "Name.Class": "name",
    "Name.Tag": "keyword",
    "Name.Attribute": "name",
    "Name.Decorator": "name",
    "Name.Builtin": "builtin",
    "Literal.String": "string",
    "Literal.Number": "number",
    "Generic.Inserted": "inserted",
    "Generic.Deleted": "deleted",
    "Generic.Heading": "keyword",
    "Generic.Subheading": "keyword",
    "Generic.Prompt": "comment",
}


class Highlighter:
    """The colours of one fence; `label` is what follows its opening mark."""

    def __init__(self, label: str) -> None:
        self._lexer = _lexer(label.lower())
        self._stack = ["root"]

    def fork(self) -> Highlighter:
        other = Highlighter("")
        other._lexer, other._stack = self._lexer, self._stack[:]
        return other

    def line(self, text: str) -> list[Span]:
        """The spans of the next line, given without its line break."""
        if self._lexer is None or len(text) > LONGEST:
            return [Span(text, "fence")]
        try:
            tokens = list(self._tokens(f"{text}\n"))
        except Exception:  # noqa: BLE001  hundreds of lexers, fed with half a language
            self._lexer = None
            return [Span(text, "fence")]
        # A lexer may rewrite what it reads; then its colours would be of another text.
        spans = [Span(value.replace("\n", ""), _role(kind)) for kind, value in tokens]
        return spans if "".join(span.text for span in spans) == text else [Span(text, "fence")]

    def _tokens(self, text: str) -> Iterator[tuple[Any, str]]:
        from pygments.lexer import (  # type: ignore[import-untyped]
            ExtendedRegexLexer,
            LexerContext,
            RegexLexer,
        )

        if not isinstance(self._lexer, RegexLexer) or isinstance(self._lexer, ExtendedRegexLexer):
            for _, kind, value in self._lexer.get_tokens_unprocessed(text):
                yield kind, value
            return
        # A RegexLexer forgets its state; the extended one's loop, run on its table, keeps it.
        context = LexerContext(text, 0, self._stack)
        run = cast(Callable[..., Any], ExtendedRegexLexer.get_tokens_unprocessed)
        for _, kind, value in run(self._lexer, context=context):
            yield kind, value
        self._stack = context.stack if len(context.stack) <= DEEPEST else ["root"]


@cache
def _labels() -> frozenset[str]:
    """What pygments itself knows. Asking it for anything else makes it search for plug-ins."""
    from pygments.lexers import get_all_lexers  # type: ignore[import-untyped]

    return frozenset(
        alias for _, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases
    )


@lru_cache(maxsize=64)
def _lexer(label: str) -> Any:
    """The lexer called `label`, or None. Nothing is ever guessed from the code."""
    if not _LABEL.match(label) or label not in _labels():
        return None
    from pygments.lexers import get_lexer_by_name

    return get_lexer_by_name(label, stripnl=False, ensurenl=False)


@cache
def _role(token: Any) -> str:
    """The style of a token type: the nearest named one among its ancestors."""
    names = str(token).split(".")[1:]
    while names:
        if role := _ROLES.get(".".join(names)):
            return f"fence.{role}"
        names.pop()
    return "fence"
