"""The help page: what every key does, from the registry."""

from __future__ import annotations

from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from ssechat.tui.actions import ACTIONS, Keymap
from ssechat.tui.screens.overlay import Overlay

_INTRO = (
    "Every event is saved before it is shown. If the connection drops, the answer goes on by"
    " itself where the server can; if not, it is marked as cut. Quitting, a hangup and kill -9"
    " lose nothing."
)
_HINT = "escape closes · change keys under [keys] in config.toml"
_TABS = ("alt+1 … alt+9, ctrl+x 1 … 9", "tab 1 to 9")


class Help(Overlay[None]):
    DEFAULT_CSS = """
    Help {
        VerticalScroll { height: auto; max-height: 1fr; background: $surface; }
        .group { text-style: bold; color: $primary; margin-top: 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("f1,q", "close", "")]

    def __init__(self, keymap: Keymap) -> None:
        super().__init__()
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content("Keys"), classes="title")
            with VerticalScroll():
                yield Static(Content(_INTRO), classes="hint")
                for group, actions in groupby(ACTIONS, key=lambda action: action.group):
                    yield Static(Content(group), classes="group")
                    for action in actions:
                        keys = ", ".join(self._keymap.keys_of(action.id)) or "—"
                        about = f"{action.label}: {action.help}" if action.help else action.label
                        yield Static(_row(keys, about))
                    if group == "Tabs":
                        yield Static(_row(*_TABS))
            yield Static(Content(_HINT), classes="hint")


def _row(keys: str, about: str) -> Content:
    return Content.assemble((keys.ljust(30), "bold"), " ", about)
