"""No frame is painted while the terminal still has to take the last one."""

from __future__ import annotations

from typing import TypeVar

from rich.console import RenderableType
from textual._compositor import LayoutUpdate
from textual.app import App
from textual.screen import Screen

from ssechat.tui.driver import SsechatDriver

Result = TypeVar("Result")


class GatedDisplay(App[Result]):
    """An App that skips frames while its terminal lags, then paints the whole screen once.

    Every frame that Textual paints (a widget's refresh, cursor blink, scrolling, resize, a screen
    change) goes through the private `App._display`, so the gate is there and only there. Most
    frames hold just what changed: once one was skipped, the next must be a complete one.
    """

    _frame_skipped = False

    @property
    def can_paint(self) -> bool:
        """Whether a change made now would be seen now; if not, leave it until it would."""
        return not isinstance(self._driver, SsechatDriver) or self._driver.ready

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        driver = self._driver
        if renderable is None or self._batch_count or not isinstance(driver, SsechatDriver):
            super()._display(screen, renderable)
            return
        complete = isinstance(renderable, LayoutUpdate)
        if driver.ready and (complete or not self._frame_skipped):
            self._frame_skipped = False
            super()._display(screen, renderable)
        else:
            self._frame_skipped = True
            driver.when_ready(self._repaint)

    def _repaint(self) -> None:
        self.refresh()
