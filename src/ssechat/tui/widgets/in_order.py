"""Keys in the order in which they came."""

from __future__ import annotations

from textual.events import Key
from textual.widget import Widget


async def run_binding(widget: Widget, event: Key) -> bool:
    """Run what the key is bound to in the widget that has the focus; False if to nothing.

    Textual lets a key bubble up to the app before it looks for a binding. Where keys come in
    bursts, as over a slow line, letters and enter then overtake a backspace or an arrow.
    """
    for binding in widget._bindings.key_to_bindings.get(event.key, ()):
        await widget.run_action(binding.action)
        event.stop()
        event.prevent_default()
        return True
    return False
