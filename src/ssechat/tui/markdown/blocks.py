"""What a document is made of once its source is read: blocks that can be laid out at any width."""

from __future__ import annotations

from dataclasses import dataclass, field

from ssechat.tui.markdown.spans import (
    Line,
    Span,
    Style,
    about_cells,
    cells,
    line_cells,
    line_text,
    merge,
    restyle,
    tail,
)
from ssechat.tui.markdown.wrap import Wrapper, wrap


@dataclass(frozen=True, slots=True)
class Margin:
    """What stands left of a block: list markers and quote bars, in characters of one cell.

    `first` is for the first line, `rest` for the others. `gap` is for the blank line before the
    block, which follows the source: None where the source has none.
    """

    first: Line = ()
    rest: Line = ()
    gap: Line | None = None

    def cut(self, room: int) -> Margin:
        """At most `room` cells of it, the innermost."""
        if line_cells(self.rest) <= room:
            return self
        gap = None if self.gap is None else self.gap and tail(self.gap, room)
        return Margin(tail(self.first, room), tail(self.rest, room), gap)


NO_MARGIN = Margin()


class Block:
    """A leaf of the document, frozen."""

    __slots__ = ()
    margin: Margin

    @property
    def size(self) -> int:
        """What to guess its height from: about how many cells its text takes, one at least; or,
        below zero, how many lines."""
        return -1

    def lines(self, width: int) -> list[Line]:
        """The block's lines, none wider than `width` cells, with the blank line before it."""
        margin = self.margin.cut(width // 2)
        lines = self.content(width - line_cells(margin.rest))
        if margin.rest:
            lines = [margin.rest + line for line in lines]
        if margin.first != margin.rest:
            lines[0] = margin.first + lines[0][len(margin.rest) :]
        return lines if margin.gap is None else [margin.gap, *lines]

    def content(self, width: int) -> list[Line]:
        """A new list of at least one line."""
        raise NotImplementedError


class Placed(Block):
    """One with a margin of its own."""

    __slots__ = ("margin",)

    def __init__(self, margin: Margin) -> None:
        self.margin = margin


class Blank(Block):
    """Empty lines, so many of them."""

    __slots__ = ("_count",)
    margin = NO_MARGIN

    def __init__(self, count: int) -> None:
        self._count = count

    @property
    def size(self) -> int:
        return -self._count

    def content(self, width: int) -> list[Line]:
        return [()] * self._count


class Literal(Block):
    """One line of text that is shown as it is, wrapped."""

    __slots__ = ("_style", "_text")
    margin = NO_MARGIN

    def __init__(self, text: str, style: Style) -> None:
        self._text = text
        self._style = style

    @property
    def size(self) -> int:
        return about_cells(self._text)

    def content(self, width: int) -> list[Line]:
        return wrap([Span(self._text, self._style)], width)


Stored = Block | str
"""A block; or one that is kept as a string, its style in the first line and its text in the second.
There may be a hundred thousand of those, through which the garbage collector would go again and
again if they were objects."""


def stored(text: str, style: Style) -> Stored:
    """A `Literal`, as it is kept."""
    return f"{style}\n{text}"


def restored(kept: Stored) -> Block:
    """The block again."""
    if isinstance(kept, str):
        style, _, text = kept.partition("\n")
        return Literal(text, style)
    return kept


class Rule(Placed):
    __slots__ = ()

    def content(self, width: int) -> list[Line]:
        return [(Span("─" * width, "rule"),)]


class Code(Placed):
    """One line of code; `label` stands at its right, if anything."""

    __slots__ = ("_label", "_spans")

    def __init__(self, margin: Margin, spans: list[Span], label: str = "") -> None:
        super().__init__(margin)
        self._spans = spans
        self._label = label

    @property
    def text(self) -> str:
        return line_text(tuple(self._spans))

    @property
    def size(self) -> int:
        return about_cells(self.text)

    def recolour(self, spans: list[Span]) -> bool:
        """Take these spans of the same text: whether they look different."""
        old, self._spans = self._spans, spans
        return merge(old) != merge(spans)

    def content(self, width: int) -> list[Line]:
        indent = (Span("  "),) if width > 20 else ()
        room = width - line_cells(indent)
        label = cells(self._label)  # it costs the first line some room, unless that is too narrow
        if not label or label > room // 3:
            return [indent + line for line in wrap(self._spans, room)]
        first, *rest = wrap(self._spans, room - label - 2)
        pad = Span(" " * (room - label - line_cells(first)))
        return [
            (*indent, *first, pad, Span(self._label, "fence.label")),
            *(indent + line for line in rest),
        ]


@dataclass
class Chunks:
    """The settled beginning of a long paragraph, and how far it has been laid out."""

    parsed: list[list[Span]] = field(default_factory=list)
    size: int = 0
    """Cells, about."""
    growing: bool = True
    _wrapper: Wrapper | None = None
    _fed: int = 0

    def add(self, spans: list[Span]) -> None:
        self.parsed.append(spans)
        self.size += sum(about_cells(span.text) for span in spans)

    def replace(self, at: int, spans: list[Span]) -> None:
        self.parsed[at] = spans
        self._wrapper = None

    def wrapper(self, width: int) -> Wrapper:
        """A wrapper of one's own that has been fed with them."""
        if self._wrapper is None or self._wrapper.width != width:
            self._wrapper, self._fed = Wrapper(width), 0
        for spans in self.parsed[self._fed :]:
            self._wrapper.feed(spans)
        self._fed = len(self.parsed)
        wrapper = self._wrapper
        if self.growing:
            return wrapper.fork()
        self._wrapper = None  # whoever asks keeps the lines
        return wrapper


class Flow(Placed):
    """A paragraph or a heading: text that is wrapped, in `style`."""

    __slots__ = ("_chunks", "_spans", "_style")

    def __init__(
        self, margin: Margin, spans: list[Span], style: str = "", chunks: Chunks | None = None
    ) -> None:
        super().__init__(margin)
        self._style = style
        self._chunks = chunks
        self.replace(spans)

    def replace(self, spans: list[Span]) -> None:
        """The text, or what comes after the chunks, is now this."""
        self._spans = restyle(spans, self._style) if self._style else spans

    @property
    def size(self) -> int:
        settled = self._chunks.size if self._chunks else 0
        return settled + about_cells(line_text(tuple(self._spans)))

    def content(self, width: int) -> list[Line]:
        if self._chunks is None:
            return wrap(self._spans, width)
        wrapper = self._chunks.wrapper(width)
        wrapper.feed(self._spans)
        return wrapper.finish()


def heading(margin: Margin, level: int, spans: list[Span]) -> Flow:
    return Flow(margin, spans, "heading" if level < 3 else "heading.sub")
