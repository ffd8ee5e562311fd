"""Painting now what widgets have marked as changed.

A refresh goes by Textual through the widget's queue, the screen's queue and a timer before it is
composed, and then every row is cut where any widget begins or ends. Text that streams in has waited
for its frame already, and mostly nothing lies on top of it: its rows go straight to the terminal.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from textual.geometry import Region
from textual.screen import Screen
from textual.widget import Widget

from ssechat.tui.paint.display import PaintedApp
from ssechat.tui.paint.shadow import Piece


def flush(screen: Screen[object], widgets: Iterable[Widget]) -> None:
    """Show what these widgets of the screen have to show, if nothing else is due first: where the
    layout changes, or another screen lies on top, Textual's own round does it."""
    widgets = list(widgets)
    app = screen.app
    if not screen.is_current or app._batch_count or not screen._compositor.root:
        return
    if screen._layout_required or any(widget._layout_required for widget in widgets):
        return
    changed = [widget for widget in widgets if widget._repaint_required and widget.display]
    for widget in changed:
        widget._repaint_required = False
    areas = {widget: area for widget in changed if (area := _open_area(screen, widget))}
    pieces = chain.from_iterable(_fresh_rows(widget, area) for widget, area in areas.items())
    if areas and isinstance(app, PaintedApp) and app.show(pieces):
        changed = [widget for widget in changed if widget not in areas]
    screen._dirty_widgets.update(changed)
    if screen._dirty_widgets:
        screen._compositor.update_widgets(screen._dirty_widgets)
        screen._compositor_refresh()


def _open_area(screen: Screen[object], widget: Widget) -> Region | None:
    """Where on the screen the widget draws its own content; None if anything may cover that."""
    visible = screen._compositor.visible_widgets
    area = widget.scrollable_content_region
    if widget not in visible or not visible[widget][1].contains_region(area):
        return None
    above = {widget, *widget.ancestors}
    for other, (region, clip) in visible.items():
        if other not in above and area.overlaps(region.intersection(clip)):
            return None
    return area


def _fresh_rows(widget: Widget, area: Region) -> Iterable[Piece]:
    """The rows, or parts of them, that the widget wants to be painted."""
    offset = widget.region.offset
    for changed in widget._exchange_repaint_regions():
        if part := changed.translate(offset).intersection(area):
            strips = widget.render_lines(part.translate(-offset))
            yield from ((y, part.x, strip) for y, strip in enumerate(strips, part.y))
