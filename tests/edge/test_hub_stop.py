"""Stop: a server that can is asked to, after that was written down; another sees the close."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from ssechat.core.resume import State
from ssechat.hub import Live
from support.fault_server import FaultServer, Request, Wire
from support.hubs import HERE, RELAY, ask, ended, opened, profile, say, stored, until

IDS = "st_a.1-{}"
CANCEL = ("POST", "/v1/streams/st_a/cancel")


def state_on_disk(folder: Path, live: Live) -> str:
    with sqlite3.connect(folder / "ssechat.db") as other:
        query = "SELECT state FROM stream WHERE id = ?"
        (state,) = other.execute(query, (live.stream_id,)).fetchone()
    other.close()
    return state


class Relay:
    """Streams two words, then nothing; answers requests to stop with `statuses`, one after the
    other, the last one for ever. `None` does not answer at all."""

    def __init__(self, *statuses: int | None) -> None:
        self.statuses = list(statuses)
        self.states: list[str] = []
        self.look = str

    async def __call__(self, request: Request, wire: Wire) -> None:
        if (request.method, request.target) != CANCEL:
            await wire.open_stream(RELAY)
            await say(wire, "a ", "b ", ids=IDS)
            await wire.hang()
            return
        self.states.append(self.look())
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status is None:
            await wire.hang()
        else:
            await wire.reply(status, "{}")


def said_both(live: Live) -> bool:
    return live.fold.reply.answer == "a b "


@pytest.mark.parametrize("status", [202, 200, 404, 410])
async def test_a_server_that_can_stop_is_asked_after_that_was_written_down(
    status: int, tmp_path: Path
) -> None:
    relay = Relay(status)
    async with FaultServer(relay) as server, opened(tmp_path) as hub:
        live = await until(await ask(hub, profile(server.base_url)), said_both)
        relay.look = lambda: state_on_disk(tmp_path, live)
        hub.stop(live)
        await ended(live)
        assert relay.states == ["stopping"]
        row = await stored(hub, live)
        assert (row.state, row.note, row.text) == ("stopped", "", "a b ")


async def test_a_server_that_does_not_confirm_is_asked_until_it_does(tmp_path: Path) -> None:
    relay = Relay(500, 502, None, 202)
    async with FaultServer(relay) as server, opened(tmp_path) as hub:
        live = await until(await ask(hub, profile(server.base_url)), said_both)
        hub.stop(live)
        for count in range(2, 5):
            await until(live, lambda live: live.due is not None)
            hub.wake(live)
            await server.received(1 + count)
        await ended(live)
        assert len(relay.states) == 4
        row = await stored(hub, live)
        assert (row.state, row.note) == ("stopped", "")


async def test_a_stop_that_was_under_way_is_asked_for_again_at_the_next_start(
    tmp_path: Path,
) -> None:
    relay = Relay(None, 202)
    async with FaultServer(relay) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked) as hub:
            live = await until(await ask(hub, asked), said_both)
            hub.stop(live)
            await server.received(2)
            begun = time.monotonic()
            await hub.close()
            assert time.monotonic() - begun < 4
        async with opened(tmp_path, asked) as hub:
            (live,) = await hub.take_up()
            await ended(live)
            assert len(relay.states) == 2
            assert (await stored(hub, live)).state == "stopped"
        assert [request.method for request in server.requests] == ["POST"] * 3


@pytest.mark.parametrize("headers", [{}, HERE], ids=["without a rung", "that can only resume"])
async def test_another_server_sees_the_close_at_once(headers: dict, tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(headers)
        await say(wire, "a ", "b ")
        await wire.hang()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await until(await ask(hub, profile(server.base_url)), said_both)
        begun = time.monotonic()
        hub.stop(live)
        await server.wires[0].peer_closed.wait()
        assert time.monotonic() - begun < 0.2
        await ended(live)
        row = await stored(hub, live)
        assert (row.state, row.text) == ("stopped", "a b ")
        told = "this server cannot be told to stop, and may go on"
        assert row.note == (told if headers else "by closing the connection")
        assert len(server.requests) == 1


async def test_a_stop_before_the_answer_begins_closes_too(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.hang()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await server.received()
        hub.stop(live)
        async with asyncio.timeout(0.5):
            await server.wires[0].peer_closed.wait()
        await ended(live)
        assert (await stored(hub, live)).state == "stopped"


async def test_a_stop_while_it_waits_to_reconnect_ends_the_waiting(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        if request.method == "GET":
            await wire.reply(503, headers={"Retry-After": "60"})
        else:
            await wire.open_stream(HERE)
            await say(wire, "a ", "b ")
            wire.cut()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await server.received(2)
        await until(live, lambda live: live.machine.state is State.BACKOFF)
        hub.stop(live)
        await ended(live, within=1)
        assert (await stored(hub, live)).state == "stopped"


async def test_a_stop_before_the_server_has_answered_is_asked_for_by_key(tmp_path: Path) -> None:
    states: list[str] = []

    async def handler(request: Request, wire: Wire) -> None:
        if request.target == "/v1/streams/cancel":
            key = server.requests[0].headers["idempotency-key"]
            assert request.json() == {"idempotency_key": key}
            states.append(state_on_disk(tmp_path, live))
            await wire.reply(202, "{}")
        else:
            await wire.hang()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url, relay=True))
        await server.received()
        hub.stop(live)
        await ended(live)
        assert states == ["stopping"]
        assert (await stored(hub, live)).state == "stopped"


async def test_a_stop_before_llama_cpp_has_answered_ends_its_generation(tmp_path: Path) -> None:
    """It goes on without its reader, under the name that the request gave to it."""
    stopped = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        if request.method == "GET":
            await wire.reply(200, "{}", {"Server": "llama.cpp"})
        elif request.method == "DELETE":
            name = server.requests[0].headers["x-conversation-id"]
            assert request.target == f"/stream?conv_id={name}"
            await wire.reply(204)
            stopped.set()
        else:
            await wire.hang()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await server.received()
        hub.stop(live)
        await ended(live)
        async with asyncio.timeout(5):
            await stopped.wait()
