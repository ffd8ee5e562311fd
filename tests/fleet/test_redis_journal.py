"""The journal in Redis: one owner for each stream, whoever was deposed writes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ssechat.core.conversation import Call
from ssechat.core.errors import ConfigProblem
from ssechat.core.fold import mark_note
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.journal import LeaseLost, NewStream, NotFound, Outcome
from ssechat.journal.owned import Owned
from ssechat.journal.redis import RedisJournal
from ssechat.journal.redis.server import Gone
from support.redis_server import RedisServer, needs_redis, redis_server

pytestmark = needs_redis
CALL = Call("POST", "v1/chat/completions", {"a": "b"}, b'{"model": "m"}')
COMPLETE = Outcome(state="complete", note="done")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@asynccontextmanager
async def opened(
    server: RedisServer, retention: float = 60.0, lease: float = 10.0
) -> AsyncIterator[RedisJournal]:
    journal = await RedisJournal.open(server.url, retention, lease)
    try:
        yield journal
    finally:
        await journal.close()


def new(name: str) -> NewStream:
    return NewStream(
        text="", profile="up/openai-chat", model="m", dialect="openai-chat", call=CALL,
        stream_id=name, idempotency_key="upstream-key",
    )  # fmt: skip


def frame(number: int, data: str = "") -> Frame:
    return Frame(FrameKind.EVENT, data or f"data {number}", id=f"e{number}", wall=1.0)


def owned(name: str, key: str | None = None, owner: str = "me") -> Owned:
    return Owned(name, owner, "up", key, b"\x00digest", "openai-chat", "", "", 0, None, "")


async def texts(journal: RedisJournal, name: str, after: int = 0) -> list[str]:
    frames = await journal.frames(name, after)
    assert [number for number, _ in frames] == list(range(after + 1, after + 1 + len(frames)))
    return [one.data for _, one in frames]


def unique(text: str) -> str:
    return f"st_{text}_{time.monotonic_ns()}"


async def test_what_is_written_is_read_by_every_process(server: RedisServer) -> None:
    name = unique("a")
    async with opened(server) as ours, opened(server) as other:
        await ours.begin(new(name))
        assert await ours.append(name, [frame(1), frame(2)], "e2") == 2
        assert await ours.append(name, [frame(3)], "e3") == 3
        for journal in (ours, other):
            row = await journal.stream(name)
            assert (row.last_seq, row.cursor, row.state, row.call) == (3, "e3", "live", CALL)
            assert (row.profile, row.idempotency_key) == ("up/openai-chat", "upstream-key")
            assert await texts(journal, name) == ["data 1", "data 2", "data 3"]
            assert await texts(journal, name, 1) == ["data 2", "data 3"]
            assert await texts(journal, name, 3) == []
            assert [n for n, _ in await journal.frames(name, 0, 2)] == [1, 2]
        await ours.update_stream(name, scheme="relay", remote_id="st_far", ttfb_ms=None)
        assert (await other.stream(name)).handle.id == "st_far"
        assert await other.met_relay("up/openai-chat")


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000])
async def test_many_frames_at_once_keep_their_numbers(server: RedisServer, count: int) -> None:
    name = unique("many")
    async with opened(server) as ours:
        await ours.begin(new(name))
        for _ in range(2):
            await ours.append(name, [frame(n) for n in range(count)], "e")
        for after in {0, 1, count - 1, count, count + 1, 2 * count - 1}:
            rest = await ours.frames(name, after, 5000)
            assert [number for number, _ in rest] == list(range(after + 1, 2 * count + 1))


async def test_whatever_a_server_sent_is_read_back(server: RedisServer) -> None:
    name = unique("hostile")
    async with opened(server) as ours:
        await ours.begin(new(name))
        await ours.append(name, [frame(1, "\ud800 \x00 \r\n'\"{}")], "e\ud800")
        assert await texts(ours, name) == ["� \x00 \r\n'\"{}"]


async def test_who_takes_over_begins_an_epoch_and_the_old_owner_writes_nothing(
    server: RedisServer,
) -> None:
    name = unique("taken")
    async with opened(server) as ours, opened(server) as other:
        await ours.begin(new(name))
        await ours.append(name, [frame(1)], "e1")
        assert await other.adopt(name, ours.owner)
        assert not await other.adopt(name, ours.owner)
        assert await other.append(name, [frame(2)], "e2") == 3
        with pytest.raises(LeaseLost):
            await ours.append(name, [frame(9)], "e9")
        with pytest.raises(LeaseLost):
            await ours.settle(name, COMPLETE)
        with pytest.raises(LeaseLost):
            await ours.update_stream(name, state="stopping")
        _, (_, mark), _ = await ours.frames(name)
        assert mark.event == MarkName.EPOCH
        assert mark_note(mark)["epoch"] > 1
        assert await texts(ours, name, 2) == ["data 2"]
        assert [row.id for row in await ours.foreign()] == []
        await other.settle(name, COMPLETE)
        assert (await ours.stream(name)).state == "complete"


async def test_a_process_learns_that_a_silent_stream_of_its_was_taken(server: RedisServer) -> None:
    name = unique("silent")
    async with opened(server) as ours, opened(server) as other:
        await ours.begin(new(name))
        assert await ours.foreign() == []
        await other.adopt(name, ours.owner)
        assert [row.id for row in await ours.foreign()] == [name]


async def test_redis_itself_refuses_what_lies_below_the_last_entry(server: RedisServer) -> None:
    """Should a check of ours ever be missing, the log still has one writer."""
    name = unique("fence")
    async with opened(server) as ours, opened(server) as other:
        await ours.begin(new(name))
        await other.adopt(name, ours.owner)
        for late in ("1-1", "1-999999"):
            with pytest.raises(Exception, match="equal or smaller"):
                await ours._client.xadd(f"ssechat:{{{name}}}:log", {"f": b""}, id=late)


async def test_one_of_many_takes_a_dead_stream(server: RedisServer) -> None:
    name = unique("race")
    async with opened(server) as first, opened(server) as second, opened(server) as third:
        await first.begin(new(name))
        taken = await asyncio.gather(
            *(one.adopt(name, first.owner) for one in (second, third) for _ in range(5))
        )
        assert sum(taken) == 1


async def test_streams_of_a_process_that_left_are_orphans_at_once(server: RedisServer) -> None:
    name = unique("left")
    async with opened(server) as other:
        async with opened(server) as ours:
            await ours.begin(new(name))
            assert name not in [row.id for row in await other.orphans()]
            assert await other.lives(await other.stream(name))
        row = await other.stream(name)
        assert not await other.lives(row)
        assert name in [row.id for row in await other.orphans()]
        assert await other.adopt(name, row.lease)
        assert name not in [row.id for row in await other.orphans()]


async def test_streams_of_a_process_that_died_are_orphans_when_its_lease_has_ended(
    server: RedisServer,
) -> None:
    name = unique("dead")
    async with opened(server, lease=0.3) as other, opened(server, lease=0.3) as ours:
        await ours.begin(new(name))
        async with asyncio.timeout(5):
            while name not in [row.id for row in await other.orphans()]:
                await other.beat()
                await asyncio.sleep(0.05)


async def test_news_come_when_they_come_and_an_end_wakes_too(server: RedisServer) -> None:
    name = unique("news")
    async with opened(server) as ours, opened(server) as other:
        await ours.begin(new(name))
        waiting = asyncio.ensure_future(other.news(name, 0))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await ours.append(name, [frame(1)], "e1")
        await asyncio.wait_for(waiting, 2)
        assert await texts(other, name) == ["data 1"]
        waiting = asyncio.ensure_future(other.news(name, 1))
        await ours.settle(name, COMPLETE)
        await asyncio.wait_for(waiting, 2)
        assert (await other.stream(name)).state == "complete"


async def test_a_last_event_is_written_with_the_end(server: RedisServer) -> None:
    name = unique("last")
    async with opened(server) as ours:
        told: list[str] = []
        ours.last_event = lambda stream, outcome: frame(2, "the end")
        ours.written = lambda stream, last: told.append(last.data)
        await ours.begin(new(name))
        await ours.append(name, [frame(1)], "e1")
        await ours.settle(name, COMPLETE)
        assert await texts(ours, name) == ["data 1", "the end"]
        assert told == ["the end"]
        with pytest.raises(LeaseLost):
            await ours.append(name, [frame(3)], "e3")


async def test_a_key_starts_one_stream_whoever_asks(server: RedisServer) -> None:
    first, second, key = unique("k1"), unique("k2"), unique("key")
    async with opened(server) as ours, opened(server) as other:
        await ours.begin(new(first))
        await other.begin(new(second))
        both = await asyncio.gather(
            ours.register(owned(first, key)), other.register(owned(second, key))
        )
        assert sorted(both) == [False, True]
        known = await other.by_key("me", key)
        assert known is not None
        assert known.stream_id == (first if both[0] else second)
        assert (known.digest, known.idempotency_key) == (b"\x00digest", key)
        assert await other.by_key("somebody", key) is None
        await ours.forget(known, time.time() + 60)
        assert await other.by_key("me", key) is None
        assert await other.past("me", known.stream_id)


async def test_a_key_that_was_called_off_starts_nothing(server: RedisServer) -> None:
    name, key = unique("off"), unique("key")
    async with opened(server) as ours, opened(server) as other:
        await other.call_off("me", key, time.time() + 60)
        await ours.begin(new(name))
        assert not await ours.register(owned(name, key))
        assert await ours.past("me", f"key:{key}")


async def test_owners_see_their_own_streams_alone(server: RedisServer) -> None:
    me, mine, theirs = unique("me"), unique("mine"), unique("theirs")
    async with opened(server) as ours, opened(server) as other:
        for name, owner in ((mine, me), (theirs, "them")):
            await ours.begin(new(name))
            assert await ours.register(owned(name, None, owner))
        assert [one.stream_id for one in await other.all_of(me, (), 10)] == [mine]
        assert [one.stream_id for one in await other.all_of(me, ("live",), 10)] == [mine]
        assert await other.live_of(me, 1) == 1
        assert await other.owned(me, theirs) is None
        assert await other.owner_of_stream(mine) == me
        await ours.settle(mine, COMPLETE)
        assert await other.all_of(me, ("live", "stopping"), 10) == []
        assert await other.live_of(me, 1) == 0
        (ended,) = await other.all_of(me, (), 10)
        assert (ended.state, ended.note, ended.ended is not None) == ("complete", "done", True)


async def test_what_ended_is_forgotten_after_its_time(server: RedisServer) -> None:
    name = unique("old")
    async with opened(server, retention=0.2) as ours:
        await ours.begin(new(name))
        await ours.register(owned(name))
        await ours.append(name, [frame(1)], "e1")
        await ours.settle(name, COMPLETE)
        async with asyncio.timeout(5):
            while await ours.owned("me", name) is not None:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.05)
        assert await ours.frames(name) == []
        assert await ours.past("me", name)
        with pytest.raises(NotFound):
            await ours.stream(name)


async def test_a_stop_is_asked_of_the_process_that_owns_the_stream(server: RedisServer) -> None:
    name = unique("stop")
    async with opened(server) as ours, opened(server) as other:
        asked: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        ours.stop_asked = lambda *about: asked.put_nowait(about)
        await ours.begin(new(name))
        assert await other.ask_stop(name, "it was cancelled")
        assert await asyncio.wait_for(asked.get(), 5) == (name, "it was cancelled")
        assert (await other.stream(name)).state == "stopping"
        await ours.settle(name, COMPLETE)
        assert not await other.ask_stop(name, "it was cancelled")


async def test_readers_elsewhere_are_known(server: RedisServer) -> None:
    name = unique("read")
    async with opened(server) as ours, opened(server) as other:
        assert await ours.read_elsewhere([name]) == set()
        await other.note_read([name])
        assert await ours.read_elsewhere([name, unique("x")]) == {name}


async def test_tokens_are_shared_and_revoked_for_all(server: RedisServer) -> None:
    owner = unique("owner ü")
    async with opened(server) as ours, opened(server) as other:
        token = await ours.add_token(owner)
        assert token
        assert await ours.add_token(owner) is None
        assert await other.owner_of(token) == owner
        assert owner in [name for name, _ in await other.tokens()]
        assert await other.revoke_token(owner)
        assert await ours.owner_of(token) is None
        assert not await ours.revoke_token(owner)


async def test_what_redis_lost_is_written_again(tmp_path: Path) -> None:
    name = unique("older")
    with redis_server(tmp_path / "redis") as own:
        async with opened(own) as ours:
            await ours.begin(new(name))
            await ours.append(name, [frame(1)], "e1")
            older = own.keep()
            await ours.append(name, [frame(2), frame(3)], "e3")
            own.kill()
            own.back_to(older)
            own.start()
            assert (await _patiently(ours.stream, name)).last_seq == 1
            assert await ours.append(name, [frame(4)], "e4") == 4
            assert await texts(ours, name) == ["data 1", "data 2", "data 3", "data 4"]


async def test_what_arrived_and_seemed_to_fail_is_written_once(tmp_path: Path) -> None:
    """Redis stands still for longer than a command may take, and runs it all the same."""
    name = unique("twice")
    with redis_server(tmp_path / "redis") as own:
        async with opened(own) as ours:
            await ours.begin(new(name))
            await ours.append(name, [frame(1)], "e1")
            own.pause()
            with pytest.raises(Gone):
                await ours.append(name, [frame(2)], "e2")
            own.go_on()
            assert await _patiently(ours.append, name, [frame(2), frame(3)], "e3") == 3
            assert await texts(ours, name) == ["data 1", "data 2", "data 3"]


async def _patiently(ask, *about):
    """Redis has just come back: connections of before are found dead one by one."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await ask(*about)
            except Gone:
                await asyncio.sleep(0.05)


