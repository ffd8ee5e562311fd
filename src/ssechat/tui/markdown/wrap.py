"""Greedy line breaking that can go on: what is fed later never changes a line that is full."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ssechat.tui.markdown.breaks import (
    CJK,
    CLOSING,
    EVEN,
    OPENING,
    even,
    even_cells,
    first_break,
    last_break,
    reach,
)
from ssechat.tui.markdown.spans import Line, Span, Style, cells, merge, take

_NOT_FIRST = re.compile(f"[{CLOSING}]+")
_MARKS = "\u0300-\u036f\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef"
_JOINER = "\u200d"
_LATE = re.compile(rf"[{_MARKS}{_JOINER}]")
_PIECE = re.compile(rf"\n| +|(?P<wide>[{CJK}][{_MARKS}]{{0,4}}[{CLOSING}]*)|[^ \n{CJK}]+")
MANY = 40
"""Shorter texts are placed word by word, in characters."""
_LINES = re.compile(f"[{EVEN}]{{{MANY},}}+")


class Wrapper:
    """Lines of at most `width` cells.

    Breaks at spaces, around every CJK character, at "\\n", and within a word that is wider than a
    line; but no line begins with closing punctuation or ends with opening punctuation because of
    a CJK character beside it (kinsoku). Spaces at a soft break vanish; spaces at the beginning of
    a hard line stay, as far as half the width.
    """

    def __init__(self, width: int) -> None:
        self.width = max(width, 2)
        self.lines: list[Line] = []
        self._line: list[Span] = []
        self._used = 0
        self._space = Span("")
        self._word: list[Span] = []
        self._word_cells = 0
        self._word_chars = 0
        self._wide = False  # the word ends in a CJK character, and so perhaps here
        self._soft = False  # the line begins at a soft break

    def fork(self) -> Wrapper:
        """A copy to go on with, while this one stays as it is."""
        other = Wrapper(self.width)
        other.lines, other._line, other._word = self.lines.copy(), self._line[:], self._word[:]
        other._used, other._word_cells = self._used, self._word_cells
        other._word_chars = self._word_chars
        other._space, other._soft, other._wide = self._space, self._soft, self._wide
        return other

    def feed(self, spans: Iterable[Span]) -> None:
        for text, style in spans:
            done = 0
            for run in _LINES.finditer(text) if len(text) >= MANY else ():
                self._pieces(text[done : run.start()], style)
                self._even(run[0], style)
                done = run.end()
            self._pieces(text[done:], style)

    def finish(self) -> list[Line]:
        """All lines: one at least, and the last one even if it is empty."""
        self._end_word()
        self._end_line()
        return self.lines

    def _even(self, text: str, style: Style) -> None:
        """What `_pieces` does, but a line at a time where that can be: between the end of the first
        word, which may go on another, and the beginning of the last, which may go on."""
        start = first_break(text, len(text) - len(text.lstrip(" ")))
        stop = last_break(text, start, len(text) - 1) if start < len(text) else start
        lines = text[start:stop].rstrip(" ")
        self._pieces(text[:start], style)
        if lines:
            self._end_word()
            self._fill(lines, style)
        self._pieces(text[start + len(lines) :], style)

    def _fill(self, text: str, style: Style) -> None:
        """The text comes after a word and ends with one."""
        at = 0
        while at < len(text):
            while self._soft and not self._used and text[at] == " ":
                at += 1
            stop = reach(text, at, self.width - self._used)
            if stop < len(text):
                stop = last_break(text, at, stop)
            if fitting := text[at:stop].rstrip(" "):
                self._line.append(Span(fitting, style))
                self._used += even_cells(fitting)
                at += len(fitting)
            elif self._used:
                self._end_line()
                self._soft = True
            else:
                stop = first_break(text, at)
                self._pieces(text[at:stop], style)
                self._end_word()
                at = stop

    def _pieces(self, text: str, style: Style) -> None:
        for match in _PIECE.finditer(text):
            self._piece(match[0], style, match.lastgroup is not None)

    def _piece(self, piece: str, style: Style, wide: bool) -> None:
        if piece[0] == " ":
            self._end_word()
            self._space = Span(self._space.text + piece, style)
        elif piece == "\n":
            self._end_word()
            self._end_line()
            self._soft = False
        else:
            self._text(piece, style, wide)

    def _text(self, piece: str, style: Style, wide: bool) -> None:
        """Add to the word, or end it and begin another where CJK characters let a line end."""
        if self._word and (wide or self._wide):
            if closing := _NOT_FIRST.match(piece):
                self._add(closing[0], style)
                self._wide = True
                if rest := piece[closing.end() :]:
                    self._text(rest, style, wide)
                return
            if self._word[-1].text[-1] not in OPENING and not self._joins(piece):
                self._end_word()
        self._add(piece, style)
        self._wide = wide

    def _joins(self, piece: str) -> bool:
        """Whether the piece is of one character with the end of the word."""
        return bool(_LATE.match(piece)) or self._word[-1].text[-1] == _JOINER

    def _add(self, piece: str, style: Style) -> None:
        # A selector or joiner changes the width of the character before it, in whatever span.
        if self._word and self._joins(piece):
            before = self._word.pop()
            self._word_cells -= cells(before.text)
            piece, style = before.text + piece, before.style
        self._word.append(Span(piece, style))
        self._word_cells += cells(piece)
        self._word_chars += len(piece)
        if self._word_cells > 4 * self.width or self._word_chars > 32 * self.width:
            self._relieve()

    def _end_word(self) -> None:
        """Place the pending word, on this line or the next."""
        if not self._word:
            return
        self._begin_word()
        if self._used + self._word_cells > self.width or self._word_chars > 8 * self.width:
            self._chop()
        self._line += self._word
        self._used += self._word_cells
        self._space = Span("")
        self._word, self._word_cells, self._word_chars = [], 0, 0

    def _begin_word(self) -> None:
        """The space before the word, or another line if it does not fit into this one."""
        if not self._used:  # spaces that begin a line are dropped after a soft break, else bounded
            room = 0 if self._soft else self.width // 2
            self._space = Span(self._space.text[:room], self._space.style)
        space = len(self._space.text)
        if self._used and self._used + space + self._word_cells > self.width:
            self._end_line()
            self._soft = True
        elif space:
            self._line.append(self._space)
            self._used += space

    def _relieve(self) -> None:
        """Break what has come of a word that will not fit anyway, but for the end of it."""
        self._begin_word()
        self._chop()
        rest = merge(self._line)
        self._word, self._word_cells = list(rest), self._used
        self._word_chars = sum(len(text) for text, _ in rest)
        self._line, self._used, self._space = [], 0, Span("")

    def _chop(self) -> None:
        """Break a word that is too wide; its last piece stays pending."""
        for text, style in merge(self._word):
            rest, left = text, cells(text)
            while rest and (self._used + left > self.width or len(rest) > 8 * self.width):
                count = take(rest, self.width - self._used)
                taken = cells(rest[:count])
                if not self._used or self._used + taken <= self.width:
                    self._line.append(Span(rest[:count], style))
                    rest, left = rest[count:], left - taken
                self._end_line()
                self._soft = True
            self._line.append(Span(rest, style))
            self._used += left
        self._word, self._word_cells, self._word_chars = [], 0, 0

    def _end_line(self) -> None:
        self.lines.append(merge(self._line))
        self._line, self._used = [], 0
        self._space = Span("")


def wrap(spans: Iterable[Span], width: int) -> list[Line]:
    """The spans broken into lines of at most `width` cells (at least 2)."""
    spans = list(spans)
    text = "".join(span.text for span in spans)
    if len(text) <= width and "\n" not in text and _fits(text, width):
        return [merge(spans)]
    wrapper = Wrapper(width)
    wrapper.feed(spans)
    return wrapper.finish()


def _fits(text: str, width: int) -> bool:
    if text.isascii():
        return True
    return text.strip(" ") == text and even(text) and even_cells(text) <= width
