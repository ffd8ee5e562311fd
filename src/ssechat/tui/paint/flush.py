"""Painting now what widgets have marked as changed.

A refresh goes by Textual through the widget's queue, the screen's queue and a timer before it is
composed. Text that streams in has waited for its frame already.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual.screen import Screen
from textual.widget import Widget


def flush(screen: Screen[object], widgets: Iterable[Widget]) -> None:
    """Compose and send what these widgets of the screen have to show, if nothing else is due first:
    where the layout changes, or another screen lies on top, Textual's own round does it."""
    widgets = list(widgets)
    if not screen.is_current or screen.app._batch_count or not screen._compositor.root:
        return
    if screen._layout_required or any(widget._layout_required for widget in widgets):
        return
    for widget in widgets:
        if widget._repaint_required and widget.display:
            widget._repaint_required = False
            screen._dirty_widgets.add(widget)
    if screen._dirty_widgets:
        screen._compositor.update_widgets(screen._dirty_widgets)
        screen._compositor_refresh()
