"""The composer: where a message is written."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.strip import Strip
from textual.widgets import TextArea

from ssechat.core.safe import clean
from ssechat.tui.widgets.in_order import run_binding

_JOINERS = ("\u200c", "\u200d")  # typed within words and emoji; not printable by themselves


class Composer(TextArea):
    """A text area that grows with its text, up to a bound, and remembers what was sent.

    What is pasted is inserted, whatever it holds; only the send key sends, and that is the app's.
    """

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
    }
    """

    def __init__(self) -> None:
        super().__init__(id="composer", soft_wrap=True, highlight_cursor_line=False)
        self._sent: list[str] = []
        self._at: int | None = None
        self._draft = ""

    async def on_key(self, event: events.Key) -> None:
        if event.character in _JOINERS:
            self.insert(event.character)
        else:
            await run_binding(self, event)

    def invite(self, model: str) -> None:
        """Say in the empty composer who will answer."""
        self.placeholder = Content(f"message {model}  (enter sends, ctrl+j new line)")

    def remember(self, texts: list[str]) -> None:
        """What was sent before, newest first."""
        self._sent = list(texts)

    def sent(self, text: str) -> None:
        """`text` was sent: the composer is empty again and remembers it."""
        self.keep(text)
        self.set_text("")

    def keep(self, text: str) -> None:
        """Put `text` into the memory without sending it."""
        self._sent = [text, *(old for old in self._sent if old != text)]
        self._at = None

    def set_text(self, text: str) -> None:
        self._at = None
        self._replace(text)

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
        if self._at is not None and self.text != self._sent[self._at]:
            self._at = None  # what was changed is the draft now; the older one stays in reach
            if self._draft:
                self.keep(self._draft)
        at = -1 if self._at is None else self._at
        if not -1 <= at + step < len(self._sent) or (at == -1 and step == -1):
            return False
        if at == -1:
            self._draft = self.text
        at += step
        self._replace(self._draft if at == -1 else self._sent[at])
        self._at = None if at == -1 else at
        return True

    def _replace(self, text: str) -> None:
        self.load_text(text)
        self.move_cursor(self.document.end)

    def render_line(self, y: int) -> Strip:
        """Textual wraps the placeholder; in no columns at all that fails."""
        if self.content_size.width < 1:
            return Strip.blank(self.size.width, self.rich_style)
        return super().render_line(y)

    def on_paste(self, event: events.Paste) -> None:
        event.text = clean(event.text)  # Textual then calls the text area's own handler
