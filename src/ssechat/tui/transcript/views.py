"""Items on the screen: each builds its lines when it comes near, and lets go of them later."""

from __future__ import annotations

from collections.abc import Mapping

from ssechat.core.reply import Part, PartKind
from ssechat.tui.markdown import Span
from ssechat.tui.markdown.spans import line_cells
from ssechat.tui.transcript import wording
from ssechat.tui.transcript.page import Item, NoteItem, ReplyItem, UserItem
from ssechat.tui.transcript.parts import PartView, part_view
from ssechat.tui.transcript.reading import Reading
from ssechat.tui.transcript.slices import (
    END,
    INDENT,
    Look,
    Slice,
    Stack,
    blank,
    body,
    fixed,
    header,
)

Toggled = Mapping[tuple[str, int], bool]

CARET = Span("▊", "caret")


class ItemView:
    """One item. `height` is estimated, in lines, until `build` has measured it."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.height = 0
        self.stack: Stack | None = None
        self._stamp: object = None

    @property
    def fed(self) -> int:
        """Characters read for the lines that are kept."""
        return 0

    @property
    def numbering(self) -> int:
        """Another one whenever lines that are as they were got other numbers."""
        return 0

    @property
    def unread(self) -> bool:
        """Whether the time for reading ended before the text did."""
        return False

    @property
    def pending(self) -> bool:
        """Whether lines will change without anything having come."""
        return False

    def read_on(self, look: Look) -> None:
        """Read more, as far as time allows, for the next `build`."""

    @property
    def ticking(self) -> bool:
        """Whether the item changes by the clock alone."""
        return False

    def shows(self, part: int) -> bool:
        """Whether this thinking part is open."""
        return False

    def fits(self, item: Item) -> bool:
        """Whether this view can go on with `item`: a new version of its own, or the same text."""
        return type(item) is type(self.item)

    def estimate(self, width: int) -> None:
        """Guess the height, from nothing but the number of characters."""
        raise NotImplementedError

    def slices(self, look: Look, toggled: Toggled) -> list[Slice]:
        raise NotImplementedError

    def build(self, look: Look, toggled: Toggled, rev: int) -> Stack:
        """The item's lines, with a blank one after them; `rev` is the page's."""
        told = rev, look.width, look.thinking, look.hint, look.reading, self._version()
        stamp = told, self.fed, self.numbering
        # Live thinking changes without a new version: its header tells the time.
        if self.stack is None or stamp != self._stamp or self.pending or self.ticking:
            self.stack = Stack([*self.slices(look, toggled), blank(END)])
            self.height = len(self.stack)
            self._stamp = told, self.fed, self.numbering
        return self.stack

    def drop(self) -> None:
        """Let go of the lines, but remember how many they were."""
        self.stack = None

    def _version(self) -> object:
        return self.item


def view_of(item: Item) -> ItemView:
    return ReplyView(item) if isinstance(item, ReplyItem) else TextView(item)


class TextView(ItemView):
    """What the user or the app said: shown literally."""

    item: UserItem | NoteItem

    def __init__(self, item: UserItem | NoteItem) -> None:
        super().__init__(item)
        self._reading: Reading | None = None

    @property
    def fed(self) -> int:
        return self._reading.document.fed if self._reading else 0

    @property
    def numbering(self) -> int:
        return self._reading.document.numbering if self._reading else 0

    @property
    def unread(self) -> bool:
        return self._reading is not None and self._reading.unread

    @property
    def pending(self) -> bool:
        return self._reading is not None and self._reading.pending

    def read_on(self, look: Look) -> None:
        if self._reading is not None and self._reading.unread:
            self._reading.read(look.allowance, done=True)

    def estimate(self, width: int) -> None:
        lines = self.item.text.count("\n") + len(self.item.text) // max(8, width)
        self.height = lines + 1 + (2 if isinstance(self.item, UserItem) else 1)

    def fits(self, item: Item) -> bool:
        if isinstance(item, ReplyItem) or not super().fits(item):
            return False
        return item.text == self.item.text

    def slices(self, look: Look, toggled: Toggled) -> list[Slice]:
        if self._reading is None:
            part = Part(PartKind.TEXT, 0.0)
            part.add(self.item.text)
            from ssechat.tui.markdown.document import plain

            self._reading = Reading(part, plain)
        self._reading.read(look.allowance, done=True)
        text = body(2, self._reading.document, look)
        if isinstance(self.item, UserItem):
            return [header(wording.user_header(self.item), look), *text]
        return _beside(wording.note_mark(self.item), text)

    def drop(self) -> None:
        super().drop()
        self._reading = None


class ReplyView(ItemView):
    """An answer, perhaps still growing."""

    item: ReplyItem

    def __init__(self, item: ReplyItem) -> None:
        super().__init__(item)
        self._parts: list[PartView] = []

    @property
    def fed(self) -> int:
        return sum(part.fed for part in self._parts)

    @property
    def numbering(self) -> int:
        return sum(part.numbering for part in self._parts)

    @property
    def unread(self) -> bool:
        return any(part.unread for part in self._parts)

    @property
    def pending(self) -> bool:
        return any(part.pending for part in self._parts)

    def read_on(self, look: Look) -> None:
        for part in self._parts:
            part.read_on(self.item, look)

    @property
    def ticking(self) -> bool:
        if not self.item.live:
            return False
        last = self.item.reply.last
        return last is not None and last.kind is PartKind.THINKING and last.ended is None

    def shows(self, part: int) -> bool:
        return part < len(self._parts) and self._parts[part].opened

    def fits(self, item: Item) -> bool:
        return isinstance(item, ReplyItem) and item.reply is self.item.reply

    def estimate(self, width: int) -> None:
        chars = sum(part.chars for part in self.item.reply.parts if part.kind is PartKind.TEXT)
        self.height = 3 + chars * 3 // (2 * max(8, width))

    def slices(self, look: Look, toggled: Toggled) -> list[Slice]:
        self._update()
        slices = [header(wording.reply_header(self.item), look)]
        loose = False
        for view in self._in_order():
            last = view.part is self.item.reply.last
            shown = view.slices(self.item, look, toggled.get((self.item.key, view.number)), last)
            if loose and shown:
                slices.append(blank(view.head_group))
            slices += shown
            loose = view.opened if shown else loose
        return [*slices, *self._caret(slices, look)] if self.item.live else slices

    def _update(self) -> None:
        """A view for each part; from the first one on that is not the reply's any more, anew."""
        parts = self.item.reply.parts
        for number, view in enumerate(self._parts):
            if number >= len(parts) or view.part is not parts[number]:
                del self._parts[number:]
                break
        for number in range(len(self._parts), len(parts)):
            self._parts.append(part_view(parts[number], number))

    def _in_order(self) -> list[PartView]:
        """As they are shown: the sources last, once nothing comes before them any more."""
        sources = [view for view in self._parts if view.part.kind is PartKind.SOURCES]
        others = [view for view in self._parts if view.part.kind is not PartKind.SOURCES]
        return others if self.item.live else others + sources

    def drop(self) -> None:
        super().drop()
        self._parts.clear()

    def _caret(self, slices: list[Slice], look: Look) -> list[Slice]:
        """The caret at the end of the last line, which makes way, or in a line of its own."""
        last = slices[-1]
        if last.document is None or not len(last):
            return [fixed(END, [(CARET,)])]
        line = last.lines[last.stop - 1]
        if line_cells(last.indent + line) >= look.text_width + len(INDENT[0].text):
            return [fixed(END, [(CARET,)], indent=last.indent)]
        last.stop -= 1
        base = last.base + last.stop - last.start
        ended = Slice(last.group, [(*line, CARET)], 0, 1, last.indent, last.document, base)
        return [ended]

    def _version(self) -> object:
        return self.item, self.item.reply.rev


def _beside(mark: Span, text: list[Slice]) -> list[Slice]:
    """The text, with a mark in place of its first line's indentation."""
    if not text:
        return [fixed(1, [(mark,)], indent=())]
    first = fixed(1, [(mark, *text[0].lines[0])], indent=())
    text[0].start += 1
    text[0].base += 1
    return [first, *text]