async def test_errors_tell_where_and_what_to_do_and_no_password(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis", "--requirepass", "hunter22") as own:
        right = f"redis://:hunter22@127.0.0.1:{own.port}/0"
        journal = await RedisJournal.open(right, 60, 10)
        await journal.close()
        for wrong in (own.url, right.replace("hunter22", "hunter33")):
            with pytest.raises(Gone) as refused:
                await RedisJournal.open(wrong, 60, 10)
            told = f"{refused.value} {refused.value.detail} {refused.value.remedy}"
            assert f"127.0.0.1:{own.port}" in told
            assert "password" in refused.value.remedy
            assert "hunter" not in told
    with pytest.raises(Gone, match="cannot be read"):
        await RedisJournal.open(f"redis://127.0.0.1:{own.port}/0", 60, 10)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:x/0",
        "redis+sentinel://h",
        "redis://h/?nonsense=1",
        "redis://:pa/ss-SECRET@h/0",
        "redis://:SECRET#x@h/0",
        "redis://:SEC[RET@h/0",
    ],
)
async def test_an_address_that_is_wrong_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigProblem, match=r"at h.* is wrong") as refused:
        await RedisJournal.open(url, 60, 10)
    assert "correct `journal`" in refused.value.remedy
    told = f"{refused.value} {refused.value.detail} {refused.value.remedy}"
    assert "SEC" not in told


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster", "unix"])
async def test_a_server_that_is_not_there_is_told(scheme: str, tmp_path: Path) -> None:
    where = str(tmp_path / "none") if scheme == "unix" else "127.0.0.1:1"
    with pytest.raises(Gone, match="cannot be read") as refused:
        await RedisJournal.open(f"{scheme}://{where}", 60, 10)
    assert "start Redis" in refused.value.remedy


