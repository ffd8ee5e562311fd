"""A reply's parts on the screen: thinking, text, tool calls, images, and the seams in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssechat.core.blob import Blob
from ssechat.core.meter import estimate
from ssechat.core.reply import Part, PartKind
from ssechat.tui.markdown import Span
from ssechat.tui.markdown.spans import line_cells
from ssechat.tui.markdown.wrap import wrap
from ssechat.tui.transcript import wording
from ssechat.tui.transcript.page import ReplyItem
from ssechat.tui.transcript.reading import Reading
from ssechat.tui.transcript.slices import INDENT, Look, Slice, ThinkingMode, body, fixed

if TYPE_CHECKING:
    from ssechat.tui.markdown import Document

_INNER = (Span("     "),)
_SOURCES = 1 << 28  # in place of the number of the sources, which stand below all other parts


class PartView:
    """One part. `number` is its place in the reply, `opened` whether more than a header shows."""

    def __init__(self, part: Part, number: int) -> None:
        self.part = part
        self.number = _SOURCES if part.kind is PartKind.SOURCES else number
        self.opened = True
        self.body_group = body_group(part, number)
        self.head_group = self.body_group - 1

    @property
    def fed(self) -> int:
        """Characters that have been read."""
        return 0

    @property
    def numbering(self) -> int:
        """Another one whenever lines that are as they were got other numbers."""
        return 0

    @property
    def unread(self) -> bool:
        """Whether something that is shown has not been read yet."""
        return False

    @property
    def pending(self) -> bool:
        """Whether what is shown will change without anything having come."""
        return False

    def read_on(self, item: ReplyItem, look: Look) -> None:
        """Read more, as far as time allows, for the next `slices`."""

    def slices(self, item: ReplyItem, look: Look, toggled: bool | None, last: bool) -> list[Slice]:
        """What the part shows. `last`: no other part follows in what is read in order."""
        raise NotImplementedError


def body_group(part: Part, number: int) -> int:
    """The group of a part's text in its item's stack; that of its header is the one before."""
    return 2 * (_SOURCES if part.kind is PartKind.SOURCES else number) + 2


def part_view(part: Part, number: int) -> PartView:
    if part.media is not None:
        return MediaView(part, number, part.media)
    return TextPartView(part, number)


def thinking_opened(mode: ThinkingMode, toggled: bool | None, *, held: bool) -> bool:
    """Whether thinking is shown. `toggled`: by hand; `held`: it is coming, or being read."""
    if mode is ThinkingMode.HIDE:
        return False
    return (mode is ThinkingMode.SHOW or held) if toggled is None else toggled


class MediaView(PartView):
    """An image or sound: one line that stands for it."""

    def __init__(self, part: Part, number: int, blob: Blob) -> None:
        super().__init__(part, number)
        self._blob = blob

    def slices(self, item: ReplyItem, look: Look, toggled: bool | None, last: bool) -> list[Slice]:
        spans = wording.media(self.part, self._blob)
        hint = look.media_hint if self.part.arrived else ""
        lines = wrap(_justified(spans, hint, look.text_width), look.text_width)
        seams = [wording.seam(seam, live=item.live) for seam in self.part.seams]
        return [
            fixed(self.head_group, lines),
            *(fixed(self.body_group, wrap(list(seam), look.text_width)) for seam in seams),
        ]


class TextPartView(PartView):
    """It remembers how much has been read; a part that is not shown is not read."""

    def __init__(self, part: Part, number: int) -> None:
        super().__init__(part, number)
        self.opened = False
        self._indent = INDENT if part.kind is PartKind.TEXT else _INNER
        self._reading = Reading(part, self._document)
        self._estimated = 0, 0  # the tokens in so many pieces

    @property
    def fed(self) -> int:
        return self._reading.document.fed

    @property
    def numbering(self) -> int:
        return self._reading.document.numbering

    @property
    def unread(self) -> bool:
        return self.opened and self._reading.unread

    @property
    def pending(self) -> bool:
        return self.opened and self._reading.pending

    def read_on(self, item: ReplyItem, look: Look) -> None:
        if self.unread:
            self._read(item, look)

    def slices(self, item: ReplyItem, look: Look, toggled: bool | None, last: bool) -> list[Slice]:
        thinking = self.part.kind is PartKind.THINKING
        growing = item.live and last and self.part.ended is None
        self.opened = not thinking or self._open(item, look, toggled, growing)
        if self.opened:
            self._read(item, look)
        seams = [wording.seam(seam, live=item.live) for seam in self.part.seams]
        hidden = thinking and look.thinking is ThinkingMode.HIDE
        head = [] if hidden else self._head(item, look, growing)
        if not self.opened:
            return head + [fixed(self.body_group, [seam]) for seam in seams]
        return head + body(self.body_group, self._reading.document, look, seams, self._indent)

    def _read(self, item: ReplyItem, look: Look) -> None:
        done = not item.live or self.part.ended is not None
        self._reading.read(look.allowance, done=done)

    def _open(self, item: ReplyItem, look: Look, toggled: bool | None, growing: bool) -> bool:
        read = self.opened and look.reading == (item.key, self.number)
        return thinking_opened(look.thinking, toggled, held=growing or read)

    def _head(self, item: ReplyItem, look: Look, growing: bool) -> list[Slice]:
        if self.part.kind is PartKind.TEXT:
            return []
        if self.part.kind is PartKind.TOOL:
            return [fixed(self.head_group, wrap(wording.tool_header(self.part), look.text_width))]
        if self.part.kind is PartKind.SOURCES:
            return [fixed(self.head_group, [wording.SOURCES])]
        tokens = "" if growing else self._tokens(item)
        spans = wording.thinking_header(
            self.part, opened=self.opened, live=growing, now=look.now, tokens=tokens
        )
        lines = wrap(_justified(spans, look.hint, look.text_width), look.text_width)
        return [fixed(self.head_group, lines, part=self.number)]

    def _tokens(self, item: ReplyItem) -> str:
        told = item.reply.usage.reasoning
        parts = [part for part in item.reply.parts if part.kind is PartKind.THINKING]
        if told is not None and len(parts) == 1:
            return wording.count(told, estimated=False)
        pieces = self.part.pieces
        if self._estimated[0] != len(pieces):
            wide = sum(len(piece) - len(piece.encode("ascii", "ignore")) for piece in pieces)
            self._estimated = len(pieces), estimate(self.part.chars, len(pieces), wide)
        return wording.count(self._estimated[1], estimated=True)

    def _document(self) -> Document:
        styles = {
            PartKind.THINKING: "thinking",
            PartKind.TOOL: "tool",
            PartKind.SOURCES: "muted",
        }
        style = styles.get(self.part.kind)
        from ssechat.tui.markdown.document import Document, plain

        return Document() if style is None else plain(style)


def _justified(spans: list[Span], right: str, width: int) -> list[Span]:
    """The spans, and `right` at the right edge if there is room."""
    room = width - line_cells(tuple(spans)) - len(right)
    return [*spans, Span(" " * room + right, "muted")] if right and room > 2 else spans
