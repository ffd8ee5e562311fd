"""The hub: one task a stream, any number of readers, and the journal before everything."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from ssechat.core.errors import KeyProblem
from ssechat.core.frames import Frame, MarkName
from ssechat.hub import Hub, Live
from support.fault_server import FaultServer, Request, Wire
from support.hubs import HERE, ask, ended, finish, frames, opened, profile, say, stored, until


class Paced:
    """A handler that says one word each time it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Semaphore(0)

    async def __call__(self, request: Request, wire: Wire) -> None:
        await wire.open_stream()
        for number in range(1, 7):
            await self.let.acquire()
            await say(wire, f"{number} ", first=number)
        await finish(wire, 7)

    def go(self, count: int = 1) -> None:
        for _ in range(count):
            self.let.release()


async def collect(hub: Hub, live: Live, after: int, into: list[Frame]) -> None:
    async for frame in hub.subscribe(live, after):
        into.append(frame)


def answer(live: Live) -> str:
    return live.fold.reply.answer


async def test_a_reader_gets_every_frame_once_whenever_it_comes(tmp_path: Path) -> None:
    paced = Paced()
    async with FaultServer(paced) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        starts = (0, 0, 2, 4)
        seen: list[list[Frame]] = [[] for _ in starts]
        readers = []
        for number, after in enumerate(starts):
            readers.append(asyncio.create_task(collect(hub, live, after, seen[number])))
            paced.go()
            await until(live, lambda live, n=number: f"{n + 1} " in answer(live))
        paced.go(2)
        await asyncio.wait_for(asyncio.gather(*readers), 5)
        whole = await frames(hub, live)
        assert [frame.event for frame in whole[:1]] == [MarkName.SENT]
        for after, got in zip(starts, seen, strict=True):
            assert got == whole[after:]
        assert len(server.requests) == 1


async def test_a_reader_of_an_ended_stream_gets_all_and_ends(tmp_path: Path) -> None:
    paced = Paced()
    paced.go(6)
    async with FaultServer(paced) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        seen: list[Frame] = []
        await asyncio.wait_for(collect(hub, live, 0, seen), 5)
        assert seen == await frames(hub, live)


async def test_a_stream_outlives_its_readers(tmp_path: Path) -> None:
    paced = Paced()
    async with FaultServer(paced) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        reader = asyncio.create_task(collect(hub, live, 0, []))
        paced.go(2)
        await until(live, lambda live: "2 " in answer(live))
        reader.cancel()
        paced.go(4)
        await ended(live)
        assert (await stored(hub, live)).text == "1 2 3 4 5 6 "


async def test_nothing_is_shown_that_the_journal_does_not_hold(tmp_path: Path) -> None:
    paced = Paced()
    async with FaultServer(paced) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        other = sqlite3.connect(tmp_path / "ssechat.db")
        looks: list[tuple[int, str, int, str]] = []

        def look(live: Live) -> None:
            query = "SELECT last_seq, cursor FROM stream WHERE id = ?"
            looks.append(
                (*other.execute(query, (live.stream_id,)).fetchone(), live.seq, live.cursor)
            )

        live.watch(look)
        paced.go(6)
        await ended(live)
        other.close()
        assert len(looks) > 6
        assert all(held >= shown for held, _, shown, _ in looks)
        assert all(cursor == shown for held, cursor, seen, shown in looks if held == seen)


async def test_the_end_is_written_with_its_measures(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ", "b ", "c")
        await finish(wire)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes, row.last_id) == ("complete", "a b c", 0, "e3")
        assert (row.tokens_out, row.estimated) == (3, True)
        assert row.ttfb_ms is not None
        assert row.ttft_ms is not None
        assert 0 < row.ttfb_ms <= row.ttft_ms < 5000
        assert row.parts[0]["text"] == "a b c"


async def test_streams_of_one_hub_do_not_mix(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        text = request.json()["messages"][-1]["content"]
        await wire.open_stream()
        for number in range(1, 20):
            await say(wire, f"{text}{number} ", first=number)
            await asyncio.sleep(0)
        await finish(wire, 20)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        asked = profile(server.base_url)
        lives = await asyncio.gather(*(ask(hub, asked, f"q{n}-") for n in range(8)))
        for number, live in enumerate(lives):
            await ended(live)
            expected = "".join(f"q{number}-{n} " for n in range(1, 20))
            assert (await stored(hub, live)).text == expected


async def test_without_its_key_nothing_is_sent_or_written(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(500)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        with pytest.raises(KeyProblem) as caught:
            await ask(hub, profile(server.base_url, api_key_env="NOT_SET_API_KEY"))
        assert "NOT_SET_API_KEY" in str(caught.value)
        assert caught.value.remedy
        assert server.requests == []
        assert await hub.journal.conversations() == []


async def test_closing_leaves_a_hanging_stream_to_the_next_hub(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        if request.method == "GET":
            assert request.headers["last-event-id"] == "e2"
            await wire.open_stream()
            await say(wire, "c", first=3)
            await finish(wire, 4)
        else:
            await wire.open_stream(HERE)
            await say(wire, "a ", "b ")
            await wire.hang()

    async with FaultServer(handler) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked) as hub:
            live = await until(await ask(hub, asked), lambda live: answer(live) == "a b ")
            async with asyncio.timeout(1):
                await hub.close()
            assert not live.ended.is_set()
        async with opened(tmp_path, asked) as hub:
            (live,) = await hub.take_up()
            await ended(live)
            assert (await stored(hub, live)).text == "a b c"
            assert live.outcome.end == "complete"
            assert live.fold.resumes == 1
