"""The one way to the terminal: frames go through a gate, and only what differs is sent.

No frame is painted while the terminal still has to take the last one; then the whole screen is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TypeVar

from rich.color import ColorSystem
from rich.console import RenderableType
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.screen import Screen

from ssechat.tui.driver import SsechatDriver
from ssechat.tui.paint.cells import Row, row_of
from ssechat.tui.paint.shadow import Shadow

Result = TypeVar("Result")

OFF = "SSECHAT_FULL_FRAMES"
"""The environment variable that, if set, has every frame sent whole, as Textual composed it."""


class PaintedApp(App[Result]):
    """An App that skips frames while its terminal lags, and sends differences.

    Every frame that Textual paints (a widget's refresh, cursor blink, scrolling, resize, a screen
    change) goes through the private `App._display`, so both are done there and only there. Most
    frames hold just what changed: once one was skipped, the next must be a complete one.
    """

    _frame_skipped = False
    _shadow: Shadow | None = None
    _shadowed = 0  # the driver's count of how often it took the terminal over
    _cursor_at = (-1, -1)

    @property
    def can_paint(self) -> bool:
        """Whether a change made now would be seen now; if not, leave it until it would."""
        return not isinstance(self._driver, SsechatDriver) or self._driver.ready

    def redraw(self) -> None:
        """Paint everything: the terminal may show something else."""
        if self._shadow is not None:
            self._shadow.forget()
        self.refresh()

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        driver = self._driver
        if renderable is None or self._batch_count or not isinstance(driver, SsechatDriver):
            super()._display(screen, renderable)
            return
        complete = isinstance(renderable, LayoutUpdate)
        if not driver.ready or (self._frame_skipped and not complete):
            self._frame_skipped = True
            driver.when_ready(self._repaint)
            return
        self._frame_skipped = False
        if isinstance(renderable, LayoutUpdate | ChopsUpdate) and OFF not in os.environ:
            self._send(driver, renderable)
        else:
            self._shadow = None
            super()._display(screen, renderable)

    def _send(self, driver: SsechatDriver, update: LayoutUpdate | ChopsUpdate) -> None:
        """Send what this frame changes on the screen, and where the cursor is."""
        try:
            shadow = self._shadow_for(driver)
            colors = self.console._color_system or ColorSystem.TRUECOLOR
            data = shadow.draw(_pieces(update, colors))
            at = self.screen.outer_size.clamp_offset(self.cursor_position)
            if data or at != self._cursor_at:
                self._cursor_at = at
                data += f"\x1b[{at.y + 1};{at.x + 1}H"
                begin, end = ("\x1b[?2026h", "\x1b[?2026l") if self._sync_available else ("", "")
                driver.write(begin + data + end)
        except Exception as error:  # noqa: BLE001 - as Textual treats what fails in a frame
            self._handle_exception(error)
        finally:
            self.post_display_hook()

    def _shadow_for(self, driver: SsechatDriver) -> Shadow:
        size = self.size
        shadow = self._shadow
        known = shadow is not None and (shadow.width, shadow.height) == size
        if shadow is None or not known or self._shadowed != driver.times_opened:
            shadow = self._shadow = Shadow(size.width, size.height)
            self._shadowed, self._cursor_at = driver.times_opened, (-1, -1)
        shadow.scrolls = driver.scrolls
        return shadow

    def _repaint(self) -> None:
        self.refresh()


def _pieces(
    update: LayoutUpdate | ChopsUpdate, colors: ColorSystem
) -> Iterator[tuple[int, int, Row]]:
    """Where the update wants which cells: y, x and cells, from left to right in each row."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            row = [cell for strip in strips for cell in row_of(strip, colors)]
            yield y, update.region.x, row
        return
    for y, left, right in update.spans:
        for (x, strip), end in zip(update.chops[y].items(), update.chop_ends[y], strict=False):
            if strip is not None and x < right and left < end:
                yield y, x, row_of(strip, colors)
