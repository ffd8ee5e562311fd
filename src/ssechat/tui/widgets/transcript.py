"""The transcript: a whole conversation in one widget, drawn line by line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import groupby
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from ssechat.tui.markdown import Line
from ssechat.tui.markdown.spans import line_text
from ssechat.tui.transcript.column import Column
from ssechat.tui.transcript.page import Item, Page
from ssechat.tui.transcript.reading import Allowance
from ssechat.tui.transcript.shelf import Shelf
from ssechat.tui.transcript.slices import Look, ThinkingMode
from ssechat.tui.widgets.finding import Finding
from ssechat.tui.widgets.rail import Rail
from ssechat.tui.widgets.transcript_styles import COMPONENTS, CSS, Palette

SLICE = 0.002
"""s of reading in a row, about, while text comes in: keys and streams have their turn between."""
FIRST = 0.010
"""s of reading at once where the reader has just gone: enough for two screens of Markdown."""
REST = 0.002
"""s between two slices of reading that no frame waits for."""
HOLD = 0.25
"""s that a page which is not read as far as it is to be shown leaves the last one on the screen,
rather than rush past."""
STRIPS = 200
"""Drawn rows that are kept: a few screens. Each is some fifty objects for the garbage collector."""


class Transcript(Finding, can_focus=False):
    """Shows a `Page`. The app binds one by `show`, and calls `pull` to paint what is new."""

    COMPONENT_CLASSES: ClassVar[set[str]] = COMPONENTS
    DEFAULT_CSS = CSS

    def __init__(
        self,
        page: Page | None = None,
        *,
        thinking: ThinkingMode = ThinkingMode.COLLAPSE,
        thinking_hint: str = "",
        media_hint: str = "",
        now: Callable[[], float] = time.monotonic,
        id: str | None = None,
    ) -> None:
        """`now` is the clock of the streams; `thinking_hint` names the key that changes the mode,
        `media_hint` the one that opens or saves an image."""
        super().__init__(id=id)
        self.thinking_hint = thinking_hint
        self._media_hint = media_hint
        self._thinking = thinking
        self._now = now
        self._shelf = Shelf()
        self._page = page or Page()
        self._placing = False
        self._placed_at = Size(0, 0)
        self._held_until = 0.0
        self._held = False
        self._reading: asyncio.TimerHandle | None = None
        self._rows: list[Line] = []
        self._strips: LRUCache[Line, Strip] = LRUCache(STRIPS)
        self._palettes: tuple[Palette, Palette] | None = None

    def on_mount(self) -> None:
        self.vertical_scrollbar.renderer = Rail  # type: ignore[misc]

    @property
    def page(self) -> Page:
        return self._page

    @property
    def items_shown(self) -> list[Item]:
        """The items that have a line on the screen."""
        column = self._column
        return [shown.item for shown in column.shown(column.top, column.top + column.height)]

    @property
    def thinking_mode(self) -> ThinkingMode:
        return self._thinking

    @thinking_mode.setter
    def thinking_mode(self, mode: ThinkingMode) -> None:
        self._thinking = mode
        self._page.toggled.clear()
        self._place()

    def show(self, page: Page) -> None:
        """Bind another page. Where its reader was, and whether they followed, is on the page."""
        if page is not self._page:
            self._leave()
            self._page = page
            self._find_here()
        self._held_until = time.monotonic() + HOLD
        self._place(repaint=True)

    @property
    def pending(self) -> bool:
        """Whether another `pull` will find something though nothing more has come."""
        return self._column.pending or self._held or self.finding

    def settle_scrollbar(self) -> None:
        """Let the scrollbar show where the page is. It costs as much as all other rows, so while
        text streams in this is done only now and then."""
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.window_virtual_size = self.virtual_size.height
            self.vertical_scrollbar.position = self.scroll_y

    def pull(self) -> bool:
        """Take over what has changed, and repaint those rows. False if there was nothing."""
        changed = self._held or self._area != self._placed_at or self._column.stale(self._look())
        if changed:
            self._place(SLICE)
        if not self._held and self._find_on():
            self._place(SLICE)
            return True
        return changed

    def invalidate(self) -> None:
        """Draw everything anew: after a change of theme, or when the terminal may be wrong."""
        self._palettes = None
        self._strips.clear()
        self._place(repaint=True)

    def toggle_thinking(self, key: str, part: int, opened: bool) -> None:
        """Open or close one thinking part; the first row stays where it is."""
        column = self._column
        column.scroll(column.top)  # as if the reader had let go here: else the end would hold still
        following, self._page.following = self._page.following, False
        self._page.toggle(key, part, opened)
        self._place()
        self._page.following = following and column.at_end

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._page.following = True
        self._place()

    def scroll_to(self, x: float | None = None, y: float | None = None, **options: object) -> None:
        """As in a ScrollView, but at once: there is no line to animate through between guesses."""
        super().scroll_to(x, y, animate=False)

    def scroll_end(self, **options: object) -> None:
        self.follow()

    def scroll_home(self, **options: object) -> None:
        self.scroll_to(y=0)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        if self._placing:
            return  # ours: what is to be painted is known, and the scrollbar may wait
        super().watch_scroll_y(old_value, new_value)
        if self._area != self._placed_at:
            return  # Textual's clamping before a resize has reached us
        if self._held:
            return  # what is to be seen is another page
        if round(new_value) == self._column.top:
            return  # not far enough yet: dragging scrolls by parts of a line
        self._column.scroll(round(new_value), Allowance(FIRST))
        self._place()

    def render_line(self, y: int) -> Strip:
        line = self._rows[y] if y < len(self._rows) else ()
        number = round(self.scroll_y) + y
        strip = self._draw(line, finished=False)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(number)):
            strip = self._with_selection(strip, len(line_text(line)), *span)
        return strip.apply_offsets(0, number)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The rows as they go to the terminal, each made once and then handed out again and again:
        Textual's own way would style and filter them anew for every frame."""
        if self.opacity != 1.0 or self.text_selection is not None:
            return super().render_lines(crop)
        strips = [self._finished(y) for y in crop.line_range]
        if crop.column_span in {(0, self.size.width), (0, self._area.width)}:
            return strips
        return [strip.crop(*crop.column_span) for strip in strips]

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._palettes = None
        self._strips.clear()

    def on_resize(self) -> None:
        self._place(repaint=True)

    def on_click(self, event: events.Click) -> None:
        found = self._column.thinking_at(round(self.scroll_y) + event.y)
        if found and not self.text_selection:
            key, part, opened = found
            self.toggle_thinking(key, part, not opened)
            event.prevent_default()  # two clicks open and close it, and select nothing

    @property
    def _column(self) -> Column:
        return self._shelf.column(self._page)

    @property
    def _area(self) -> Size:
        """What there is for text: all but the scrollbar."""
        return self.scrollable_content_region.size

    def _look(self, seconds: float = FIRST) -> Look:
        return Look(
            self._area.width,
            self._thinking,
            self._now(),
            self.thinking_hint,
            self._media_hint,
            allowance=Allowance(seconds),
        )

    def _place(self, seconds: float = FIRST, *, repaint: bool = False) -> None:
        """Lay out what the screen shows, scroll there, and repaint the rows that differ."""
        area = self._area
        if not area:
            return
        if area != self._placed_at:
            self._strips.clear()
        column = self._column
        self._hold()
        if area.width != self._placed_at.width:
            self._drop()  # lines are broken elsewhere
        column.arrange(self._look(seconds), area.height)
        self._read_soon()
        repaint = repaint or self._held
        self._held = column.unread and time.monotonic() < self._held_until
        if not self._held:
            self._paint(column, area, repaint)

    def _paint(self, column: Column, area: Size, repaint: bool) -> None:
        self._placing = True
        old, self._rows = self._rows, self._marked(column.rows())
        size = Size(area.width, max(column.total, 1))  # first: it bounds how far one can scroll
        if size != self.virtual_size:
            self._resize_page(size)
        scrolled = round(self.scroll_y) != column.top
        if scrolled:
            self.scroll_target_y = self.scroll_y = column.top
        self._placing = False
        self._placed_at = area
        self._hold_on()
        if repaint or scrolled:
            self.refresh()
        else:
            self._repaint(old)

    def _read_soon(self) -> None:
        """Read on between two frames, if there is anything left to read."""
        if self._reading is None and self._column.unread:
            self._reading = asyncio.get_running_loop().call_later(REST, self._read_on)

    def _read_on(self) -> None:
        self._reading = None
        if self.is_attached:
            self._column.read_on(self._look(SLICE))
            self._read_soon()

    def _resize_page(self, size: Size) -> None:
        """Textual lays out the whole screen for a new size of what is scrolled; that is needed only
        where the scrollbar comes or goes."""
        if self.show_vertical_scrollbar and not self.show_horizontal_scrollbar:
            self.set_reactive(Widget.virtual_size, size)
        else:
            self.virtual_size = size

    def _repaint(self, old: list[Line]) -> None:
        """Refresh the rows that are not what they were."""
        height, rows = self._area.height, self._rows
        count = max(len(old), len(rows))
        changed = (y for y in range(min(count, height)) if old[y : y + 1] != rows[y : y + 1])
        for _, run in groupby(enumerate(changed), lambda pair: pair[1] - pair[0]):
            ys = [y for _, y in run]
            self.refresh(Region(0, ys[0], self._area.width, len(ys)))

    def _finished(self, y: int) -> Strip:
        """A row as far as a scrollbar, with what the app's filters make of it."""
        line = self._rows[y] if y < len(self._rows) else ()
        strip = self._strips.get(line)
        if strip is None:
            strip = self._strips[line] = self._draw(line, finished=True)
        return strip

    def _draw(self, line: Line, *, finished: bool) -> Strip:
        """A line, and blanks behind it."""
        plain, filtered = self._palettes or self._mix_palettes()
        palette, width = filtered if finished else plain, self._area.width
        segments = [Segment(text, palette[names]) for text, names in line]
        used = Segment.get_line_length(segments)
        if used < width:
            segments.append(Segment(" " * (width - used), palette[""]))
        return Strip(segments, max(used, width)).adjust_cell_length(width)

    def _mix_palettes(self) -> tuple[Palette, Palette]:
        part = self.get_component_rich_style
        self._palettes = Palette(self, part), Palette(self, part, self._filtered)
        return self._palettes

    def _filtered(self, style: Style) -> Style:
        """What the app's filters make of a style, whatever the text."""
        segments = [Segment(" ", style)]
        for line_filter in self.get_line_filters():
            segments = line_filter.apply(segments, self.background_colors[1])
        return segments[0].style or style
