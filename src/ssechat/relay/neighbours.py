"""What relays that share a journal do for each other: whoever dies is inherited, whoever reads is
noted."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ssechat.core.errors import Problem
from ssechat.journal import UNFINISHED

if TYPE_CHECKING:
    from ssechat.journal.owned import Owned, OwnedStreams
    from ssechat.relay.relay import Relay

_REAP = 2.0  # s between looks for streams that a dead relay has left
_LOOK = 0.1  # s between looks at a request that another relay has sent
_LATE = 20  # looks at what has ended, and was not deleted by whoever got no stream
_NOTE = 10.0  # s between notes of what is read here; an unread stream is followed for as long


async def answered(journal: OwnedStreams, asked: Owned) -> None:
    """Return once whoever sent this request has its upstream's answer, or it has been deleted."""
    late = 0
    while not await journal.begun(asked.stream_id):
        row = await journal.owned(asked.owner, asked.stream_id)
        late += row is not None and row.state not in UNFINISHED
        if row is None or late > _LATE:
            return
        await asyncio.sleep(_LOOK)


async def reap(relay: Relay) -> None:
    """Take up what others have left."""
    while True:
        await asyncio.sleep(_REAP)
        try:
            await relay.streams.reap()
        except Problem:
            pass  # the journal cannot be reached: next time


async def note_readers(relay: Relay) -> None:
    """Tell the owners of streams that they are read here; look no longer at those that are not."""
    unread: dict[str, float] = {}
    while True:
        await asyncio.sleep(_NOTE)
        followed = [live for live in relay.streams.lives if live.followed]
        read = [live.stream_id for live in followed if relay.is_read(live.stream_id)]
        now = time.monotonic()
        for live in followed:
            if live.stream_id in read:
                unread.pop(live.stream_id, None)
            elif now - unread.setdefault(live.stream_id, now) >= _NOTE:
                del unread[live.stream_id]
                relay.unfollow(live)
        try:
            await relay.journal.note_read(read)
        except Problem:
            pass
