"""A POST whose events have ids, of a server that names no place to go on: it is asked by GET."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ssechat.core.resume import Rung, State
from support.fault_server import FaultServer, Request, Wire, in_turn
from support.hubs import ask, ended, finish, opened, profile, say, stored, until


async def cut(request: Request, wire: Wire) -> None:
    assert request.method == "POST"
    await wire.open_stream()
    await say(wire, "a ", "b ")
    wire.cut()


async def goes_on(request: Request, wire: Wire) -> None:
    assert request.method == "GET"
    assert request.headers["last-event-id"] == "e2"
    await wire.open_stream()
    await say(wire, "c", first=3)
    await finish(wire, 4)


async def page(request: Request, wire: Wire) -> None:
    await wire.reply(200, "<html>hello</html>", {"Content-Type": "text/html"})


def refuses(status: int):
    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(status)

    return handler


def asked(server: FaultServer) -> list[str]:
    assert len({request.target for request in server.requests}) == 1
    return [request.method for request in server.requests]


@pytest.mark.parametrize("dialect", ["openai-chat", "sse"])
async def test_the_server_is_asked_for_the_rest_by_get(tmp_path: Path, dialect: str) -> None:
    async with FaultServer(in_turn(cut, goes_on)) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url, dialect)))
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a b c", 1)
        assert asked(server) == ["POST", "GET"]


async def test_what_is_hoped_is_neither_told_nor_tried_without_need(tmp_path: Path) -> None:
    cut_now = asyncio.Event()

    async def waits(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ", "b ")
        await cut_now.wait()
        wire.cut()

    async def lingers(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "c ", first=3)
        await wire.hang()

    async with FaultServer(in_turn(waits, lingers)) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: live.fold.reply.answer == "a b ")
        assert live.rung is Rung.CONTINUE
        assert not live.kept
        hub.wake_all("this machine slept")  # the connection may live, and be the only way
        assert live.machine.state is State.STREAMING
        cut_now.set()
        await until(live, lambda live: live.fold.reply.answer == "a b c ")
        assert live.rung is Rung.EXACT
        assert live.kept
        assert not live.outlives


@pytest.mark.parametrize("status", [200, 204, 400, 401, 404, 405, 410, 501])
async def test_a_server_that_cannot_leaves_a_cut_and_is_not_asked_again(
    tmp_path: Path, status: int
) -> None:
    handler = in_turn(cut, page if status == 200 else refuses(status), cut)
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        for requests in (["POST", "GET"], ["POST", "GET", "POST"]):
            live = await ended(await ask(hub, profile(server.base_url)))
            row = await stored(hub, live)
            assert (row.state, row.text, row.note) == ("cut", "a b ", "the connection was cut")
            assert live.rung is Rung.CONTINUE
            assert asked(server) == requests


async def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    handler = in_turn(cut, refuses(503), goes_on)
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await server.received(2)
        await until(live, lambda live: live.machine.state is State.BACKOFF)
        hub.wake(live)
        assert (await stored(hub, await ended(live))).text == "a b c"
        assert asked(server) == ["POST", "GET", "GET"]


async def test_hope_that_came_to_nothing_leaves_the_way_of_a_new_request(tmp_path: Path) -> None:
    async def fails(request: Request, wire: Wire) -> None:
        await wire.reply(500)

    async with FaultServer(in_turn(cut, fails)) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        while live.outcome is None:
            await until(live, lambda live: live.due is not None or live.outcome)
            hub.wake(live)
            await asyncio.sleep(0)
        await ended(live)
        assert live.rung is Rung.CONTINUE
        assert await hub.rung_after(await hub.journal.stream(live.stream_id)) is Rung.CONTINUE


async def test_another_stream_at_that_url_is_not_taken_for_the_answer(tmp_path: Path) -> None:
    async def another(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "x ", "y ", "z ")
        await finish(wire, 4)

    async with FaultServer(in_turn(cut, another)) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        rows = await hub.journal.attempts(live.message_id)
        assert [(row.state, row.text) for row in rows] == [("cut", "a b ")]
        assert asked(server) == ["POST", "GET"]


async def test_without_ids_or_where_resuming_is_off_nothing_is_asked(tmp_path: Path) -> None:
    async def nameless(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ", "b ", ids="")
        wire.cut()

    async with FaultServer(in_turn(nameless, cut)) as server, opened(tmp_path) as hub:
        for policy in ("auto", "off"):
            live = await ended(await ask(hub, profile(server.base_url, resume=policy)))
            assert (await stored(hub, live)).state == "cut"
        assert asked(server) == ["POST", "POST"]


async def test_the_next_start_asks_too(tmp_path: Path) -> None:
    async def waits(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ", "b ")
        await wire.hang()

    async with FaultServer(in_turn(waits, goes_on)) as server:
        which = profile(server.base_url)
        async with opened(tmp_path) as hub:
            live = await ask(hub, which)
            await until(live, lambda live: live.fold.reply.answer == "a b ")
        async with opened(tmp_path, which) as hub:
            (live,) = await hub.take_up()
            assert (await stored(hub, await ended(live))).text == "a b c"
        assert asked(server) == ["POST", "GET"]
