"""From a paragraph's text to spans: what is emphasised, what is code, where links go."""

from __future__ import annotations

import re
from itertools import islice

from markdown_it.token import Token

from ssechat.core.safe import clean
from ssechat.tui.markdown import syntax
from ssechat.tui.markdown.spans import Span, restyle, steady
from ssechat.tui.markdown.syntax import Environment

LIMIT = 1024
"""Longer texts are read in pieces of at most so many characters: reading is not always linear."""

_SPECIAL = re.compile(r"[\\`*_~\[<&\n$:]")
_UNSPACED = re.compile(  # between Han and kana there are no spaces, nor beside their punctuation
    r"[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uff60]\n[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uff60]"
    r"|[\u3000-\u3020\uff00-\uff0f\uff1a-\uff20]\n|\n[\u3000-\u3020\uff00-\uff0f\uff1a-\uff20]"
)
_BREAKS = str.maketrans("\t\n", "  ")
_STYLES = {"strong_open": "strong", "em_open": "em", "s_open": "strike", "link_open": "link"}
_LITERAL = {"code_inline": "code", "math": "code", "footnote": "link", "address": "link"}
_MARKS = (
    rf"(?=[$\\:*_~`\[\]])(?:{syntax.MATH}|://\S+|\\.|(?<!\S)[*_~$]+(?!\S)"
    r"|(?<=[^\W_])_+(?=[^\W_])"  # so far what opens nothing
    r"|(?P<code>`+)|(?P<pair>\*\*|\*|~~|__|_)|(?P<open>\[)|(?P<close>\]))"
)
_MARK = re.compile(_MARKS, re.DOTALL)
_MARK_OR_SPACE = re.compile(rf"(?P<space>[ \n]+)|{_MARKS}", re.DOTALL)
_PAIRED = re.compile(r"[*_~`]")
_LAST_MARKS = re.compile(r"(?<!\\)[*_~`]+\Z")


def parse_inline(text: str, env: Environment) -> list[Span]:
    """The spans of a paragraph's text; "\\n" in a span is a hard break."""
    if not _SPECIAL.search(text):
        return [Span(text)]
    reader = _Reader()
    while text:
        cut = neutral(text[:LIMIT]) if len(text) > LIMIT else len(text)
        reader.read(syntax.tokens(text[:cut], env))
        text = text[cut:]
    return reader.spans


def parse_open(text: str, env: Environment) -> list[Span]:
    """The spans of a text that goes on: emphasis and code that are open at its end end there.

    Else their marks would be seen until they close, and the line would jump then.
    """
    text = _LAST_MARKS.sub("", text)
    marks = _open_marks(text) if _PAIRED.search(text) else ""
    if not marks:
        return parse_inline(text, env)
    spans = parse_inline(f"{text.rstrip()}{marks}", env)
    taken = not "".join(span.text for span in spans).endswith(marks[-1])
    return spans if taken else parse_inline(text, env)


def _open_marks(text: str) -> str:
    """The marks that would close what is open at the end."""
    code, opened = "", list[str]()
    for mark in _MARK.finditer(text):
        if mark.lastgroup == "code":
            code = "" if code == mark[0] else code or mark[0]
        elif mark.lastgroup != "pair" or code:
            continue
        elif mark[0] in opened:
            del opened[opened.index(mark[0]) :]
        elif _begins_word(text, mark):
            opened.append(mark[0])
    return code + "".join(reversed(opened))


def _begins_word(text: str, mark: re.Match[str]) -> bool:
    """Whether the mark stands before a word, and not within one."""
    before, after = text[mark.start() - 1 : mark.start()], text[mark.end() : mark.end() + 1]
    return bool(after.strip()) and not (before.isascii() and before.isalnum())


def neutral(text: str) -> int:
    """Where to cut `text` so that no emphasis, code or link is torn: after a space, if any is."""
    half, last_space, last_neutral = len(text) // 2, 0, 0
    code, brackets, pairs = "", 0, set[str]()
    for mark in _MARK_OR_SPACE.finditer(text):
        kind = mark.lastgroup
        if kind == "code":
            code = "" if code == mark[0] else code or mark[0]
        elif kind == "space":
            last_space = mark.end()
            if not (code or brackets or pairs):
                last_neutral = mark.end()
        elif not code and kind == "pair":
            pairs ^= {mark[0]}
        elif not code and kind in ("open", "close"):
            brackets = max(0, brackets + (1 if kind == "open" else -1))
    return next((at for at in (last_neutral, last_space) if at > half), len(text))


class _Reader:
    """Folds inline tokens into spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._styles: list[str] = []
        self._links: list[tuple[str, int]] = []  # target, and the span with which the text begins

    def read(self, tokens: list[Token]) -> None:
        in_html = _is_tag(tokens[:1])  # a line that begins with a tag
        for at, token in enumerate(tokens):
            if token.type != "softbreak":
                self._token(token)
            elif (begins := _is_tag(tokens[at + 1 : at + 2])) or in_html:
                self.spans.append(Span("\n"))
                in_html = begins
            else:
                right = next(
                    (each.content for each in islice(tokens, at + 1, None) if each.content), ""
                )
                self._soft_break(right)

    def _token(self, token: Token) -> None:
        kind = token.type
        if kind == "hardbreak":
            self.spans.append(Span("\n"))
        elif kind in _LITERAL:
            self._put(token.content, _LITERAL[kind])
        elif kind == "image":
            self._image(token)
        elif kind in _STYLES:
            if kind == "link_open":
                self._links.append((str(token.attrs.get("href", "")), len(self.spans)))
            self._styles.append(_STYLES[kind])
        elif kind.endswith("_close"):
            self._styles.pop()
            if kind == "link_close":
                self._target(*self._links.pop())
        else:
            self._put(token.content)

    def _put(self, text: str, style: str = "") -> None:
        # Entities (&#x202E;) and percent escapes bring back what was cleaned away.
        safe = text if text.isprintable() else steady(clean(text)).translate(_BREAKS)
        names = dict.fromkeys([*self._styles, style] if style else self._styles)
        self.spans.append(Span(safe, " ".join(names)))

    def _soft_break(self, right: str) -> None:
        """A space, but none between characters that stand without."""
        left = self.spans[-1].text[-1:] if self.spans else ""
        self._put("" if _UNSPACED.match(f"{left}\n{right[:1]}") else " ")

    def _image(self, token: Token) -> None:
        text = _plain(token.children or [])
        self._put(f"[image: {text}]" if text else "[image]", "image")
        source = str(token.attrs.get("src", ""))
        if not source.startswith("data:"):
            self._target(source, len(self.spans))

    def _target(self, target: str, start: int) -> None:
        shown = "".join(span.text for span in self.spans[start:])
        if target and not syntax.same_address(target, shown):
            self.spans += restyle([Span(f" <{clean(target)}>")], "target")


def _is_tag(tokens: list[Token]) -> bool:
    return bool(tokens) and tokens[0].type == "html_inline"


def _plain(tokens: list[Token]) -> str:
    """An image's description, without marks."""
    texts: list[str] = []
    for token in tokens:
        inner = _plain(token.children) if token.children else token.content
        texts.append(" " if token.type in ("softbreak", "hardbreak") else inner)
    return "".join(texts)
