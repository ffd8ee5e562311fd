"""The help page: what every key does, from the registry."""

from __future__ import annotations

from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from ssechat.tui.actions import ACTIONS, Action, Keymap
from ssechat.tui.screens.overlay import Overlay

_INTRO = (
    "Every event is saved before it is shown. If the connection drops, the answer goes on by"
    " itself where the server can; if not, it is marked as cut. Quitting, a hangup and kill -9"
    " lose nothing."
)
_HINT = "escape closes · change keys under [keys] in config.toml"
_NUMBERS = ("alt+1 … alt+9, ctrl+x 1 … 9", "Tab 1 to 9")
_BESIDE = 66  # cells from which on keys and meaning stand side by side
_GAP = 2


class Help(Overlay[None]):
    DEFAULT_CSS = """
    Help > Vertical { height: 90%; max-height: 46; }
    Help VerticalScroll { height: 1fr; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f1,q", "close", "", priority=True)]

    def __init__(self, keymap: Keymap) -> None:
        super().__init__()
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content("Keys"), classes="title")
            with VerticalScroll():
                yield Static()
            yield Static(Content(_HINT), classes="hint")

    def on_resize(self) -> None:
        self.call_after_refresh(self._write)

    def _write(self) -> None:
        scroll = self.query_one(VerticalScroll)
        text = page(self._keymap, scroll.scrollable_content_region.width)
        scroll.query_one(Static).update(text)


def page(keymap: Keymap, width: int) -> Content:
    """All of it, laid out for a width in cells."""
    groups = {
        group: [_row(keymap, action) for action in actions]
        for group, actions in groupby(ACTIONS, key=lambda action: action.group)
    }
    groups["Tabs"].append(_NUMBERS)
    column = max(len(keys) for rows in groups.values() for keys, _ in rows) + _GAP
    lines = [Content(_INTRO)]
    for group, rows in groups.items():
        lines += [Content(""), Content.styled(group, "bold $primary")]
        lines += _beside(rows, column) if width >= _BESIDE else _below(rows)
    return Content("\n").join(lines)


def _row(keymap: Keymap, action: Action) -> tuple[str, str]:
    about = f"{action.label}: {action.help}" if action.help else action.label
    return ", ".join(keymap.keys_of(action.id)) or "—", about


def _beside(rows: list[tuple[str, str]], column: int) -> list[Content]:
    return [Content.assemble((keys.ljust(column), "bold"), about) for keys, about in rows]


def _below(rows: list[tuple[str, str]]) -> list[Content]:
    return [
        line
        for keys, about in rows
        for line in (Content.styled(keys, "bold"), Content(f"  {about}"))
    ]
