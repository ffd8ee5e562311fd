"""llama.cpp's own resume, in its three dialects: by byte offset under a name that we chose."""

from __future__ import annotations

import asyncio
import os
import random
import re
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.resume import Rung
from ssechat.core.schemes import CONVERSATION_HEADER
from ssechat.core.sse import SseDecoder
from ssechat.hub import Hub, Live
from ssechat.settings import Profile
from support import hub_process
from support.cutting_proxy import CuttingProxy
from support.hubs import ask, ended, frames, opened, profile, stored, until
from support.llama_server import LlamaServer, turns
from support.programs import kill
from support.tcp_proxy import TcpProxy, at_random

PATHS = {"openai-chat": "/v1", "openai-responses": "/v1", "anthropic": ""}
THINKING = ["Was ", "heißt", " das?\n"]
PIECES = ["Grüße", ", ", "傅里叶", " und ", "🙂", ", und ", "so weiter."]
TEXT = "".join(PIECES)
TESTS = Path(hub_process.__file__).parents[1]
BEFORE = {"openai-chat": 1, "openai-responses": 4, "anthropic": 2}
"""Events before the first word of an answer without thinking."""
each_dialect = pytest.mark.parametrize("dialect", PATHS)


def at(base_url: str, dialect: str = "openai-chat") -> Profile:
    return profile(base_url + PATHS[dialect], dialect)


def said(text: str) -> Callable[[Live], bool]:
    return lambda live: live.fold.reply.answer == text


def boundaries(body: bytes | bytearray) -> list[int]:
    """The offsets behind each event."""
    return [match.end() for match in re.finditer(rb"\n\n", body)]


def state_on_disk(folder: Path) -> str:
    with sqlite3.connect(folder / "ssechat.db") as other:
        (state,) = other.execute("SELECT state FROM stream").fetchone()
    other.close()
    return state


def events(frames: list[Frame]) -> list[str]:
    return [frame.data for frame in frames if frame.kind is FrameKind.EVENT]


class Run(NamedTuple):
    """What a run left in the history. `name` is what the server knows it by."""

    state: str
    text: str
    thinking: str
    name: str
    events: list[str]
    resumes: int


async def run(hub: Hub, asked: Profile) -> Run:
    return await left(hub, await ended(await ask(hub, asked), within=30))


async def left(hub: Hub, live: Live) -> Run:
    row, stream = await stored(hub, live), await hub.journal.stream(live.stream_id)
    name = stream.call.headers[CONVERSATION_HEADER]
    told = events(await frames(hub, live))
    return Run(row.state, row.text, row.thinking, name, told, row.resumes)


def whole(run: Run, server: LlamaServer) -> None:
    """The run holds all that its generation says, once."""
    (generation,) = (one for one in server.generations if one.name == run.name)
    sent = events(SseDecoder().feed(bytes(generation.body)))
    assert run[:3] == ("complete", "".join(server.pieces), "".join(server.thinking))
    assert run.events == sent


async def together(runs: Iterator) -> list:
    """Some at once, in order."""
    gate = asyncio.Semaphore(24)

    async def one(run):
        async with gate:
            return await run

    return await asyncio.gather(*map(one, runs))


@each_dialect
async def test_cut_around_every_event(dialect: str, tmp_path: Path) -> None:
    async with LlamaServer(PIECES, thinking=THINKING) as server, opened(tmp_path) as hub:
        whole(await run(hub, at(server.base_url, dialect)), server)
        body = server.generations[0].body
        ends = [0, *boundaries(body)]
        cuts = sorted({end + n for end in ends for n in (-1, 0, 1)} & set(range(len(body))))

        async def cut_at(k: int) -> tuple[Run, CuttingProxy]:
            async with CuttingProxy("127.0.0.1", server.port, [k]) as proxy:
                return await run(hub, at(proxy.base_url, dialect)), proxy

        for k, (cut, proxy) in zip(cuts, await together(map(cut_at, cuts)), strict=True):
            whole(cut, server)
            posted, *resumed = proxy.exchanges
            last = max(end for end in ends if end <= k)
            asked = f"/v1/stream?conv_id={cut.name}&from={last}"
            assert len(posted.body) == k
            missing = last != ends[-1]  # after the verdict, too, but that is no resume to tell of
            assert [(one.method, one.path) for one in resumed] == [("GET", asked)] * missing
            assert cut.resumes == missing or ends.index(last) >= len(ends) - 3


