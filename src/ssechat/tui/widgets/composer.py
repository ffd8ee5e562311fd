"""The composer: where a message is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.content import Content
from textual.document._document import EditResult, Location, Selection
from textual.document._edit import Edit
from textual.strip import Strip
from textual.widgets import TextArea

from ssechat.core.draft import Draft, folded, is_long
from ssechat.tui.widgets.chips import Chips, chip_around, chip_spans, shown, unmarked
from ssechat.tui.widgets.in_order import run_binding

_JOINERS = ("\u200c", "\u200d")  # typed within words and emoji; not printable by themselves


class Composer(TextArea):
    """A text area that grows with its text, up to a bound, and remembers what was sent.

    What is pasted is inserted, whatever it holds; only the send key sends, and that is the app's.
    A long paste is folded: a chip stands for it, which the cursor passes, and backspace deletes, as
    if it was one character. `text` has the chips; `draft` has what they stand for.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"composer--chip"}

    DEFAULT_CSS = """
    Composer {
        height: auto;
        max-height: 40%;
        border: none;
        padding: 0 1 0 1;
        background: $panel;
        &:focus { border: none; background-tint: transparent 0%; }
        .text-area--cursor-line { background: transparent; }
        .text-area--placeholder { color: $text-muted; }
        .composer--chip { color: $text-muted; text-style: italic; }
    }
    """

    def __init__(self) -> None:
        self._chips = Chips()  # before the text area asks where its cursor may stand
        super().__init__(id="composer", soft_wrap=True, highlight_cursor_line=False)
        self._sent: list[Draft] = []
        self._at: int | None = None
        self._recalled = ""
        self._draft = Draft()

    @property
    def draft(self) -> Draft:
        """What is written."""
        return self._chips.read(self.text)

    async def on_key(self, event: events.Key) -> None:
        if event.character in _JOINERS:
            self.insert(event.character)
        else:
            await run_binding(self, event)

    def invite(self, model: str) -> None:
        """Say in the empty composer who will answer."""
        self.placeholder = Content(f"message {model}  (enter sends, ctrl+j new line)")

    def remember(self, texts: Iterable[str]) -> None:
        """What was sent before, newest first."""
        self._sent = [folded(text) for text in texts]

    def sent(self, draft: Draft) -> None:
        """`draft` was sent: the composer is empty again and remembers it."""
        self.keep(draft)
        self.show(Draft())

    def keep(self, draft: Draft) -> None:
        """Put `draft` into the memory without sending it."""
        self._sent = [draft, *(old for old in self._sent if old != draft)]
        self._at = None

    def show(self, draft: Draft) -> None:
        """Let this be what is written."""
        self._at = None
        self._replace(draft)

    def action_cursor_up(self, select: bool = False) -> None:
        if select or not self._on_first_row or not self._recall(1):
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        if select or not self._on_last_row or not self._recall(-1):
            super().action_cursor_down(select)

    @property
    def _on_first_row(self) -> bool:
        return self.wrapped_document.location_to_offset(self.cursor_location).y == 0

    @property
    def _on_last_row(self) -> bool:
        row = self.wrapped_document.location_to_offset(self.cursor_location).y
        return row == self.wrapped_document.height - 1

    def _recall(self, step: int) -> bool:
        """Show an older (1) or newer (-1) message; the draft comes after the newest."""
        if self._at is not None and self.text != self._recalled:
            self._at = None  # what was changed is the draft now; the older one stays in reach
            if self._draft:
                self.keep(self._draft)
        at = -1 if self._at is None else self._at
        if not -1 <= at + step < len(self._sent) or (at == -1 and step == -1):
            return False
        if at == -1:
            self._draft = self.draft
        at += step
        self._replace(self._draft if at == -1 else self._sent[at])
        self._at, self._recalled = (None if at == -1 else at), self.text
        return True

    def _replace(self, draft: Draft) -> None:
        self.load_text(self._chips.written(draft))
        self.move_cursor(self.document.end)

    def render_line(self, y: int) -> Strip:
        """Textual wraps the placeholder; in no columns at all that fails."""
        if self.content_size.width < 1:
            return Strip.blank(self.size.width, self.rich_style)
        return super().render_line(y)

    def get_line(self, line_index: int) -> Text:
        line = super().get_line(line_index)
        if spans := chip_spans(line.plain):
            style = self.get_component_rich_style("composer--chip")
            line.plain = shown(line.plain)
            for start, end in spans:
                line.stylize(style, start, end)
        return line

    # What goes in and out, and the chips in it.

    def on_paste(self, event: events.Paste) -> None:
        event.text = self._folded(event.text)  # Textual then calls the text area's own handler

    def action_paste(self) -> None:
        text = self._folded(self.app.clipboard)
        self.replace(text, *self.selection, maintain_selection_offset=False)

    def _folded(self, text: str) -> str:
        """What is inserted for a text that comes from elsewhere."""
        if is_long(text):
            return self._chips.chip(text.replace("\r\n", "\n").replace("\r", "\n"))
        return unmarked(text)

    def action_cut(self) -> None:
        super().action_cut()
        if chip_spans(cut := self.app.clipboard):
            self.app.copy_to_clipboard(self._chips.read(cut).whole)

    def get_text_range(self, start: Location, end: Location) -> str:
        return self._chips.read(super().get_text_range(start, end)).whole

    def validate_selection(self, selection: Selection) -> Selection:
        """The cursor never stands in a chip: it goes on to where it was going."""
        return Selection(*map(self._beside_chip, selection, self.selection))

    def _beside_chip(self, location: Location, before: Location) -> Location:
        start, end = self._chip_around(location)
        return start if location < before else end

    def edit(self, edit: Edit) -> EditResult:
        """A chip that would be changed in part is changed as a whole."""
        if edit.top != edit.bottom:
            top, bottom = self._chip_around(edit.top)[0], self._chip_around(edit.bottom)[1]
            edit = replace(edit, from_location=top, to_location=bottom)
        return super().edit(edit)

    def _refresh_size(self) -> None:
        """After an undo Textual asks where the cursor is while it may still be beyond the text. It
        is not set without need: that lets go of what is selected elsewhere."""
        start, end = map(self.clamp_visitable, self.selection)
        if (there := self.validate_selection(Selection(start, end))) != self.selection:
            self.selection = there
        super()._refresh_size()

    def _chip_around(self, location: Location) -> tuple[Location, Location]:
        """Where the chip begins and ends that the location is in; else the location, twice."""
        row, column = location
        line = self.document.get_line(row) if row < self.document.line_count else ""
        start, end = chip_around(line, column)
        return (row, start), (row, end)
