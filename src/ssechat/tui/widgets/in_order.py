"""Keys in the order in which they came."""

from __future__ import annotations

from textual.binding import Binding
from textual.events import Key
from textual.widget import Widget


class InOrder(Widget):
    """Mixed into a widget that is typed in, before its class: runs its bindings at once.

    Textual lets a key bubble up to the app before it looks for a binding. Where keys come in
    bursts, as over a slow line, letters and enter then overtake a backspace or an arrow.
    """

    async def on_key(self, event: Key) -> None:
        for binding in self._own_bindings(event.key):
            if await self.run_action(binding.action):
                event.stop()
                event.prevent_default()
                return

    def _own_bindings(self, key: str) -> list[Binding]:
        return self._bindings.key_to_bindings.get(key, [])
