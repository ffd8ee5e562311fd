"""The inline grammar: markdown-it's CommonMark, and what the answers of models need besides.

$x$  $$x$$  \\(x\\)  \\[x\\]   mathematics, shown as it is written: nothing in it is a mark
[^a]                       a footnote, if it is defined
https://a.b                shown as it is written, too
**「字」**字                  emphasis where CJK characters stand beside the marks
<a>                        HTML is text
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace, normalizeReference
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token

Environment = dict[str, Any]
"""What markdown-it calls `env`: "references" by label, and "footnotes", a set of labels."""

FOOTNOTE = r"\[\^([^\s\[\]^]{1,60})\]"

_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U00020000-\U0003fffd]"
)
MATH = (
    r"\$\$(?:[^$\\`]|\\.)+\$\$"
    r"|\$(?![\s$])(?:[^$\\`]|\\.)*(?<!\s)\$(?![\d$])"  # not the prices in "$5 and $10"
    r"|\\\((?:[^\\]|\\[^()])+\\\)"
    r"|\\\[(?:[^\\]|\\[^\[\]])+\\\](?!\()"
)
_MATH = re.compile(MATH, re.DOTALL)
_TEX = re.compile(r"\A\s|[\\^_={}<>+|]")
_PLAIN = re.compile(r"[^\n!$&*:<\[\\\]_`~]+")
_FOOTNOTE = re.compile(FOOTNOTE)
_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])(?:https?|ftp)\Z", re.IGNORECASE)
_ADDRESS = re.compile(
    r"://[A-Za-z0-9](?:[^\s<>\[\]\"`|\\^{}*~、-】！（），：；？「」“”]|\*(?!\*)|~(?!~))*"
)
_AFTER_ADDRESS = re.compile(r"(?:&\w+;|[?!.,:;*_~'’])+\Z")


@cache
def _grammar() -> MarkdownIt:
    grammar = MarkdownIt("commonmark", {"html": True}).enable("strikethrough")
    rules = grammar.inline.ruler
    rules.at("text", _text)
    for rule in (_math, _footnote, _address, _bracket):
        rules.before("escape", rule.__name__, rule)
    return grammar


def tokens(text: str, env: Environment) -> list[Token]:
    """What a paragraph's text consists of."""
    grammar = _grammar()
    state = _State(text, grammar, env, [])
    grammar.inline.tokenize(state)
    for rule in grammar.inline.ruler2.getRules(""):
        rule(state)
    return state.tokens


def label_key(label: str) -> str:
    """Labels that are the same have the same key."""
    return normalizeReference(label)


def same_address(target: str, shown: str) -> bool:
    """Whether a link whose text is `shown` leads nowhere else than that says."""
    plain = "xn--" not in target  # a host may look like another one in other letters
    return plain and target in (_grammar().normalizeLink(shown), f"mailto:{shown}")


class _State(StateInline):
    """Next to CJK characters, which stand without spaces, punctuation keeps no mark from opening
    or closing; nor does CJK punctuation."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        found = super().scanDelims(start, canSplitWord)
        end = start + found.length
        before, after = self.src[start - 1 : start] or " ", self.src[end : end + 1] or " "
        if not (canSplitWord and (_CJK.match(before) or _CJK.match(after))):
            return found
        opens = not _blank(after) and (not _mark(after) or _apart(before))
        closes = not _blank(before) and (not _mark(before) or _apart(after))
        return Scanned(opens, closes, found.length)


def _blank(char: str) -> bool:
    return isWhiteSpace(ord(char))


def _mark(char: str) -> bool:
    """Punctuation, but not a CJK character."""
    return not _CJK.match(char) and (isMdAsciiPunct(ord(char)) or isPunctChar(char))


def _apart(char: str) -> bool:
    """A character beside which a word may begin or end."""
    return _blank(char) or _mark(char) or _CJK.match(char) is not None


def _text(state: StateInline, silent: bool) -> bool:
    """As markdown-it's, which stops at all punctuation, for rules that are not in use here."""
    found = _PLAIN.match(state.src, state.pos, state.posMax)
    if found and not silent:
        state.pending += found[0]
    state.pos = found.end() if found else state.pos
    return found is not None


def displayed(text: str) -> bool:
    r"""Whether what stands between \[ and \] is mathematics; else the brackets are escaped."""
    return "](" not in text and _TEX.search(text) is not None


def _math(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\" or state.src[state.pos - 1 : state.pos].isalnum():
        return False
    found = _MATH.match(state.src, state.pos, state.posMax)
    if not found or not any(map(str.isalnum, found[0])):
        return False
    if found[0].startswith("\\[") and not displayed(found[0][2:-2]):
        return False
    return _literal(state, silent, "math", found.end())


def _footnote(state: StateInline, silent: bool) -> bool:
    found = _FOOTNOTE.match(state.src, state.pos, state.posMax)
    if not found or label_key(found[1]) not in state.env.get("footnotes", ()):
        return False
    return _literal(state, silent, "footnote", found.end(), f"[{found[1]}]")


def _bracket(state: StateInline, silent: bool) -> bool:
    """A bracket that nothing closes: else the end of each would be sought in all of the text."""
    bracket = "![" if state.src[state.pos] == "!" else "["
    if not state.src.startswith(bracket, state.pos):
        return False
    if state.src.find("]", state.pos, state.posMax) >= 0:
        return False
    if not silent:
        state.pending += bracket
    state.pos += len(bracket)
    return True


def _address(state: StateInline, silent: bool) -> bool:
    """An address that stands in the text. Its scheme has been taken for text already."""
    if state.src[state.pos] != ":":
        return False
    scheme = _SCHEME.search(state.src, max(0, state.pos - 8), state.pos)
    found = scheme and _ADDRESS.match(state.src, state.pos, state.posMax)
    if not scheme or not found:
        return False
    address = state.src[scheme.start() : _address_end(found)]
    end = scheme.start() + len(address)
    if end <= state.pos + 3 or not (silent or state.pending.endswith(scheme[0])):
        return False
    if not silent:
        state.pending = state.pending.removesuffix(scheme[0])
    return _literal(state, silent, "text" if state.linkLevel else "address", end, address)


def _address_end(found: re.Match[str]) -> int:
    """Where it ends: without punctuation that belongs to the sentence around it."""
    text = found[0]
    while True:
        shorter = _AFTER_ADDRESS.sub("", text)
        if shorter.endswith(")") and shorter.count(")") > shorter.count("("):
            shorter = shorter[:-1]
        if shorter == text:
            return found.start() + len(text)
        text = shorter


def _literal(
    state: StateInline, silent: bool, kind: str, end: int, content: str | None = None
) -> bool:
    if not silent:
        state.push(kind, "", 0).content = state.src[state.pos : end] if content is None else content
    state.pos = end
    return True
