"""The one way to the terminal: frames go through a gate, and only what differs is sent.

No frame is painted while the terminal still has to take the last one; then the whole screen is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.color import ColorSystem
from rich.console import RenderableType
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.screen import Screen

from ssechat.tui.driver import SsechatDriver
from ssechat.tui.paint.shadow import Piece, Shadow

Result = TypeVar("Result")

WHOLE = "SSECHAT_FULL_FRAMES"
"""The environment variable that, if set, has every frame sent whole, as Textual composed it."""
CLEAR = "\x1b[r\x1b[?7l\x1b[?25l\x1b[0m\x1b[2J"
"""What frames count on, said again, and an empty screen."""


class PaintedApp(App[Result]):
    """An App that skips frames while its terminal lags, and sends differences.

    Every frame that Textual paints (a widget's refresh, cursor blink, scrolling, resize, a screen
    change) goes through the private `App._display`, so both are done there and only there. Most
    frames hold just what changed: once one was skipped, the next must be a complete one.
    """

    _frame_skipped = False
    _shadow: Shadow | None = None
    _shadowed = 0  # the driver's count of how often it took the terminal over

    @property
    def _ours(self) -> SsechatDriver | None:
        """The driver, unless it is one of Textual's: then Textual paints as ever."""
        return self._driver if isinstance(self._driver, SsechatDriver) else None

    @property
    def can_paint(self) -> bool:
        """Whether a change made now would be seen now; if not, leave it until it would."""
        return self._ours is None or self._ours.ready

    @property
    def round_trip(self) -> float:
        """Seconds that a frame takes to be seen, there and back; 0 where that is not known."""
        return self._ours.round_trip if self._ours else 0.0

    def redraw(self) -> None:
        """Paint everything on a cleared screen: the user sees that it is wrong."""
        if self._ours:
            self._ours.write(CLEAR)
        self._repaint()

    # What the terminal shows is not known any more when its size has changed (Textual does nothing
    # if it is what it was before), and when another terminal may have taken its place (tmux).

    def on_resize(self) -> None:
        self._repaint()

    def on_app_focus(self) -> None:
        self._repaint()

    def _repaint(self) -> None:
        self._shadow = None
        self.refresh()

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        ours = None if self._batch_count else self._ours
        if ours and isinstance(renderable, LayoutUpdate | ChopsUpdate):
            self._gate(ours, _pieces(renderable), complete=isinstance(renderable, LayoutUpdate))
        else:
            super()._display(screen, renderable)

    def show(self, pieces: Iterable[Piece]) -> bool:
        """Paint a frame of these pieces of the current screen, of which nothing covers any; False
        if that is for Textual to do."""
        if self._ours:
            self._gate(self._ours, pieces, complete=False)
        return self._ours is not None

    def _gate(self, driver: SsechatDriver, pieces: Iterable[Piece], *, complete: bool) -> None:
        if driver.ready and (complete or not self._frame_skipped):
            self._frame_skipped = False
            self._send(driver, pieces)
        else:
            self._frame_skipped = True
            driver.when_ready(self.refresh)

    def _send(self, driver: SsechatDriver, pieces: Iterable[Piece]) -> None:
        """Send what this frame changes on the screen, and where the cursor is."""
        try:
            cursor = self.screen.outer_size.clamp_offset(self.cursor_position)
            if data := self._shadow_for(driver).draw(pieces, cursor):
                begin, end = ("\x1b[?2026h", "\x1b[?2026l") if self._sync_available else ("", "")
                driver.write_frame(begin + data + end)
        except Exception as error:  # noqa: BLE001 - as Textual treats what fails in a frame
            self._handle_exception(error)
        finally:
            self.post_display_hook()

    def _shadow_for(self, driver: SsechatDriver) -> Shadow:
        """The shadow of what the terminal shows; a new one if nothing is known about that."""
        shadow = None if WHOLE in os.environ else self._shadow
        if shadow is None or self._shadowed != driver.times_opened:
            colors = self.console._color_system or ColorSystem.TRUECOLOR
            shadow = self._shadow = Shadow(*self.size, colors)
            self._shadowed = driver.times_opened
        shadow.scrolls = driver.scrolls
        return shadow


def _pieces(update: LayoutUpdate | ChopsUpdate) -> Iterator[Piece]:
    """What the update wants where, from left to right in each row."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in strips:
                yield y, x, strip
                x += strip.cell_length
        return
    for y, left, right in update.spans:
        for (x, chop), end in zip(update.chops[y].items(), update.chop_ends[y], strict=False):
            if chop is not None and x < right and left < end:
                yield y, x, chop
