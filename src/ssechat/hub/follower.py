"""Following a stream that another process reads: its frames, as they come into the journal."""

from __future__ import annotations

import asyncio

from ssechat.core.deltas import EndState
from ssechat.core.resume import Settle
from ssechat.hub.live import Live
from ssechat.journal import Journal, lease_alive

_LOOK = 0.25  # s between looks at the journal
_PAGE = 500


async def follow(journal: Journal, live: Live) -> bool:
    """Fold what appears until the stream has ended (True) or its owner is dead (False)."""
    after = 0
    seen = -1
    while True:
        changes = await journal.changes()
        if changes != seen:
            seen = changes
            while rows := await journal.frames(live.stream_id, after, _PAGE):
                live.take([frame for _, frame in rows])
                after = rows[-1][0]
        row = await journal.stream(live.stream_id)
        if row.state not in ("live", "stopping"):
            live.fold.close(0.0)
            live.outcome = Settle(EndState(row.state), row.note)
            live.ended.set()
            live.changed()
            return True
        if not lease_alive(row):
            return False
        await asyncio.sleep(_LOOK)
