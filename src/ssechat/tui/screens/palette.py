"""All that can be done, to be found by its name; and the themes."""

from __future__ import annotations

from collections.abc import Sequence

from ssechat.core.safe import clean_line
from ssechat.tui.actions import ACTIONS, Keymap
from ssechat.tui.screens.picker import Choice, Picker


class Palette(Picker[str]):
    """Gives the id of an action, or a theme's name."""

    def __init__(self, keymap: Keymap, themes: Sequence[str]) -> None:
        super().__init__(
            "Commands", "enter does it · escape closes", "what to do", "there is no such command"
        )
        self._all = [
            Choice(action.id, _sentence(action.label, action.help), _first(keymap, action.id))
            for action in ACTIONS
            if action.in_palette
        ]
        self._all += [Choice(name, f"Theme: {clean_line(name, 40)}") for name in sorted(themes)]

    async def find(self, query: str) -> Sequence[Choice[str]]:
        words = query.lower().split()
        return [one for one in self._all if all(word in one.text.lower() for word in words)]


def _sentence(label: str, about: str) -> str:
    return f"{label}: {about}" if about else label


def _first(keymap: Keymap, action_id: str) -> str:
    return next(iter(keymap.keys_of(action_id)), "")
