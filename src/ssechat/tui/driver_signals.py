"""SIGTERM and SIGHUP: save, restore the terminal, end; within two seconds, whatever hangs."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App

from ssechat.tui.driver import SsechatDriver

FLUSH_SECONDS = 1.0
EXIT_SECONDS = 0.9  # after the flush, until the process is ended by force

log = logging.getLogger(__name__)

Flush = Callable[[], Awaitable[object] | None]


def install_signals(app: App[Any], flush: Flush) -> None:
    """Make SIGTERM and SIGHUP (also from a lost terminal) a tidy end with exit code 143 or 129.

    To be called on the running event loop, at best from the app's `on_load`, before the terminal
    is touched. `flush` puts what must survive on disk; it is called once, first, and may be async.
    The program must end with `app.return_code` when `app.run()` returns.
    """
    departure = _Departure(app, flush)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, departure.begin, 128 + number)


class _Departure:
    def __init__(self, app: App[Any], flush: Flush) -> None:
        self._app = app
        self._flush = flush
        self._task: asyncio.Task[None] | None = None

    def begin(self, code: int) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._leave(code))

    async def _leave(self, code: int) -> None:
        flushing = asyncio.ensure_future(self._run_flush())
        await asyncio.wait({flushing}, timeout=FLUSH_SECONDS)
        watchdog = threading.Timer(EXIT_SECONDS, self._end_by_force, (code,))
        watchdog.daemon = True
        watchdog.start()
        self._app.exit(return_code=code)

    async def _run_flush(self) -> None:
        try:
            pending = self._flush()
            if inspect.isawaitable(pending):
                await pending
        except Exception:
            log.exception("saving before the end failed")

    def _end_by_force(self, code: int) -> None:
        driver = self._app._driver
        if isinstance(driver, SsechatDriver):
            driver.restore_now()
        os._exit(code)
