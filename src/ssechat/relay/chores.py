"""Work that is done beside the requests, and has to be done however often it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ssechat.core.errors import JournalProblem
from ssechat.relay import log

_RETRY = 1.0  # s


async def lasting(work: Callable[[], Awaitable[object]]) -> None:
    """Run what runs until it is cancelled; begin it anew, should it fail by a fault of ours."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the relay's other work must go on; it is logged
            name = getattr(getattr(work, "func", work), "__name__", "unnamed")
            log.failed(f"chore {name}", error)
        await asyncio.sleep(_RETRY)


async def until_written(write: Callable[[], Awaitable[Any]]) -> None:
    """Write something, as soon as the journal takes it."""
    while True:
        try:
            await write()
        except JournalProblem:
            await asyncio.sleep(_RETRY)
        else:
            return
