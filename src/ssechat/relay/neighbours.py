"""What relays that share a journal do for each other: whoever dies is inherited, whoever reads is
noted."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ssechat.core.errors import Problem
from ssechat.journal import UNFINISHED
from ssechat.relay import log

if TYPE_CHECKING:
    from ssechat.journal.owned import Owned, OwnedStreams
    from ssechat.relay.relay import Relay

_REAP = 2.0  # s between looks for streams that a dead relay has left
_LOOK = 0.1  # s between looks at a request that another relay has sent
_STOP_TIME = 15.0  # s that another relay may take to stop a stream
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


async def ended(relay: Relay, owned: Owned) -> None:
    """Return once a stream that is to stop has ended, here or at another relay."""
    if (live := relay.live(owned.stream_id)) is not None:
        await live.ended.wait()
        return
    until = time.monotonic() + _STOP_TIME
    while time.monotonic() < until:
        row = await relay.journal.owned(owned.owner, owned.stream_id)
        if row is None or row.state not in UNFINISHED:
            return
        await asyncio.sleep(_LOOK)


async def reap(relay: Relay) -> None:
    """Take up what others have left."""
    while True:
        await asyncio.sleep(_REAP)
        with suppress(Problem):  # the journal cannot be reached: next time
            for live in await relay.streams.reap():
                log.note("stream taken over", stream=live.stream_id)


async def note_readers(relay: Relay) -> None:
    """Tell the owners of streams that they are read here; look no longer at those that are not."""
    unread: set[str] = set()
    while True:
        await asyncio.sleep(_NOTE)
        followed = [live for live in relay.streams.lives if live.followed]
        alone = [live for live in followed if not relay.is_read(live.stream_id)]
        for live in alone:
            if live.stream_id in unread:
                relay.unfollow(live)
        unread = {live.stream_id for live in alone}
        read = [live.stream_id for live in followed if live not in alone]
        with suppress(Problem):
            await relay.journal.note_read(read)