@each_dialect
@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_cut_anywhere_again_and_again(dialect: str, reset: bool, tmp_path: Path) -> None:
    dice = random.Random(f"{dialect} {reset}")
    async with LlamaServer(PIECES * 3, thinking=THINKING * 3) as server, opened(tmp_path) as hub:
        await run(hub, at(server.base_url, dialect))
        size = len(server.generations[0].body)

        async def cut_often(seed: int) -> tuple[Run, TcpProxy]:
            cuts = [dice.randint(300, size), *at_random(dice, 3, size // 2)]
            async with TcpProxy("127.0.0.1", server.port, cuts, reset) as proxy:
                return await run(hub, at(proxy.base_url, dialect)), proxy

        found = await together(map(cut_often, range(12)))
        for cut, proxy in found:
            whole(cut, server)
            assert proxy.count("POST") == 1
            assert proxy.count("GET /v1/stream") == len(proxy.requests) - 1
            assert proxy.cut_count >= cut.resumes
        assert sum(cut.resumes for cut, _ in found) >= 12


async def test_cut_in_the_head_it_is_found_by_its_name_and_not_sent_again(tmp_path: Path) -> None:
    async with LlamaServer(PIECES) as server, opened(tmp_path) as hub:

        async def cut_at(k: int) -> tuple[Run, TcpProxy]:
            async with TcpProxy("127.0.0.1", server.port, [k]) as proxy:
                return await run(hub, at(proxy.base_url)), proxy

        for cut, proxy in await together(map(cut_at, range(1, 120, 7))):
            whole(cut, server)
            assert proxy.count("POST") == 1


async def test_what_is_replayed_goes_over_into_what_is_live(tmp_path: Path) -> None:
    async with (
        LlamaServer(PIECES, hold=4, pings=frozenset({2, 3, 5})) as server,
        TcpProxy("127.0.0.1", server.port) as proxy,
        opened(tmp_path) as hub,
    ):
        live = await until(await ask(hub, at(proxy.base_url)), said("".join(PIECES[:3])))
        assert live.rung == "exact"
        assert proxy.cut() >= 1
        await server.received(3)  # the second one looked the stream up
        (generation,) = server.generations
        assert server.offsets == [len(generation.body)]
        server.go()
        whole(await left(hub, await ended(live)), server)
        assert live.fold.resumes == 1
        assert generation.ended == "done"


async def test_each_question_has_a_name_of_its_own(tmp_path: Path) -> None:
    async with LlamaServer(PIECES) as server, opened(tmp_path) as hub:
        first = await ended(await ask(hub, at(server.base_url)))
        place = {"conversation_id": first.conversation_id, "parent_id": first.message_id}
        await ended(await ask(hub, at(server.base_url), **place))
        names = [generation.name for generation in server.generations]
        assert len(set(names)) == 2
        assert all(len(name) == 32 for name in names)


async def test_a_server_without_the_api_is_cut_and_goes_on_by_a_prefill(tmp_path: Path) -> None:
    async with (
        LlamaServer(PIECES, hold=4, keeps=False) as server,
        TcpProxy("127.0.0.1", server.port) as proxy,
        opened(tmp_path, at(proxy.base_url)) as hub,
    ):
        old = await until(await ask(hub, at(proxy.base_url)), said("".join(PIECES[:3])))
        await until(old, lambda live: not live.kept)
        proxy.cut()
        await ended(old)
        row = await stored(hub, old)
        assert (row.state, row.text) == ("cut", "".join(PIECES[:3]))
        server.go()
        await goes_on(hub, old, server)
        assert server.generations[0].ended == "disconnected"


async def test_a_server_of_before_the_api_promises_nothing(tmp_path: Path) -> None:
    """It has the same `Server` header, so it is asked."""
    async with LlamaServer(PIECES, hold=4, keeps=False) as server, opened(tmp_path) as hub:
        live = await until(await ask(hub, at(server.base_url)), said("".join(PIECES[:3])))
        await until(live, lambda live: not live.kept)
        assert (live.rung, hub.detach(live)) == (Rung.CONTINUE, False)
    async with opened(tmp_path) as hub:
        assert not (await hub.journal.stream(live.stream_id)).handle.known


# The user's verbs.


@each_dialect
async def test_a_stop_is_written_down_and_told_once(dialect: str, tmp_path: Path) -> None:
    states: list[str] = []
    async with (
        LlamaServer(
            PIECES, hold=7, on_stop=lambda: states.append(state_on_disk(tmp_path))
        ) as server,
        opened(tmp_path) as hub,
    ):
        live = await until(await ask(hub, at(server.base_url, dialect)), lambda live: live.kept)
        await until(live, lambda live: live.fold.reply.answer)
        hub.stop(live)
        row = await stored(hub, await ended(live))
        assert (row.state, row.note) == ("stopped", "")
        assert TEXT.startswith(row.text)
        (generation,) = server.generations
        assert generation.ended == "stopped"
        assert server.stops == [generation.name]
        assert states == ["stopping"]


async def test_a_stop_before_the_headers_is_told_too(tmp_path: Path) -> None:
    async with LlamaServer(PIECES, hold=0) as server, opened(tmp_path) as hub:
        live = await ask(hub, at(server.base_url))
        await server.received()
        hub.stop(live)
        assert (await stored(hub, await ended(live))).state == "stopped"
        while not server.stops:
            await server.received(len(server.requests) + 1)
        assert server.stops == [server.generations[0].name]
        assert server.generations[0].ended in ("stopped", "disconnected")


async def test_a_stop_before_the_headers_needs_no_question_at_a_known_server(
    tmp_path: Path,
) -> None:
    async with LlamaServer(PIECES, notices=False) as server, opened(tmp_path) as hub:
        await ended(await ask(hub, at(server.base_url)))  # by which the server is known
        server.hold = 0
        before = len(server.requests)
        live = await ask(hub, at(server.base_url))
        await server.received(before + 1)
        hub.stop(live)
        row = await stored(hub, await ended(live))
        assert (row.state, row.note) == ("stopped", "")
        assert server.stops == [server.generations[1].name]
        assert [request.method for request in server.requests[before:]] == ["POST", "DELETE"]


async def test_an_answer_whose_connection_was_lost_before_the_headers_is_found_by_name(
    tmp_path: Path,
) -> None:
    async with (
        LlamaServer(PIECES, hold=0, notices=False) as server,
        TcpProxy("127.0.0.1", server.port) as proxy,
        opened(tmp_path) as hub,
    ):
        live = await ask(hub, at(proxy.base_url))
        await server.received()
        proxy.cut()
        await server.received(len(server.requests) + 1)
        server.go()
        whole(await left(hub, await ended(live)), server)
        assert (len(server.posts), server.offsets) == (1, [0])


async def test_one_that_ended_with_the_connection_is_not_claimed(tmp_path: Path) -> None:
    async with (
        LlamaServer(PIECES, hold=0) as server,
        TcpProxy("127.0.0.1", server.port) as proxy,
        opened(tmp_path) as hub,
    ):
        live = await ask(hub, at(proxy.base_url))
        await server.received()
        proxy.cut()
        row = await stored(hub, await ended(live))
        assert (row.state, row.text) == ("expired", "")
        assert row.note == "the server no longer has this stream"
        assert len(server.posts) == 1


async def test_a_detached_answer_goes_on_there_and_can_be_taken_up(tmp_path: Path) -> None:
    async with LlamaServer(PIECES, hold=4) as server:
        asked = at(server.base_url)
        async with opened(tmp_path, asked) as hub:
            live = await until(await ask(hub, asked), said("".join(PIECES[:3])))
            assert hub.detach(live)
            assert (await stored(hub, await ended(live))).state == "cut"
            server.go()
            whole(await left(hub, await ended(await hub.resume(live.stream_id))), server)
            assert (len(server.posts), len(server.offsets)) == (1, 1)


# Other processes.


async def test_a_stream_goes_on_at_the_next_start(tmp_path: Path) -> None:
    async with LlamaServer(PIECES, hold=4) as server:
        asked = at(server.base_url)
        async with opened(tmp_path, asked) as hub:
            await until(await ask(hub, asked), said("".join(PIECES[:3])))
        size = len(server.generations[0].body)
        server.go()
        async with opened(tmp_path, asked) as hub:
            (live,) = await hub.take_up()
            whole(await left(hub, await ended(live)), server)
        assert len(server.posts) == 1
        assert server.offsets == [size]


async def test_a_stream_of_a_killed_process_is_finished_by_another(tmp_path: Path) -> None:
    async with LlamaServer(PIECES, hold=4) as server:
        asked = at(server.base_url)
        arguments = (hub_process.__file__, str(tmp_path), asked.base_url)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=PIPE, env=environment
        )
        try:
            await asyncio.wait_for(process.stdout.readline(), 10)
            async with opened(tmp_path, asked) as hub:
                (live,) = await hub.take_up()
                await until(live, said("".join(PIECES[:3])))
                kill(process)
                server.go()
                whole(await left(hub, await ended(live)), server)
        finally:
            kill(process)
            await process.communicate()
        assert len(server.posts) == 1
        assert server.generations[0].ended == "done"


# What the server has lost.


async def lost(
    folder: Path,
    server: LlamaServer,
    lose: Callable[[], object],
    *,
    count: int = 3,
    dialect: str = "openai-chat",
) -> None:
    """The answer stands still after `count` words, and the server cannot send the rest any more:
    what came is kept, and goes on when the user asks."""
    asked = at(server.base_url, dialect)
    server.hold = BEFORE[dialect] + count
    came = "".join(PIECES[:count])
    async with opened(folder, asked) as hub:
        await until(await ask(hub, asked), said(came))
    lose()
    while not server.generations[0].ended:
        await server.generations[0].moved.wait()
    async with opened(folder, asked) as hub:
        (live,) = await hub.take_up()
        row = await stored(hub, await ended(live))
        assert (row.state, row.text) == ("expired", came)
        assert row.note
        assert len(server.posts) == 1
        await goes_on(hub, live, server)


async def goes_on(hub: Hub, old: Live, server: LlamaServer) -> None:
    """By a new request, after which each word stands once; the old answer stays."""
    server.hold = None
    before = await stored(hub, old)
    live = await ended(await hub.resume(old.stream_id, by_request=True))
    row = await stored(hub, live)
    assert (row.state, row.text) == ("complete", TEXT)
    assert (row.id != before.id, row.parent_id) == (True, before.parent_id)
    assert await stored(hub, old) == before


async def test_an_offset_that_is_lost_ends_truthfully(tmp_path: Path) -> None:
    async with LlamaServer(PIECES, ring=1024) as server:
        await lost(tmp_path, server, server.go)
        assert server.generations[0].ended == "done"
        assert server.offsets[-1] == 0


async def test_a_server_that_has_started_again_ends_it_truthfully(tmp_path: Path) -> None:
    async with LlamaServer(PIECES) as server:
        await lost(tmp_path, server, server.restart)
        assert len(server.offsets) == 1


@each_dialect
@pytest.mark.parametrize("count", [1, 3, len(PIECES)])
async def test_a_continuation_says_nothing_twice(dialect: str, count: int, tmp_path: Path) -> None:
    async with LlamaServer(PIECES) as server:
        await lost(tmp_path, server, server.restart, count=count, dialect=dialect)
        assert len(server.posts) == 2


@each_dialect
async def test_a_refused_prefill_is_asked_for_by_a_message(dialect: str, tmp_path: Path) -> None:
    async with LlamaServer(PIECES, prefill=False) as server:
        await lost(tmp_path, server, server.restart, dialect=dialect)
        roles = [[turn["role"] for turn in turns(request.json())] for request in server.posts]
        assert roles == [["user"], ["user", "assistant"], ["user", "assistant", "user"]]
