"""Another answer than the one we hold: it becomes the next attempt."""

from __future__ import annotations

import time

from ssechat.core.fold import mark
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.resume import Rung
from ssechat.hub.live import Live
from ssechat.journal import Journal, NewStream, StreamRow

_BEGINNING = 20
"""Frames among which the marks of a continuation stand: they come before its request."""


async def sibling(journal: Journal, old: Live) -> StreamRow:
    """A new stream that gets, from its start, what the server of `old` now sends. It goes on from
    the same text, if the old one goes on from another answer."""
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
    first = await journal.frames(old.stream_id, 0, _BEGINNING)
    forked = mark(MarkName.FORKED, time.time(), time.monotonic())
    marks = [forked, *(frame for _, frame in first if _begins(frame))]
    await journal.append(begun.stream_id, marks, "")
    return await journal.stream(begun.stream_id)


def _begins(frame: Frame) -> bool:
    return frame.kind is FrameKind.MARK and frame.event == MarkName.CONTINUED
