"""The bar in which one types what is to be found."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from ssechat.core.safe import clean_line
from ssechat.tui.transcript.find import Tally
from ssechat.tui.transcript.needle import LONGEST
from ssechat.tui.widgets.bar import Bar
from ssechat.tui.widgets.finding import Finding
from ssechat.tui.widgets.in_order import run_binding, settled

_STEPS = {
    **dict.fromkeys(("enter", "ctrl+j", "down"), 1),
    **dict.fromkeys(("shift+enter", "alt+enter", "up"), -1),
}
_HINT = "enter next, up previous, escape closes"


class _Query(Input):
    async def on_key(self, event: events.Key) -> None:
        await run_binding(self, event)

    def on_paste(self, event: events.Paste) -> None:
        event.text = clean_line(event.text, LONGEST)  # Textual then calls the input's own handler


class _Count(Bar):
    """Like "3 of 17"; … while there may be more."""

    def __init__(self) -> None:
        super().__init__(id="found")
        self._tally: Tally | None = None

    def show(self, tally: Tally | None) -> None:
        self._tally = tally
        self.set(tally)

    def line(self, width: int) -> Iterable[tuple[str, str]]:
        if self._tally is None:
            return
        at, total, counted = self._tally
        text = f"{total:,} found" if at is None else f"{at:,} of {total:,}"
        if not total:
            text = "nothing found" if counted else ""
        text += "" if counted else "…"
        yield " " * (width - cell_len(text) - 1), "plain"
        yield text, "plain" if total or not counted else "warn"


class FindBar(Horizontal):
    """Finds while one types. The keys that lead from match to match are for `take_key`."""

    DEFAULT_CSS = """
    FindBar {
        height: 1;
        background: $panel;
        Static { width: auto; background: $panel; color: $text-muted; }
        Input, Input:focus {
            border: none; background: $panel; background-tint: transparent 0%;
            padding: 0; height: 1; width: 1fr;
        }
        #found { width: 19; background: $panel; }
    }
    """

    class Sought(Message):
        """Something else is sought."""

    def __init__(self, view: Finding) -> None:
        super().__init__(id="find")
        self._view = view

    def compose(self) -> ComposeResult:
        yield Static(Content(" find "))
        yield _Query(placeholder=_HINT, max_length=LONGEST)
        yield _Count()

    def begin(self) -> None:
        """Let the user type; what was typed before goes with the first letter."""
        query = self.query_one(_Query)
        self.screen.set_focus(query)
        query.select_all()

    @property
    def typing(self) -> bool:
        """Whether keys go here."""
        return self.query_one(_Query).has_focus

    async def take_key(self, key: str) -> bool:
        """Go on to another match, if the key asks for that."""
        if not self.typing or key not in _STEPS:
            return False
        query = self.query_one(_Query)
        await settled(query)  # letters before it may still wait in the line's queue
        self._view.find(query.value)
        self._view.find_next(_STEPS[key])
        return True

    def show(self, tally: Tally) -> None:
        self.query_one(_Count).show(tally if self.query_one(_Query).value.strip() else None)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._view.find(event.value)
        self.post_message(self.Sought())
