"""A journal that fails in mid-stream: the answer goes on in bounded memory and is written later."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import msgspec
import pytest

from ssechat.core.errors import JournalProblem
from ssechat.core.frames import Frame, FrameKind
from ssechat.hub import Hub, Live, keeper, recorder
from ssechat.journal import DiskFull, Journal, Lease, StreamRow
from support.fault_server import FaultServer, Request, Wire
from support.hubs import (
    HERE,
    ask,
    ended,
    finish,
    frames,
    opened,
    profile,
    say,
    stored,
    until,
)

BIG = "x" * 5000  # more than what is left of a page
DEAD = msgspec.structs.replace(Lease.current(), start="long ago")
"""The lease of a process that has ended: a full disk may keep it from being given back."""


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing is tried again after a tenth of a second instead of a whole one."""
    monkeypatch.setattr(recorder, "RETRY", 0.1)
    monkeypatch.setattr(keeper, "_RETRY", 0.1)


async def fill(journal: Journal) -> None:
    """From now on the file may not grow, as on a full disk."""
    await journal._write(lambda c: c.execute("PRAGMA max_page_count = 1").fetchall())


async def free(journal: Journal) -> None:
    await journal._write(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchall())


class Steps:
    """Says what it is told to, then ends."""

    def __init__(self) -> None:
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()

    async def __call__(self, request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        number = 0
        while (text := await self._texts.get()) is not None:
            number += 1
            await say(wire, text, first=number)
        await finish(wire, number + 1)

    def say(self, *texts: str | None) -> None:
        for text in texts:
            self._texts.put_nowait(text)


def answer(live: Live) -> str:
    return live.fold.reply.answer


async def events(hub: Hub, live: Live) -> list[str]:
    return [f.id for f in await frames(hub, live) if f.kind is FrameKind.EVENT]


@pytest.mark.usefixtures("quickly")
async def test_it_is_shown_as_not_saved_and_saved_once_there_is_room(tmp_path: Path) -> None:
    steps = Steps()
    async with FaultServer(steps) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        steps.say("a ")
        await until(live, lambda live: answer(live) == "a ")
        await fill(hub.journal)
        steps.say(BIG)
        await until(live, lambda live: live.unsaved)
        assert isinstance(live.unsaved, DiskFull)
        assert live.unsaved.remedy
        steps.say("b ", "c ")
        await until(live, lambda live: answer(live).endswith("b c "))
        assert await events(hub, live) == ["e1"]
        await free(hub.journal)
        await until(live, lambda live: live.unsaved is None)
        assert await events(hub, live) == ["e1", "e2", "e3", "e4"]
        steps.say("d", None)
        await ended(live)
        row = await stored(hub, live)
        assert (row.state, row.text) == ("complete", f"a {BIG}b c d")
        assert await events(hub, live) == [f"e{n}" for n in range(1, 8)]


@pytest.mark.usefixtures("quickly")
async def test_the_end_is_known_before_it_is_saved(tmp_path: Path) -> None:
    steps = Steps()
    async with FaultServer(steps) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        steps.say("a ")
        await until(live, lambda live: answer(live) == "a ")
        await fill(hub.journal)
        steps.say(BIG, None)
        await until(live, lambda live: live.outcome)
        assert live.outcome.end == "complete"
        assert not live.ended.is_set()
        await free(hub.journal)
        await ended(live)
        assert live.unsaved is None
        assert (await stored(hub, live)).text == f"a {BIG}"


@pytest.mark.usefixtures("quickly")
async def test_a_reader_gets_what_is_not_saved_and_its_end(tmp_path: Path) -> None:
    steps = Steps()
    async with FaultServer(steps) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        seen: list[Frame] = []

        async def read() -> None:
            async for frame in hub.subscribe(live):
                seen.append(frame)

        reading = asyncio.create_task(read())
        steps.say("a ")
        await until(live, lambda live: answer(live) == "a ")
        await fill(hub.journal)
        steps.say(BIG)
        await until(live, lambda live: live.unsaved)
        await free(hub.journal)
        await until(live, lambda live: live.unsaved is None)
        await fill(hub.journal)
        steps.say(BIG, "b", None)
        await asyncio.wait_for(reading, 5)
        ids = [frame.id for frame in seen if frame.kind is FrameKind.EVENT]
        assert ids == [f"e{n}" for n in range(1, 7)]
        assert not live.ended.is_set()


@pytest.mark.usefixtures("quickly")
async def test_the_place_to_continue_is_written_later_too(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await go.wait()
        await wire.open_stream({"Location": f"/streams/{BIG[:1500]}"})
        await say(wire, "a")
        await finish(wire)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await server.received()
        other = sqlite3.connect(tmp_path / "ssechat.db", isolation_level=None)
        hub.journal.hurry()
        other.execute("BEGIN IMMEDIATE")
        go.set()
        await until(live, lambda live: live.unsaved and live.outcome)
        assert answer(live) == "a"
        other.execute("ROLLBACK")
        other.close()
        await ended(live)
        row = await hub.journal.stream(live.stream_id)
        assert (row.state, row.resume_path) == ("complete", live.handle.path)


@pytest.mark.usefixtures("quickly")
async def test_reading_pauses_at_the_bound_and_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "BOUND", 300_000)
    total = 100

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        for number in range(1, total + 1):
            await say(wire, "x" * 50_000, first=number)
        await finish(wire)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await fill(hub.journal)
        await until(live, lambda live: len(answer(live)) > 250_000)
        await asyncio.sleep(0.5)  # several tries to write it
        assert len(answer(live)) < 1_000_000
        assert live.outcome is None
        await free(hub.journal)
        await ended(live, within=20)
        row = await stored(hub, live)
        assert (row.state, len(row.text)) == ("complete", total * 50_000)


async def test_while_it_fails_the_journal_is_not_asked_for_each_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    steps = Steps()
    async with FaultServer(steps) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        steps.say("a ")
        await until(live, lambda live: answer(live) == "a ")
        await fill(hub.journal)
        append = hub.journal.append

        async def counted(stream_id: str, batch: list[Frame], cursor: str) -> int:
            tries.append(len(batch))
            return await append(stream_id, batch, cursor)

        monkeypatch.setattr(hub.journal, "append", counted)
        steps.say(BIG)
        await until(live, lambda live: live.unsaved)
        for number in range(50):
            steps.say(f"{number} ")
            await until(live, lambda live, n=number: answer(live).endswith(f"{n} "))
        assert len(tries) <= 3


async def test_stop_and_close_do_not_wait_for_a_journal_that_fails(tmp_path: Path) -> None:
    full = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        if request.method == "GET":
            assert request.headers["last-event-id"] == "e1"
            await wire.open_stream()
            await say(wire, BIG, "c", first=2)
            await finish(wire, 4)
        else:
            await wire.open_stream(HERE)
            await say(wire, "a ")
            await full.wait()
            await say(wire, BIG, first=2)
            await wire.hang()

    async with FaultServer(handler) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked, lease=DEAD) as hub:
            going_on, stopped = await ask(hub, asked), await ask(hub, asked)
            for live in (going_on, stopped):
                await until(live, lambda live: answer(live) == "a ")
            await fill(hub.journal)
            full.set()
            for live in (going_on, stopped):
                await until(live, lambda live: live.unsaved)
            hub.stop(stopped)
            await until(stopped, lambda live: live.outcome)
            begun = time.monotonic()
            await hub.close()
            assert time.monotonic() - begun < 4
        async with opened(tmp_path, asked) as hub:
            lives = await hub.take_up()
            assert {live.stream_id for live in lives} == {going_on.stream_id, stopped.stream_id}
            for live in lives:
                await ended(live)
            # The stop was written down, though what came before it was not.
            assert (await stored(hub, lives[1])).state == "stopped"
            assert (await stored(hub, lives[0])).text == f"a {BIG}c"


async def test_what_was_written_down_and_cannot_be_read_back_is_forgotten_and_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(request: Request, wire: Wire) -> None:
        raise AssertionError("nothing is to be sent")

    async with FaultServer(never) as server:
        known = profile(server.base_url)
        async with opened(tmp_path, known) as hub:
            read, refuses = hub.journal.stream, True

            async def fails(stream_id: str) -> StreamRow:
                if refuses:
                    raise JournalProblem("it cannot be read now")
                return await read(stream_id)

            monkeypatch.setattr(hub.journal, "stream", fails)
            with pytest.raises(JournalProblem):
                await ask(hub, known)
            refuses = False
            async with asyncio.timeout(5):
                while await hub.journal.streams():  # noqa: ASYNC110 - the journal tells nobody
                    await asyncio.sleep(0.01)
            assert await hub.journal.conversations() == []
            assert server.requests == []
