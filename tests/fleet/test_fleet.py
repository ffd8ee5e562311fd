"""Three relays on one Redis: any of them serves any reader, and inherits the others' streams."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from support.fault_server import FaultServer, Request, Wire
from support.hubs import DONE, FINISH, words
from support.redis_server import needs_redis
from support.relay_fleet import Fleet, Reader, asked, fleet, in_order, order
from support.relays import CHAT

pytestmark = needs_redis
EVENTS = 20
MANY = "[limits]\nlive_streams = 1000"


def told(name: str) -> list[str]:
    """All data of the stream that `name` asks for."""
    return [*(words(f"{name} {n}") for n in range(EVENTS)), FINISH, DONE]


class Upstream:
    """What is called `kept` it goes on with, from the id that it is told. Each stream waits before
    its event number `hold` until `go` is set."""

    def __init__(self) -> None:
        self.hold = EVENTS // 2
        self.go = asyncio.Event()
        self.posts: list[str] = []
        self.resumes: list[str] = []
        self.pace = 0.0

    async def __call__(self, request: Request, wire: Wire) -> None:
        if request.method == "GET":
            name, after = request.target.rpartition("/")[2], int(request.headers["last-event-id"])
            self.resumes.append(name)
        else:
            name, after = request.json()["messages"][0]["content"], 0
            self.posts.append(name)
        if name.startswith("error"):
            await self.go.wait()
            await wire.reply(429, b'{"error": {"message": "slow down"}}')
            return
        kept = name.startswith("kept")
        await wire.open_stream({"Location": f"/streams/{name}"} if kept else {})
        for number, data in enumerate(told(name)[after:], after + 1):
            if number == self.hold:
                await self.go.wait()
            await wire.event(data, id=str(number) if kept else None)
            await asyncio.sleep(self.pace)
        await wire.end()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def relays(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with FaultServer(upstream) as server:
        with fleet(tmp_path, server.base_url) as running:
            yield running


async def until(true: Callable[[], Awaitable[bool]], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not await true():  # noqa: ASYNC110 - other processes tell nobody
            await asyncio.sleep(0.05)


async def state(client: httpx.AsyncClient, stream: str) -> str:
    answer = await client.get(f"/v1/streams/{stream}")
    return str(answer.json().get("state", answer.status_code))


async def test_any_relay_serves_any_reader_and_any_verb(relays: Fleet, upstream: Upstream) -> None:
    async with relays.client(0) as one, relays.client(1) as two, relays.client(2) as three:
        reader, other = Reader(), Reader()
        async with one.stream(
            "POST", CHAT, json=asked("plain"), headers={"Idempotency-Key": "k"}
        ) as response:
            reader.stream = other.stream = response.headers["ssechat-stream-id"]
        path = f"/v1/streams/{reader.stream}"
        assert (await two.get(path)).json()["state"] == "live"
        listed = (await three.get("/v1/streams?state=unfinished")).json()["streams"]
        assert [row["id"] for row in listed] == [reader.stream]
        reading = asyncio.ensure_future(other.go_on(two))
        async with three.stream(
            "POST", CHAT, json=asked("plain"), headers={"Idempotency-Key": "k"}
        ) as again:
            assert again.headers["idempotent-replayed"] == "true"
            assert again.headers["ssechat-stream-id"] == reader.stream
        another = await three.post(CHAT, json=asked("else"), headers={"Idempotency-Key": "k"})
        assert another.status_code == 422
        upstream.go.set()
        assert await reading == 200
        await reader.to_the_end(three)
        assert reader.seen == other.seen
        assert reader.data == told("plain")
        assert in_order(reader)
        assert upstream.posts == ["plain"]
        assert (await one.delete(path)).status_code == 204
        assert {(await client.get(path)).status_code for client in (one, two, three)} == {410}


async def test_a_reader_may_move_from_relay_to_relay_at_every_event(
    relays: Fleet, upstream: Upstream
) -> None:
    upstream.go.set()
    upstream.pace = 0.02
    async with relays.client(0) as one, relays.client(1) as two, relays.client(2) as three:
        reader = Reader()
        await reader.ask(one, "plain", 1)
        async with asyncio.timeout(30):
            while True:
                for client in (two, three, one):
                    if await reader.go_on(client, 1) == 204:
                        assert reader.data == told("plain")
                        assert in_order(reader)
                        return


async def test_a_cancel_reaches_the_owner_from_any_relay(relays: Fleet, upstream: Upstream) -> None:
    async with relays.client(0) as one, relays.client(1) as two, relays.client(2) as three:
        for number, cancel in enumerate(("id", "key", "delete")):
            reader = Reader()
            headers = {"Idempotency-Key": f"c{number}"}
            async with one.stream("POST", CHAT, json=asked("plain"), headers=headers) as response:
                reader.stream = response.headers["ssechat-stream-id"]
            path = f"/v1/streams/{reader.stream}"
            following = asyncio.ensure_future(reader.go_on(three))
            match cancel:
                case "id":
                    assert (await two.post(f"{path}/cancel")).status_code == 202
                case "key":
                    body = {"idempotency_key": f"c{number}"}
                    assert (await two.post("/v1/streams/cancel", json=body)).status_code == 202
                case "delete":
                    assert (await two.delete(path)).status_code == 204
            await asyncio.wait_for(following, 10)
            if cancel != "delete":
                await until(partial(_is, one, reader.stream, "stopped"))
                await reader.to_the_end(three)
                assert "it was cancelled" in reader.data[-1]


async def _is(client: httpx.AsyncClient, stream: str, wanted: str) -> bool:
    return await state(client, stream) == wanted


@pytest.mark.parametrize("seen", [5, EVENTS + 1], ids=["text", "its end"])
async def test_what_the_upstream_can_resume_goes_on_when_its_relay_is_killed(
    relays: Fleet, upstream: Upstream, seen: int
) -> None:
    """Also if but the end mark is missing then."""
    async with relays.client(0) as one, relays.client(1) as two, relays.client(2) as three:
        reader, other = Reader(), Reader()
        upstream.hold = max(upstream.hold, seen + 1)
        await reader.ask(one, "kept", seen)
        other.stream = reader.stream
        following = asyncio.ensure_future(other.go_on(three))
        relays.relays[0].kill()
        await until(lambda: _resumed(upstream))
        upstream.go.set()
        await reader.to_the_end(two, three)
        await following
        await other.to_the_end(three)
        for one_reader in (reader, other):
            assert one_reader.data == told("kept")
            assert in_order(one_reader)
        assert order(reader.seen[-1][0])[0] > 1
        assert (upstream.posts, upstream.resumes) == (["kept"], ["kept"])
        assert await state(two, reader.stream) == "complete"


async def _resumed(upstream: Upstream) -> bool:
    return bool(upstream.resumes)


async def test_what_the_upstream_cannot_resume_ends_truthfully_when_its_relay_is_killed(
    relays: Fleet, upstream: Upstream
) -> None:
    async with relays.client(0) as one, relays.client(1) as two:
        reader = Reader()
        await reader.ask(one, "plain", 5)
        relays.relays[0].kill()
        await reader.to_the_end(two)
        *events, last = reader.data
        assert events == told("plain")[: len(events)]
        assert json.loads(last)["ssechat"] == "upstream_interrupted"
        assert in_order(reader)
        assert await state(two, reader.stream) == "cut"
        assert upstream.posts == ["plain"]


async def test_a_relay_that_slept_past_its_lease_writes_nothing_when_it_wakes(
    relays: Fleet, upstream: Upstream
) -> None:
    sleeper = relays.relays[0].process
    async with relays.client(0) as one, relays.client(1) as two:
        reader, old = Reader(), Reader()
        await reader.ask(one, "kept", 5)
        old.stream, old.seen = reader.stream, list(reader.seen)
        following = asyncio.ensure_future(old.go_on(one))
        sleeper.send_signal(signal.SIGSTOP)
        await until(lambda: _resumed(upstream))
        upstream.go.set()  # to both: the sleeper's socket is full of it, too
        await reader.to_the_end(two)
        sleeper.send_signal(signal.SIGCONT)
        assert reader.data == told("kept")
        await asyncio.wait_for(following, 20)
        await old.to_the_end(one)
        assert old.seen == reader.seen
        again = Reader()
        again.stream = reader.stream
        await again.to_the_end(two)
        assert again.seen == reader.seen
        assert await state(one, reader.stream) == "complete"


async def test_two_relays_race_for_a_dead_stream_and_one_gets_it(
    relays: Fleet, upstream: Upstream
) -> None:
    async with relays.client(0) as one, relays.client(1) as two, relays.client(2) as three:
        readers = [Reader() for _ in range(8)]
        for number, reader in enumerate(readers):
            await reader.ask(one, f"kept{number}", 5)
        relays.relays[0].kill()
        upstream.go.set()
        await asyncio.gather(*(reader.to_the_end(two, three) for reader in readers))
        for number, reader in enumerate(readers):
            assert reader.data == told(f"kept{number}")
            assert in_order(reader)
        assert sorted(upstream.resumes) == sorted(f"kept{number}" for number in range(8))


async def test_running_streams_outlast_redis_and_new_ones_are_refused(
    relays: Fleet, upstream: Upstream
) -> None:
    async with relays.client(0) as one, relays.client(1) as two:
        reader = Reader()
        await reader.ask(one, "plain", 5)
        relays.redis.kill()
        upstream.go.set()  # the rest comes while there is no journal
        await until(lambda: _status(one, "/readyz", 503))
        assert (await one.get("/healthz")).status_code == 200
        refused = await one.post(CHAT, json=asked("new"))
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        for answer in (refused, await one.get("/readyz")):
            assert "journal in Redis" in answer.text
            assert str(relays.redis.port) not in answer.text  # where it is concerns nobody
        relays.redis.start()
        await until(lambda: _status(one, "/readyz", 200))
        await until(lambda: _status(two, "/readyz", 200))
        await reader.to_the_end(one, two)
        assert reader.data == told("plain")
        assert in_order(reader)
        assert await state(two, reader.stream) == "complete"
        assert upstream.posts == ["plain"]
        fresh = Reader()
        await fresh.ask(two, "fresh")
        assert fresh.data == told("fresh")


async def _status(client: httpx.AsyncClient, path: str, wanted: int) -> bool:
    try:
        return (await client.get(path)).status_code == wanted
    except httpx.TransportError:
        return False


async def test_a_cursor_ahead_of_an_older_log_is_told_so(relays: Fleet, upstream: Upstream) -> None:
    """The relay that wrote the rest is dead, too: nobody can write it again."""
    async with relays.client(0) as one, relays.client(1) as two:
        reader = Reader()
        upstream.hold = 4
        await reader.ask(one, "plain", 2)
        older = relays.redis.keep()
        upstream.go.set()
        await reader.to_the_end(one)
        ahead = reader.seen[-1][0]
        relays.relays[0].kill()
        relays.redis.kill()
        relays.redis.back_to(older)
        relays.redis.start()
        path = f"/v1/streams/{reader.stream}/events"
        await until(lambda: _status(two, "/readyz", 200))
        answer = await two.get(path, headers={"Last-Event-ID": ahead})
        assert answer.status_code == 410
        assert answer.json()["reason"] == "ahead"
        rest = Reader()
        rest.stream = reader.stream
        await rest.to_the_end(two)
        assert rest.data[:2] == told("plain")[:2]
        assert json.loads(rest.data[-1])["ssechat"] == "upstream_interrupted"


async def test_a_key_whose_request_failed_at_one_relay_starts_anew_at_another(
    relays: Fleet, upstream: Upstream
) -> None:
    async with relays.client(0) as one, relays.client(1) as two:
        headers = {"Idempotency-Key": "k"}
        first = asyncio.ensure_future(one.post(CHAT, json=asked("error"), headers=headers))
        await until(lambda: _asked(upstream, 1))
        before = await _looks(relays)
        second = asyncio.ensure_future(two.post(CHAT, json=asked("error"), headers=headers))
        await until(lambda: _more_looks(relays, before + 3))
        assert upstream.posts == ["error"]
        upstream.go.set()
        answers = await asyncio.gather(first, second)
        assert [answer.status_code for answer in answers] == [429, 429]
        assert upstream.posts == ["error", "error"]


async def _looks(relays: Fleet) -> int:
    """How often it was asked what is known of a stream, such as whether it has begun."""
    async with Redis.from_url(relays.redis.url) as client:
        told = await client.info("commandstats")
    return int(told.get("cmdstat_hmget", {}).get("calls", 0))


async def _more_looks(relays: Fleet, wanted: int) -> bool:
    return await _looks(relays) >= wanted


async def _asked(upstream: Upstream, count: int) -> bool:
    return len(upstream.posts) >= count


async def test_a_rolling_restart_loses_no_event_of_200_streams(
    upstream: Upstream, tmp_path: Path
) -> None:
    """A lease that a busy machine cannot miss: who lost one by that would end truthfully."""
    upstream.go.set()
    upstream.pace = 0.25
    async with FaultServer(upstream) as server:
        with fleet(tmp_path, server.base_url, more=MANY, lease=10) as relays:
            await _roll(relays, upstream)


async def _roll(relays: Fleet, upstream: Upstream) -> None:
    names = [f"{'kept' if n % 2 else 'plain'}{n}" for n in range(200)]
    clients = [relays.client(number) for number in range(3)]
    restarting = asyncio.Event()

    async def read(number: int, name: str) -> Reader:
        reader = Reader()
        turn = [*clients[number % 3 :], *clients[: number % 3]]
        for client in turn * 10:
            try:
                await reader.ask(client, name, 3, idempotency_key=name)
                break
            except (httpx.TransportError, AssertionError):
                await asyncio.sleep(0.1)
        if number == 100:
            restarting.set()
        await reader.to_the_end(*turn, within=90)
        return reader

    async def restart() -> None:
        await restarting.wait()
        for relay in relays.relays:
            assert await asyncio.to_thread(relay.end) == 0
            await asyncio.to_thread(relay.restart)

    reading = asyncio.gather(*(read(number, name) for number, name in enumerate(names)))
    await restart()
    for name, reader in zip(names, await reading, strict=True):
        assert reader.data == told(name)
        assert in_order(reader)
    for client in clients:
        await client.aclose()
    assert sorted(upstream.posts) == sorted(names)
