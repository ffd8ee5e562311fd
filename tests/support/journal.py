"""What the journal's tests share. Run as a program, it is another process with the same file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ssechat.core.conversation import Call
from ssechat.core.frames import Frame, FrameKind
from ssechat.journal import Begun, Journal, Lease, NewStream

CALL = Call("POST", "/v1/chat/completions", {"Accept": "text/event-stream"}, b'{"stream":true}')
DEAD = Lease("another-boot", 1, 1, "1")


def frame(number: int, data: str = "{}") -> Frame:
    return Frame(
        FrameKind.EVENT, data, id=f"e{number}", own_id=True, end=number, wall=1.5, mono=2.5
    )


def question(
    text: str | None = "why?", conversation: str | None = None, parent: str | None = None
) -> NewStream:
    return NewStream(
        conversation_id=conversation,
        parent_id=parent,
        text=text,
        profile="work",
        model="a-model",
        dialect="openai-chat",
        call=CALL,
        idempotency_key="key-1",
    )


@asynccontextmanager
async def opened(folder: Path, lease: Lease | None = None) -> AsyncIterator[Journal]:
    journal = await Journal.open(folder / "ssechat.db", lease)
    try:
        yield journal
    finally:
        await journal.close()


async def all_frames(journal: Journal, stream_id: str, page: int = 1000) -> list[Frame]:
    found: list[Frame] = []
    while rows := await journal.frames(stream_id, len(found), page):
        assert [seq for seq, _ in rows] == list(range(len(found) + 1, len(found) + len(rows) + 1))
        found += [frame for _, frame in rows]
    return found


async def begin_many(journal: Journal, count: int) -> list[Begun]:
    return await asyncio.gather(*(journal.begin(question(f"question {n}")) for n in range(count)))


async def _write_for_ever(folder: Path) -> None:
    """Take up the stream of the process before, or begin one; append until killed."""
    journal = await Journal.open(folder / "ssechat.db")
    orphans = await journal.orphans()
    if orphans:
        row = orphans[0]
        assert await journal.adopt(row.id, row.lease)
    else:
        row = await journal.stream((await journal.begin(question())).stream_id)
    number = row.last_seq
    while True:
        batch = [frame(number + n + 1, "x" * 200) for n in range(1 + number % 7)]
        number = await journal.append(row.id, batch, batch[-1].id)
        print(number, flush=True)


async def _write_some(folder: Path, count: int) -> None:
    """Append `count` frames to a stream of this process' own, and settle nothing."""
    journal = await Journal.open(folder / "ssechat.db")
    begun = await journal.begin(question())
    print(begun.stream_id, flush=True)
    for number in range(1, count + 1):
        await journal.append(begun.stream_id, [frame(number)], f"e{number}")
    await journal.close()


async def _open_and_begin(folder: Path) -> None:
    async with opened(folder) as journal:
        await journal.begin(question())


if __name__ == "__main__":
    verb, folder = sys.argv[1], Path(sys.argv[2])
    if verb == "for-ever":
        asyncio.run(_write_for_ever(folder))
    elif verb == "some":
        asyncio.run(_write_some(folder, int(sys.argv[3])))
    elif verb == "open":
        asyncio.run(_open_and_begin(folder))
