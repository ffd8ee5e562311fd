"""Another answer than the one we hold: it becomes the next attempt."""

from __future__ import annotations

from ssechat.core.resume import Rung
from ssechat.hub.live import Live
from ssechat.journal import Journal, NewStream, StreamRow


async def sibling(journal: Journal, old: Live) -> StreamRow:
    """A new stream that gets, from its start, what the server of `old` now sends."""
    row = await journal.stream(old.stream_id)
    parent = await journal.parent(old.message_id)
    begun = await journal.begin(
        NewStream(
            conversation_id=old.conversation_id,
            parent_id=parent,
            text=None,
            profile=row.profile,
            model=row.model,
            dialect=row.dialect,
            options=row.options,
            call=row.call,
        )
    )
    await journal.update_stream(
        begun.stream_id,
        scheme=old.handle.scheme,
        resume_path=old.handle.path,
        remote_id=old.handle.id,
        rung=Rung.REPLAY,
    )
    return await journal.stream(begun.stream_id)
