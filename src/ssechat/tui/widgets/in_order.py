"""Keys in the order in which they came."""

from __future__ import annotations

import asyncio

from textual.events import Callback, Key
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


async def settled(widget: Widget | None) -> None:
    """Return once the widget has handled all that was sent to it until now, or has ended.

    Not to be awaited by the widget itself.
    """
    if widget is None:
        return
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    if widget.post_message(Callback(lambda: done.set_result(None))):
        await asyncio.wait({done, widget.task}, return_when=asyncio.FIRST_COMPLETED)
