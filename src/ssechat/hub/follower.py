"""Following a stream that another process reads: its frames, as they come into the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ssechat.core.deltas import EndState
from ssechat.core.errors import JournalProblem
from ssechat.core.resume import Settle
from ssechat.hub.live import Live
from ssechat.journal import UNFINISHED, Damaged, NotFound, StreamJournal, StreamRow

_RETRY = 1.0  # s
_PAGE = 500  # frames read at once


async def follow(journal: StreamJournal, live: Live) -> StreamRow:
    """Fold what appears until the stream has ended or its owner is dead; the row as it is then."""
    while True:
        before = live.seq
        await catch_up(journal, live)
        if live.seq > before:
            await journal.news(live.stream_id, live.seq)
            continue
        row = await journal.stream(live.stream_id)
        if row.last_seq < live.seq:  # the journal has lost what it had
            live.restart(row.codec.decoder())
            continue
        if row.state not in UNFINISHED:
            await catch_up(journal, live)
            live.close(Settle(EndState(row.state), row.note))
            live.ended.set()
            live.changed()
            return row
        if not await journal.lives(row):
            return row
        await journal.news(live.stream_id, live.seq)


async def again(journal: StreamJournal, row: StreamRow) -> StreamRow:
    """The row as it is since the stream is ours: somebody may have wanted it to stop before."""
    try:
        return await journal.stream(row.id)
    except JournalProblem:
        return row


async def keep_following(
    journal: StreamJournal, live: Live, may_take: Callable[[StreamRow], Awaitable[bool]]
) -> StreamRow | None:
    """Fold another process' frames as it writes them. The stream's row, once that process is dead
    and the stream, which we may take, ours; None if it has ended."""
    while not live.ended.is_set():
        try:
            row = await follow(journal, live)
            if row.state not in UNFINISHED:
                continue
            if not await may_take(row):
                await asyncio.sleep(_RETRY)
            elif await journal.adopt(row.id, row.lease):
                return await again(journal, row)
        except NotFound as problem:
            live.problem = problem
            live.close(Settle(EndState.STOPPED, "the conversation was deleted"))
            live.ended.set()
            live.changed()
        except Damaged as problem:
            live.problem = problem
            live.close(Settle(EndState.FAILED, problem.title))
            live.ended.set()
            live.changed()
        except JournalProblem:
            await asyncio.sleep(_RETRY)
    return None


async def catch_up(journal: StreamJournal, live: Live) -> None:
    """Fold what the journal holds beyond what is folded."""
    while rows := await journal.frames(live.stream_id, live.seq, _PAGE):
        live.take([frame for _, frame in rows])
        if len(rows) < _PAGE:
            break