async def test_a_unix_socket_leads_there_too(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with redis_server(tmp_path / "redis", "--unixsocket", path):
        journal = await RedisJournal.open(f"unix://{path}", 60, 10)
        await journal.begin(new("st_unix"))
        assert (await journal.stream("st_unix")).state == "live"
        await journal.close()


async def test_a_cluster_keeps_streams_too(tmp_path: Path) -> None:
    options = ("--cluster-enabled", "yes", "--cluster-config-file", str(tmp_path / "nodes"))
    with redis_server(tmp_path / "redis", *options) as node:
        await _all_slots(node)
        one = await RedisJournal.open(f"redis+cluster://127.0.0.1:{node.port}", 60, 10)
        two = await RedisJournal.open(f"redis+cluster://127.0.0.1:{node.port}", 60, 10)
        try:
            await one.begin(new("st_c"))
            assert await one.register(owned("st_c", "key"))
            await one.append("st_c", [frame(1)], "e1")
            assert await texts(two, "st_c") == ["data 1"]
            assert [row.stream_id for row in await two.all_of("me", (), 10)] == ["st_c"]
            assert await two.adopt("st_c", one.owner)
            assert [row.id for row in await one.foreign()] == ["st_c"]
            await two.settle("st_c", COMPLETE)
            assert (await one.stream("st_c")).state == "complete"
        finally:
            await one.close()
            await two.close()


async def _all_slots(node: RedisServer) -> None:
    from redis.asyncio import Redis

    async with Redis(port=node.port) as client:
        await client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        async with asyncio.timeout(10):
            while b"cluster_state:ok" not in await client.execute_command("CLUSTER", "INFO"):  # noqa: ASYNC110 - a node tells nobody
                await asyncio.sleep(0.05)


async def test_what_an_older_redis_has_never_heard_of_is_not_ours_for_ever(tmp_path: Path) -> None:
    """A stream ended in the second that Redis lost: it is given up, and taken anew."""
    name = unique("ended")
    with redis_server(tmp_path / "redis") as own:
        journal = await RedisJournal.open(own.url, 60, 1.0)
        await journal.begin(new(name))
        await journal.append(name, [frame(1)], "e1")
        older = own.keep()
        await journal.settle(name, COMPLETE)
        own.kill()
        own.back_to(older)
        own.start()
        assert (await _patiently(journal.stream, name)).state == "live"
        async with asyncio.timeout(10):
            while name not in [row.id for row in await journal.orphans()]:
                await journal.beat()
        row = await journal.stream(name)
        assert await journal.adopt(name, row.lease)
        await journal.close()


async def test_an_end_is_not_written_behind_frames_that_redis_has_lost(tmp_path: Path) -> None:
    name = unique("cut")
    with redis_server(tmp_path / "redis") as own:
        async with opened(own) as ours:
            await ours.begin(new(name))
            await ours.append(name, [frame(1)], "e1")
            older = own.keep()
            await ours.append(name, [frame(2)], "e2")
            own.kill()
            own.back_to(older)
            own.start()
            await _patiently(ours.settle, name, COMPLETE)
            assert await texts(ours, name) == ["data 1", "data 2"]
            row = await ours.stream(name)
            assert (row.state, row.last_seq, row.cursor) == ("complete", 2, "e2")


async def test_no_epoch_comes_twice(tmp_path: Path) -> None:
    name = unique("epoch")
    with redis_server(tmp_path / "redis") as own:
        async with opened(own) as one, opened(own) as two, opened(own) as three:
            await one.begin(new(name))
            older = own.keep()
            assert await two.adopt(name, one.owner)
            first = (await two.frames(name))[0][1]
            own.kill()
            own.back_to(older)
            await asyncio.sleep(1.1)  # Redis counts in seconds
            own.start()
            await _patiently(three.stream, name)
            assert await three.adopt(name, one.owner)
            second = (await three.frames(name))[0][1]
            assert mark_note(second)["epoch"] > mark_note(first)["epoch"]
