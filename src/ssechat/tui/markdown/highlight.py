"""Colours for code: each line is lexed in the state that the line before it left, and once more
when all are known, for a comment or string may end where nobody saw it begin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from time import thread_time
from typing import Any, cast

from ssechat.tui.markdown.spans import Span

_LABEL = re.compile(r"[\w+#.-]{1,32}\Z")
LONGEST = 400
"""Longer lines are not lexed, in characters: lexers are regular expressions, some of them slow."""
WHOLE = 100_000
EAGER = 4096
"""Longer fences are not lexed as a whole, in characters; EAGER is for lexers that read all before
they give the first token, as some do that are not made of a table of expressions."""
REACH = 4096
"""How far ahead a lexer's expression may look there, in characters."""
SLOWEST = 5e-5
PATIENCE = 0.3
"""A lexer that takes longer than SLOWEST, in seconds of CPU for a character, and by so much more
that it adds up to PATIENCE, is not used again: some take seconds for a text that is made for it."""
DEEPEST = 200
"""A lexer that nests deeper starts again."""

_LANGUAGES = """
ada apacheconf applescript arduino awk basemake bash batch bibtex c capnp clojure cmake
coffeescript common-lisp console cpp crystal csharp css cuda cython d dart delphi diff docker
doscon elixir elm emacs-lisp erlang fennel fish forth fortran fsharp gas gdscript gherkin glsl
go graphql groovy haskell haxe hcl hlsl html http ini java javascript json json5 jsonnet jsx
julia kotlin less liquid llvm lua make markdown matlab meson mysql nasm nginx nim nix numpy
objective-c ocaml octave odin openscad perl php plpgsql postgresql powershell prolog properties
protobuf ps1con psql puppet pycon pytb python qml r racket rconsole rst ruby rust sass scala
scheme scss sed smalltalk solidity sparql sql sqlite3 swift systemd systemverilog tcl terraform
tex thrift toml tsx typescript vb.net verilog vhdl vim vue wast xml yaml zig
"""
"""Of the hundreds that pygments knows, some can be held up for minutes by a line made for it."""
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
        if self._lexer is None or len(text) > LONGEST or not _patient(self._lexer):
            return [Span(text, "fence")]
        began = thread_time()
        try:
            tokens = list(self._tokens(f"{text}\n"))
            _charge(self._lexer, thread_time() - began, len(text))
        except Exception:  # noqa: BLE001  hundreds of lexers, fed with half a language
            self._lexer = None
            return [Span(text, "fence")]
        # A lexer may rewrite what it reads; then its colours would be of another text.
        spans = [Span(value.replace("\n", ""), _role(kind)) for kind, value in tokens]
        return spans if "".join(span.text for span in spans) == text else [Span(text, "fence")]

    def _tokens(self, text: str) -> Iterator[tuple[Any, str]]:
        from pygments.lexer import LexerContext  # type: ignore[import-untyped]

        if not _keeps_state(self._lexer):
            for _, kind, value in self._lexer.get_tokens_unprocessed(text):
                yield kind, value
            return
        context = LexerContext(text, 0, self._stack)
        for _, kind, value in _run(self._lexer, context):
            yield kind, value
        self._stack = context.stack if len(context.stack) <= DEEPEST else ["root"]


def whole(label: str, rows: Sequence[str]) -> Iterator[list[Span]]:
    """The spans of each row of a fence, up to the first row that cannot be lexed."""
    lexer = _lexer(label.lower())
    lengths = [len(row) + 1 for row in rows]
    if lexer is None or len(rows) < 2 or max(lengths) > LONGEST or sum(lengths) > _most(lexer):
        return
    done, spans = 0, list[Span]()
    try:
        for kind, value in _in_time(lexer, _whole_tokens(lexer, "".join(f"{r}\n" for r in rows))):
            *ended, rest = value.split("\n")
            for part in ended:
                spans.append(Span(part, _role(kind)))
                if "".join(span.text for span in spans) != rows[done]:
                    return  # the lexer rewrites what it reads
                yield spans
                done, spans = done + 1, []
            spans.append(Span(rest, _role(kind)))
    except Exception:  # noqa: BLE001  hundreds of lexers, fed with anything
        return


def _in_time(lexer: Any, tokens: Iterator[tuple[Any, str]]) -> Iterator[tuple[Any, str]]:
    while _patient(lexer):
        began = thread_time()
        token = next(tokens, None)
        if token is None:
            return
        _charge(lexer, thread_time() - began, len(token[1]))
        yield token


_owed: dict[str, float] = {}  # by lexers' names


def _charge(lexer: Any, seconds: float, chars: int) -> None:
    owed = _owed.get(lexer.name, 0.0) + seconds - SLOWEST * chars
    _owed[lexer.name] = max(0.0, owed)


def _patient(lexer: Any) -> bool:
    return _owed.get(lexer.name, 0.0) <= PATIENCE


def _whole_tokens(lexer: Any, text: str) -> Iterator[tuple[Any, str]]:
    from pygments.lexer import LexerContext

    if not _keeps_state(lexer):
        for _, kind, value in lexer.get_tokens_unprocessed(text):
            yield kind, value
        return
    context = LexerContext(text, 0, ["root"], min(REACH, len(text)))
    for at, kind, value in _run(lexer, context):
        context.end = min(at + len(value) + REACH, len(text))
        if len(context.stack) > DEEPEST:
            context.stack = ["root"]
        yield kind, value


def _most(lexer: Any) -> int:
    from pygments.lexer import RegexLexer

    return WHOLE if isinstance(lexer, RegexLexer) else EAGER


def _keeps_state(lexer: Any) -> bool:
    from pygments.lexer import ExtendedRegexLexer, RegexLexer

    return isinstance(lexer, RegexLexer) and not isinstance(lexer, ExtendedRegexLexer)


def _run(lexer: Any, context: Any) -> Iterator[tuple[int, Any, str]]:
    """A RegexLexer forgets its state; the extended one's loop, run on its table, keeps it."""
    from pygments.lexer import ExtendedRegexLexer

    run = cast(Callable[..., Any], ExtendedRegexLexer.get_tokens_unprocessed)
    return cast(Iterator[tuple[int, Any, str]], run(lexer, context=context))


@cache
def _labels() -> frozenset[str]:
    """All names of those languages. Asking pygments for others makes it search for plug-ins."""
    from pygments.lexers import get_all_lexers  # type: ignore[import-untyped]

    languages = set(_LANGUAGES.split())
    known = (set(aliases) for _, aliases, _, _ in get_all_lexers(plugins=False))
    return frozenset().union(*(aliases for aliases in known if aliases & languages))


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
