"""Several hubs on one journal: one reads a stream, the others follow, and one takes over."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from ssechat.core.frames import Frame, FrameKind
from ssechat.hub import Hub, Live
from ssechat.journal import Journal, Lease, Outcome
from ssechat.journal.lease import process_start
from support import hub_process
from support.fault_server import FaultServer, Request, Wire, in_turn
from support.hubs import (
    HERE,
    RELAY,
    ask,
    ended,
    finish,
    frames,
    opened,
    profile,
    say,
    stored,
    until,
    words,
)
from support.programs import kill

TESTS = Path(hub_process.__file__).parents[1]


@asynccontextmanager
async def another(folder: Path, base_url: str, name: str = "test") -> AsyncIterator[Process]:
    """A process that asks a question and reads the answer; its stream's id is out already."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    arguments = (hub_process.__file__, str(folder), base_url, name)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", *arguments, stdout=PIPE, env=environment
    )
    try:
        assert (await asyncio.wait_for(process.stdout.readline(), 10)).startswith(b"sm_")
        yield process
    finally:
        kill(process)
        await process.communicate()


def answer(live: Live) -> str:
    return live.fold.reply.answer


def parent_lease() -> Lease:
    """The lease of a living process that is not us."""
    pid = os.getppid()
    return msgspec.structs.replace(Lease.current(), pid=pid, start=process_start(pid))


async def texts(hub: Hub, live: Live) -> list[str]:
    return [f.data for f in await frames(hub, live) if f.kind is FrameKind.EVENT]


async def test_a_second_hub_follows_and_takes_over_when_the_first_is_killed(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def first(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ", "b ")
        await more.wait()
        await say(wire, "c ", first=3)
        await wire.hang()

    async def second(request: Request, wire: Wire) -> None:
        assert (request.target, request.headers["last-event-id"]) == ("/streams/1", "e3")
        await wire.open_stream()
        await say(wire, "d", first=4)
        await finish(wire, 5)

    async with FaultServer(in_turn(first, second)) as server:
        asked = profile(server.base_url)
        async with another(tmp_path, server.base_url) as other, opened(tmp_path, asked) as hub:
            await server.received()
            (live,) = await hub.take_up()
            await until(live, lambda live: answer(live) == "a b ")
            assert live.followed
            seen: list[Frame] = []
            reading = asyncio.create_task(collect(hub, live, seen))
            more.set()
            await until(live, lambda live: answer(live) == "a b c ")
            assert len(server.requests) == 1
            kill(other)
            await ended(live)
            assert not live.followed
            await asyncio.wait_for(reading, 5)
            row = await stored(hub, live)
            assert (row.state, row.text, row.resumes) == ("complete", "a b c d", 1)
            assert seen == await frames(hub, live)
            assert hub.live(live.message_id) is live
        assert [request.method for request in server.requests] == ["POST", "GET"]


async def collect(hub: Hub, live: Live, into: list[Frame]) -> None:
    async for frame in hub.subscribe(live):
        into.append(frame)


async def test_a_follower_sees_the_end_that_the_owner_writes(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ")
        await more.wait()
        await say(wire, "b", first=2)
        await finish(wire, 3)

    async with (
        FaultServer(handler) as server,
        opened(tmp_path) as hub,
        another(tmp_path, server.base_url),
    ):
        (live,) = await hub.take_up()
        more.set()
        await ended(live)
        assert (live.outcome.end, answer(live)) == ("complete", "a b")
        assert len(server.requests) == 1


async def test_streams_of_a_killed_process_go_on_by_what_each_server_can(tmp_path: Path) -> None:
    async def relayed(request: Request, wire: Wire) -> None:
        await wire.open_stream(RELAY)
        start = 2 if "last-event-id" in request.headers else 1
        await say(wire, ["a ", "b"][start - 1], first=start, ids="st_a.1-{}")
        await (finish(wire, 3, "st_a.1-{}") if start == 2 else wire.hang())

    async def plain(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ", ids="")
        await wire.hang()

    async with FaultServer(relayed) as can, FaultServer(plain) as cannot:
        known = profile(can.base_url, name="can"), profile(cannot.base_url, name="cannot")
        async with opened(tmp_path, *known) as hub:
            async with (
                another(tmp_path, can.base_url, "can"),
                another(tmp_path, cannot.base_url, "cannot"),
                another(tmp_path, cannot.base_url, "gone"),
            ):
                lives = {live.profile: live for live in await hub.take_up()}
                for live in lives.values():
                    await until(live, lambda live: answer(live) == "a ")
            for live in lives.values():
                await ended(live)
            rows = {name: await stored(hub, live) for name, live in lives.items()}
            assert {name: row.state for name, row in rows.items()} == {
                "can": "complete",
                "cannot": "cut",
                "gone": "cut",
            }
            assert rows["cannot"].text == rows["gone"].text == "a "
            assert "no longer configured" in rows["gone"].note
            assert lives["gone"].problem.remedy
        assert len(cannot.requests) == 2


async def test_killed_before_any_answer_it_is_not_sent_again(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.hang()

    async with FaultServer(handler) as server:
        async with another(tmp_path, server.base_url):
            await server.received()
        async with opened(tmp_path, profile(server.base_url)) as hub:
            (live,) = await hub.take_up()
            await ended(live)
            row = await stored(hub, live)
            assert row.state == "cut"
            assert "billed" in row.note
        assert len(server.requests) == 1


async def test_a_hub_that_lost_its_stream_lets_go_and_follows(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ")
        await more.wait()
        await say(wire, "ours", first=2)
        await wire.hang()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await until(await ask(hub, profile(server.base_url)), lambda live: answer(live))
        thief = await Journal.open(tmp_path / "ssechat.db", parent_lease())
        assert await thief.adopt(live.stream_id, str(hub.journal.lease))
        more.set()
        await asyncio.wait_for(server.wires[0].peer_closed.wait(), 5)
        await until(live, lambda live: live.followed)
        batch = [Frame(FrameKind.EVENT, words("theirs"), id="e2", own_id=True)]
        await thief.append(live.stream_id, batch, "e2")
        await until(live, lambda live: answer(live) == "a theirs")
        await thief.settle(live.stream_id, Outcome(state="complete", text="a theirs"))
        await thief.close()
        await ended(live)
        assert live.outcome.end == "complete"
        assert await texts(hub, live) == [words("a "), words("theirs")]
        assert live.unsaved is None
        assert len(server.requests) == 1


async def test_a_conversation_deleted_in_mid_stream_ends_its_stream(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ")
        await more.wait()
        await say(wire, "b ", first=2)
        await wire.hang()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await until(await ask(hub, profile(server.base_url)), lambda live: answer(live))
        await hub.journal.delete(live.conversation_id)
        more.set()
        await ended(live)
        assert live.outcome.end == "stopped"
        assert "deleted" in live.outcome.note
        await asyncio.wait_for(server.wires[0].peer_closed.wait(), 5)
