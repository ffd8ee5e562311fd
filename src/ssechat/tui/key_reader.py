"""Which action a key asks for, the second keys after the leader included."""

from __future__ import annotations

from textual.events import Key

from ssechat.tui.actions import BY_ID, LEADER, Keymap, shown
from ssechat.tui.status import Piece

TAB = "tab."
"""With a digit after it: what the keys for tabs 1 to 9 ask for."""

_DIGITS = frozenset("123456789")


class KeyReader:
    """Remembers whether the leader was pressed, and so the next key is the second one."""

    def __init__(self, keymap: Keymap) -> None:
        self.keymap = keymap
        self.leading = False

    def action(self, key: Key) -> str | None:
        """The action's id; "" if the key is swallowed, None if it is not ours."""
        if self.leading:
            self.leading = False
            return _find(key, self.keymap.led) or _numbered(key.key) or ""
        if key.key == LEADER:
            self.leading = True
            return ""
        found = _find(key, self.keymap.direct)
        return found or _numbered(key.key.removeprefix("alt+"), key.key.startswith("alt+"))

    @property
    def hint(self) -> list[Piece]:
        """What may follow the leader, if it was pressed; where space is short the later ones go."""
        if not self.leading:
            return []
        pieces = [Piece(f"{LEADER} …")]
        for rank, (key, owner) in enumerate(self.keymap.led.items(), 1):
            pieces.append(Piece(f"{shown(key)} {_named(owner)}", rank=rank))
        return pieces


def _find(key: Key, keys: dict[str, str]) -> str | None:
    return next((keys[name] for name in (key.key, *key.aliases) if name in keys), None)


def _numbered(digit: str, meant: bool = True) -> str | None:
    return f"{TAB}{digit}" if meant and digit in _DIGITS else None


def _named(action_id: str) -> str:
    label = BY_ID[action_id].label
    return label[:1].lower() + label[1:]
