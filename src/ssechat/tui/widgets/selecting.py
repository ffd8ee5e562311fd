"""Selecting text in a view that numbers its lines anew whenever a guess of a height was wrong."""

from __future__ import annotations

import time

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Offset
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from ssechat.tui.transcript.column import Column, Grip
from ssechat.tui.transcript.copying import Spot, copied, message, paragraph, sources, word

_FAR = 1 << 30  # beyond the end of any line
_GRACE = 4.0
"""s in which a key that copies may be meant for what is not selected any more."""
_MOST = 1000
"""Lines; the text of what is selected is not kept while there are more."""


class Selecting(ScrollView):
    """Two clicks select a word, three a paragraph, four a message; dragging scrolls.

    Textual knows a selection by numbers of lines. `_hold` before they may change and `_hold_on`
    after that keep it on its text, or let it go where that is not there any more. Its text can then
    still be had by `dropped`, for the user may be about to copy it.
    """

    ALLOW_SELECT = True

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._grips: dict[Offset, Grip | None] = {}
        self._text = ""
        self._dropped: tuple[str, float] | None = None

    @property
    def _column(self) -> Column:
        raise NotImplementedError

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """The selected text as it reads; the texts as they came where whole messages are
        selected."""
        if selection.start is None and selection.end is None:
            return self._column.source(), "\n"
        return copied(self._column, *self._ends(selection)), "\n"

    @property
    def selected_sources(self) -> str:
        """The texts, as they came, of all messages in which something is selected."""
        selection = self.text_selection
        return "" if selection is None else sources(self._column, *self._ends(selection))

    def selection_updated(self, selection: Selection | None) -> None:
        """One that came from outside, or leaves, ends at the edge of the screen as it is now."""
        if selection is not None and (selection.start is None) != (selection.end is None):
            start, end = self._ends(selection)
            self._select(start, end)
        self.refresh()

    def deselect(self) -> None:
        """Let go of what is selected here, if anything is."""
        if self.text_selection is not None or self._drag_start is not None:
            self.screen.clear_selection()

    @property
    def dropped(self) -> str | None:
        """What was selected until a moment ago, when its lines changed; "" if that was too long to
        be kept, None if there is nothing of that kind."""
        if self._dropped is None or time.monotonic() > self._dropped[1]:
            return None
        return self._dropped[0]

    def forget_dropped(self) -> None:
        """The user has done something else since."""
        self._dropped = None

    def _drop(self) -> None:
        """What is selected is not there any more, and the user does not know that yet."""
        if self.text_selection is not None:
            self._dropped = self._text, time.monotonic() + _GRACE
        self._grips = {}
        self.deselect()

    def on_click(self, event: events.Click) -> None:
        _, offset = self.screen.get_widget_and_offset_at(event.screen_x, event.screen_y)
        if event.chain < 2 or offset is None:
            return
        event.prevent_default()  # Textual would select all there is
        if event.chain == 2:
            self._select(*word(self._column, Spot(offset.y, offset.x)))
        elif event.chain == 3:
            self._select(*paragraph(self._column, offset.y))
        else:
            self._select(*message(self._column, offset.y))

    def _select(self, start: Spot, end: Spot) -> None:
        if start < end:
            chosen = Selection(Offset(start.character, start.line), Offset(end.character, end.line))
            self.screen.selections = {**self.screen.selections, self: chosen}

    def _ends(self, selection: Selection) -> tuple[Spot, Spot]:
        column, (start, end) = self._column, selection
        return (
            Spot(column.top, 0) if start is None else Spot(start.y, start.x),
            Spot(column.top + column.height - 1, _FAR) if end is None else Spot(end.y, end.x),
        )

    @property
    def _drag_start(self) -> Offset | None:
        """Where the mouse went down that is still down."""
        state = self.screen._select_state if self.screen._selecting else None
        return state.start.content_offset if state and state.start.content_widget is self else None

    def _hold(self) -> None:
        """Lines may get other numbers now."""
        selection = self.text_selection
        if selection is not None and not self._grips.keys() >= set(selection):
            start, end = self._ends(selection)
            self._text = self.get_selection(selection)[0] if end.line - start.line < _MOST else ""
        points = [*(selection or ()), self._drag_start]
        self._grips = {
            point: self._grips.get(point) or self._column.grip(point.y, point.x)
            for point in points
            if point is not None
        }

    def _hold_on(self) -> None:
        """Lines may have other numbers now."""
        if not self._grips:
            return
        moved: dict[Offset, Offset] = {}
        for point, grip in [*self._grips.items()]:
            line = None if grip is None else self._column.regrip(grip)
            if line is None:
                if self.text_selection is not None:
                    self._drop()
                    return
                del self._grips[point]  # the mouse is down and has not moved: it begins there still
            moved[point] = Offset(point.x, point.y if line is None else line)
        self._grips = {moved[point]: grip for point, grip in self._grips.items()}
        self._move(moved)

    def _move(self, moved: dict[Offset, Offset]) -> None:
        """The ends of the selection are there now; the one that is dragged is under the mouse."""
        start, end = self.text_selection or (None, None)
        if start is not None and end is not None and (moved[start], moved[end]) != (start, end):
            chosen = Selection(moved[start], moved[end])
            self.screen.selections = {**self.screen.selections, self: chosen}
        state, begun = self.screen._select_state, self._drag_start
        if state is None or begun is None:
            return
        state = state._replace(start=state.start._replace(content_offset=moved[begun]))
        widget, offset = self.screen.get_widget_and_offset_at(*state.screen_offset)
        if state.end is None or state.end.content_widget is not self or widget is not self:
            self.screen.set_reactive(Screen._select_state, state)
        else:
            here = state.end._replace(content_offset=offset)
            self.screen._select_state = state.update_end(state.screen_offset, here)

    def _with_selection(self, strip: Strip, length: int, start: int, end: int) -> Strip:
        """The strip of a line of so many characters, those from `start` to `end` selected (-1: all
        that follow). Between a resize and our layout the strip is narrower than the line."""
        length = min(length, len(strip.text))
        left, middle, right = strip.divide(
            [
                strip.index_to_cell_position(min(start, length)),
                strip.index_to_cell_position(length if end < 0 else min(end, length)),
                strip.cell_length,
            ]
        )
        name = "screen--selection"  # its foreground may be transparent
        style = Style(
            color=self.screen.get_component_rich_style(name, partial=True).color,
            bgcolor=self.screen.get_component_rich_style(name).bgcolor,
        )
        marked = Segment.apply_style(middle, post_style=style)
        return Strip.join([left, Strip(marked, middle.cell_length), right])
