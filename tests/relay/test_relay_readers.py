"""Readers: how many there may be, who may end what others read, and who is let go."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from ssechat.relay import access, feed, reader
from ssechat.relay.config import Limits
from ssechat.relay.feed import RING
from support.fault_server import FaultServer, Handler, Request, Wire
from support.hubs import finish, say, words
from support.relays import Body, Relaying, numbers, relaying, stream_of

CANCELS = {"Ssechat-On-Disconnect": "cancel"}


def held(go_on: asyncio.Event) -> Handler:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a")
        await go_on.wait()
        await finish(wire)

    return handler


async def readers(relay: Relaying, stream: str, wanted: int) -> None:
    """Wait until so many read."""
    feed = relay.relay.feeds[stream]
    async with asyncio.timeout(10):
        while feed.readers != wanted:  # noqa: ASYNC110 - connections close in their own time
            await asyncio.sleep(0.01)


async def test_replays_under_a_key_are_readers_too(tmp_path: Path) -> None:
    go_on, key = asyncio.Event(), {"Idempotency-Key": "k"}
    async with (
        FaultServer(held(go_on)) as server,
        relaying(tmp_path, server.base_url, limits=Limits(readers=2)) as relay,
        relay.asking(headers=key) as first,
        relay.asking(headers=key) as second,
    ):
        assert (first.status_code, second.status_code) == (200, 200)
        third = await relay.ask(idempotency_key="k")
        assert third.status_code == 429
        assert int(third.headers["retry-after"]) > 0
        go_on.set()
        assert numbers(await Body(first).whole()) == [1, 2, 3]
        assert len(server.requests) == 1


async def test_a_reader_that_leaves_ends_nothing_that_others_read(tmp_path: Path) -> None:
    go_on, key = asyncio.Event(), {"Idempotency-Key": "k"}
    async with (
        FaultServer(held(go_on)) as server,
        relaying(tmp_path, server.base_url) as relay,
        relay.asking(headers=key) as stays,
    ):
        stream = stream_of(stays)
        async with relay.asking(headers=key | CANCELS) as leaves:
            assert leaves.status_code == 200
            await readers(relay, stream, 2)
        await readers(relay, stream, 1)
        go_on.set()
        assert numbers(await Body(stays).whole()) == [1, 2, 3]
        told = (await relay.client.get(f"/v1/streams/{stream}")).json()
        assert told["state"] == "complete"


async def test_the_last_reader_that_leaves_ends_it_if_it_asked_to(tmp_path: Path) -> None:
    async with (
        FaultServer(held(asyncio.Event())) as server,
        relaying(tmp_path, server.base_url) as relay,
    ):
        async with relay.asking(headers=CANCELS) as leaves:
            stream = stream_of(leaves)
            await Body(leaves).until(1)
        await relay.ended(stream)
        told = (await relay.client.get(f"/v1/streams/{stream}")).json()
        assert told["state"] == "stopped"


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LOOK", 0.1)


@pytest.mark.usefixtures("watchful")
@pytest.mark.parametrize("again", [False, True])
async def test_readers_are_let_go_when_their_token_is_revoked_and_no_others(
    tmp_path: Path, again: bool
) -> None:
    go_on = asyncio.Event()
    async with (
        FaultServer(held(go_on)) as server,
        relaying(tmp_path, server.base_url) as relay,
        await relay.other_owner() as other,
        AsyncExitStack() as stack,
    ):
        mine = await stack.enter_async_context(relay.asking())
        asking = other.stream("POST", "/up/v1/chat/completions", json={"stream": True})
        theirs = await stack.enter_async_context(asking)
        looked = Body(mine), Body(theirs)
        await asyncio.gather(*(body.until(1) for body in looked))
        await asyncio.sleep(0.2)  # both have been looked at
        await relay.relay.journal.revoke_token("me")
        if again:
            await relay.relay.journal.add_token("me")
        with pytest.raises(httpx.RemoteProtocolError):
            await looked[0].whole()
        go_on.set()
        assert numbers(await looked[1].whole()) == [1, 2, 3]


async def alive(body: Body) -> None:
    """Wait until a comment has come which says so."""
    async with asyncio.timeout(10):
        while ": alive\n" not in body.text:
            body.text += await anext(body.parts)


async def test_a_reader_of_a_silent_stream_hears_that_its_connection_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "HEARTBEAT", 0.2)
    go_on = asyncio.Event()
    async with (
        FaultServer(held(go_on)) as server,
        relaying(tmp_path, server.base_url) as relay,
        relay.asking() as answer,
        relay.asking("/api/chat", body={"prompt": "x", "model": "m"}) as simple,
    ):
        bodies = Body(answer), Body(simple)
        await asyncio.gather(*map(alive, bodies))
        go_on.set()
        first, second = [await body.whole() for body in bodies]
        assert numbers(first) == [1, 2, 3]
        assert numbers(second) == list(range(1, len(numbers(second)) + 1))


async def test_there_are_no_comments_between_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "HEARTBEAT", 0.2)
    go_on, line = asyncio.Event(), '{"message":{"content":"a"},"done":false}\n'

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(content_type="application/x-ndjson")
        await wire.chunk(line)
        await go_on.wait()
        await wire.chunk(line.replace("false", "true"))
        await wire.end()

    async with (
        FaultServer(handler) as server,
        relaying(tmp_path, server.base_url) as relay,
        relay.asking("/up/api/chat", body={"model": "m", "messages": []}) as answer,
        relay.client.stream("GET", answer.headers["location"]) as events,
    ):
        await alive(Body(events))
        go_on.set()
        assert await Body(answer).whole() == line + line.replace("false", "true")


@pytest.mark.usefixtures("watchful")
async def test_a_reader_that_takes_nothing_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PATIENCE", 0.2)

    async def large(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        for _ in range(40):
            await wire.event(words("x" * 500_000))
        await finish(wire)

    async with (
        FaultServer(large) as server,
        relaying(tmp_path, server.base_url) as relay,
        relay.asking() as answer,
    ):
        await readers(relay, stream_of(answer), 0)
        with pytest.raises(httpx.RemoteProtocolError):
            await Body(answer).whole()


async def test_a_reader_of_the_simple_view_is_not_given_more_than_it_can_take(
    tmp_path: Path,
) -> None:
    size = 50_000

    async def large(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        for _ in range(30):
            await wire.event(words("x" * size))
        await finish(wire)

    async with FaultServer(large) as server, relaying(tmp_path, server.base_url) as relay:
        answer = await relay.ask("/api/chat", body={"prompt": "x", "model": "m"})
        feed = relay.relay.feeds[stream_of(answer)]
        pieces = [len(data) async for data in feed.follow()]
        assert sum(pieces) > 30 * size
        assert max(pieces) < RING + 2 * size


async def test_readers_that_are_looked_at_at_once_are_all_known(tmp_path: Path) -> None:
    async with relaying(tmp_path, "http://127.0.0.1:9") as relay:
        owners = access.Owners(relay.relay.journal)
        entries = [access.Entry("me", owners) for _ in range(3)]
        assert await asyncio.gather(*(one.holds() for one in entries)) == [True] * 3
        assert not await access.Entry("you", owners).holds()
        assert await access.Entry(access.LOCAL, owners).holds()
