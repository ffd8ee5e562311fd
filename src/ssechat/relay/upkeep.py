"""What the relay does by itself: it ends what nobody reads, keeps connections alive, forgets."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ssechat.core.errors import Problem

if TYPE_CHECKING:
    from ssechat.relay.relay import Relay

_LOOK = 1.0  # s between looks at streams that nobody reads, or in which nothing comes
_FORGET = 60.0  # s between looks at streams that ended long ago


async def watch_readers(relay: Relay) -> None:
    """Stop what nobody has read for `detach_ttl`."""
    unread: dict[str, float] = {}
    while True:
        await asyncio.sleep(_LOOK)
        now = time.monotonic()
        ours = [live.stream_id for live in relay.streams.lives if not live.followed]
        alone = [stream for stream in ours if not relay.is_read(stream)]
        unread = {stream: unread.get(stream, now) for stream in alone}
        late = [one for one, since in unread.items() if now - since > relay.config.detach_ttl]
        try:
            elsewhere = await relay.journal.read_elsewhere(late)
        except Problem:
            continue
        for stream in late:
            if stream in elsewhere:
                unread[stream] = now
            else:
                relay.stop(stream, "nobody read it for too long")


async def keep_alive(relay: Relay) -> None:
    """Say now and then that connections live on which nothing comes."""
    while True:
        relay.feeds.beat()
        await asyncio.sleep(_LOOK)


async def tidy(relay: Relay) -> None:
    while True:
        try:
            await relay.forget_old()
        except Problem:
            pass  # the journal is busy or full: next time
        await asyncio.sleep(_FORGET)
