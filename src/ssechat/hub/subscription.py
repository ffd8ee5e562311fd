"""Reading along: a stream's frames from any of them on, then those that come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from ssechat.core.frames import Frame
from ssechat.hub.live import Live
from ssechat.journal import StreamJournal

_PAGE = 500  # frames read at once

Unsaved = Callable[[Live, int], list[Frame]]
"""Frames beyond a number that are folded and not in the journal yet."""


async def subscribe(
    journal: StreamJournal, live: Live, unsaved: Unsaved, after: int
) -> AsyncIterator[Frame]:
    """Frames that follow number `after`, until the stream has ended."""
    while True:
        version = live.version
        over = live.ended.is_set() or (live.outcome is not None and live.unsaved is not None)
        rows = await journal.frames(live.stream_id, after, _PAGE)
        held = [] if rows else unsaved(live, after)
        for frame in held or [frame for _, frame in rows]:
            after += 1
            yield frame
        if rows or held:
            continue
        if over:  # as it was before we looked: frames may have come since
            return
        await live.change(version)
