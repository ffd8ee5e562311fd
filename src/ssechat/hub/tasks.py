"""The tasks of one stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Tasks:
    """Runs work beside the event loop's other work. One that fails by a fault of our own is
    reported to the loop, and `faulted` is told what kind it was, once."""

    def __init__(self, faulted: Callable[[str], None]) -> None:
        self._faulted: Callable[[str], None] | None = faulted
        self._running: set[asyncio.Task[Any]] = set()

    def __bool__(self) -> bool:
        return bool(self._running)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def close(self, within: float) -> None:
        """Wait for all, `within` so many seconds; what is left then is cancelled."""
        if self._running:
            await asyncio.wait(self._running, timeout=within)
        for task in tuple(self._running):
            task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        report = {"message": "a stream's task failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(report)
        faulted, self._faulted = self._faulted, None
        if faulted is not None:
            faulted(type(error).__name__)
