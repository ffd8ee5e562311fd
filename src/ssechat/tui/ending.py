"""However the app ends, the terminal is the user's again."""

from __future__ import annotations

import os
import threading
from typing import Any, TypeVar

from textual.worker import WorkerFailed

from ssechat.core.errors import Problem
from ssechat.tui import bugs
from ssechat.tui.driver import SsechatDriver
from ssechat.tui.paint.display import PaintedApp

Result = TypeVar("Result")
LIMIT = 1.9  # s that leaving the terminal may take: with what went before, two


class TidyEnd(PaintedApp[Result]):
    """An App that ends quietly when a handler or a timer fails; `failure` then says why.

    Textual would go on to print every local variable. What happens is in the private
    `App._handle_exception`, which every handler, timer and worker of Textual's leads to.
    """

    failure: Problem | None = None
    _watchdog: threading.Timer | None = None

    def exit(self, *args: Any, **options: Any) -> None:
        self._watch()
        super().exit(*args, **options)

    async def _on_unmount(self) -> None:
        """The last message: only the driver is still to be closed, which does not wait long."""
        if self._watchdog is not None:
            self._watchdog.cancel()

    def _handle_exception(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = bugs.told(error.error if isinstance(error, WorkerFailed) else error)
        self._return_code = 1
        if self._exception is None:  # Textual's test harness raises it again
            self._exception = error
            self._exception_event.set()
        self._watch()
        self._close_messages_no_wait()

    def _watch(self) -> None:
        """A widget that hangs must not keep the terminal."""
        if self._watchdog is None and isinstance(self._driver, SsechatDriver):
            self._watchdog = threading.Timer(LIMIT, self._end_by_force, (self._driver,))
            self._watchdog.daemon = True
            self._watchdog.start()

    def _end_by_force(self, driver: SsechatDriver) -> None:
        driver.restore_now()
        os._exit(self._return_code or 1)
