"""`ssechat resume` as a real process: it finishes what others left, and prints what was missing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ssechat.journal import StreamRow
from support.fault_server import FaultServer, Handler, Request, Wire
from support.hubs import HERE, finish, opened, say
from support.programs import configure, kill, read, run, started


def answers(headers: dict[str, str]) -> Handler:
    """Two words, then silence; asked for the rest, two more and the end."""

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(headers)
        if request.method == "GET":
            await say(wire, "c ", "d", first=3)
            await finish(wire, 5)
        else:
            await say(wire, "a ", "b ", ids="e{}" if headers else "")
            await wire.hang()

    return handler


async def left_over(home: Path, server: FaultServer) -> str:
    """Ask, and be killed after two words; what was printed."""
    configure(home, server.base_url)
    async with started(home, "ask", "why?") as process:
        printed = await read(process, 4)
        kill(process)
        return (printed + (await process.communicate())[0]).decode()


async def rows(home: Path) -> list[StreamRow]:
    async with opened(home / "data") as hub:
        return await hub.journal.streams()


async def test_all_that_is_unfinished_goes_on_and_only_what_was_missing_is_printed(
    tmp_path: Path,
) -> None:
    async with FaultServer(answers(HERE)) as server:
        for _ in range(2):
            assert await left_over(tmp_path, server) == "a b "
        done = await run(tmp_path, "resume", "--all")
        assert done == (0, "c d\nc d\n", "")
        assert [request.method for request in server.requests] == ["POST", "POST", "GET", "GET"]
        again = await run(tmp_path, "resume", "--all")
        assert (again.code, again.out) == (0, "")
        assert "nothing is unfinished" in again.err
    assert [row.state for row in await rows(tmp_path)] == ["complete", "complete"]


async def test_one_stream_is_named_by_its_id(tmp_path: Path) -> None:
    async with FaultServer(answers(HERE)) as server:
        await left_over(tmp_path, server)
        (row,) = await rows(tmp_path)
        assert await run(tmp_path, "resume", row.id) == (0, "c d\n", "")


async def test_a_stream_that_was_cut_goes_on_when_it_is_named(tmp_path: Path) -> None:
    turns = 0

    async def handler(request: Request, wire: Wire) -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            await wire.reply(403)
        elif request.method == "GET":
            await answers(HERE)(request, wire)
        else:
            await wire.open_stream(HERE)
            await say(wire, "a ", "b ")
            wire.cut()

    async with FaultServer(handler) as server:
        configure(tmp_path, server.base_url)
        cut = await run(tmp_path, "ask", "why?")
        assert (cut.code, cut.out) == (3, "a b \n")
        (row,) = await rows(tmp_path)
        assert await run(tmp_path, "resume", row.id) == (0, "c d\n", "")


async def test_a_server_that_cannot_resume_leaves_a_cut(tmp_path: Path) -> None:
    async with FaultServer(answers({})) as server:
        await left_over(tmp_path, server)
        done = await run(tmp_path, "resume", "--all")
        assert (done.code, done.out) == (3, "")
        assert done.err.startswith("ssechat: cut: ssechat ended")
        assert "cannot resume" in done.err
        assert len(server.requests) == 1
        (row,) = await rows(tmp_path)
        named = await run(tmp_path, "resume", row.id)
        assert (named.code, named.out) == (2, "")
        assert "cannot resume" in named.err


async def test_what_a_living_process_reads_is_left_to_it(tmp_path: Path) -> None:
    async with FaultServer(answers(HERE)) as server:
        configure(tmp_path, server.base_url)
        async with started(tmp_path, "ask", "why?") as process:
            await read(process, 4)
            every = await run(tmp_path, "resume", "--all")
            assert (every.code, every.out) == (0, "")
            (row,) = await rows(tmp_path)
            assert row.state == "live"
            named = await run(tmp_path, "resume", row.id)
            assert (named.code, named.out) == (1, "")
            assert "another window" in named.err
            assert process.returncode is None
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "--all"),
        (["sm_nonsense"], 1, "no such stream"),
        (["sm_nonsense", "--all"], 2, "--all"),
    ],
    ids=["nothing", "unknown", "both"],
)
async def test_wrong_usage_is_told(
    arguments: list[str], code: int, said: str, tmp_path: Path
) -> None:
    done = await run(tmp_path, "resume", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err


async def test_an_answer_that_is_whole_is_not_asked_for_again(tmp_path: Path) -> None:
    async def whole(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a")
        await finish(wire, 2)

    async with FaultServer(whole) as server:
        configure(tmp_path, server.base_url)
        await run(tmp_path, "ask", "why?")
        (row,) = await rows(tmp_path)
        done = await run(tmp_path, "resume", row.id)
        assert (done.code, done.out) == (2, "")
        assert "whole" in done.err
        assert len(server.requests) == 1


async def test_one_that_is_named_goes_on_alone(tmp_path: Path) -> None:
    async with FaultServer(answers(HERE)) as server:
        for _ in range(2):
            await left_over(tmp_path, server)
        last, first = await rows(tmp_path)
        done = await run(tmp_path, "resume", first.id)
        assert done == (0, "c d\n", "")
        assert (await run(tmp_path, "resume", "--all")).out == "c d\n"
        assert {row.state for row in await rows(tmp_path)} == {"complete"}
        assert last.id != first.id


async def test_two_that_resume_at_once_share_the_streams(tmp_path: Path) -> None:
    async with FaultServer(answers(HERE)) as server:
        for _ in range(3):
            await left_over(tmp_path, server)
        both = await asyncio.gather(*(run(tmp_path, "resume", "--all") for _ in range(2)))
        assert sum(request.method == "GET" for request in server.requests) == 3
        assert "".join(done.out for done in both) == "c d\n" * 3
    assert [row.state for row in await rows(tmp_path)] == ["complete"] * 3
