"""A stream has one owner: what ended here may go on elsewhere, and what fails is tried again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ssechat.core.errors import ConfigProblem, JournalProblem
from ssechat.core.frames import Frame
from ssechat.hub import Live
from ssechat.hub.reader import Reader
from ssechat.journal import Lease
from support.fault_server import FaultServer, Request, Wire, in_turn
from support.hubs import HERE, ask, ended, finish, opened, profile, say, stored, until

OURS, THEIRS = Lease("", 0, 1, "x"), Lease("", 0, 2, "x")


def answer(live: Live) -> str:
    return live.fold.reply.answer


async def cut(request: Request, wire: Wire) -> None:
    await wire.open_stream(HERE)
    await say(wire, "a ")
    wire.cut()


async def test_an_answer_that_ended_here_and_goes_on_in_another_window_is_followed(
    tmp_path: Path,
) -> None:
    go_on = asyncio.Event()

    async def refuses(request: Request, wire: Wire) -> None:
        await wire.reply(401)

    async def goes_on(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "b ", first=2)
        await go_on.wait()
        await say(wire, "c", first=3)
        await finish(wire, 4)

    async with FaultServer(in_turn(cut, refuses, goes_on)) as server:
        asked = profile(server.base_url)
        async with (
            opened(tmp_path, asked, lease=OURS) as first,
            opened(tmp_path, asked, lease=THEIRS) as second,
        ):
            live = await ended(await ask(first, asked))
            live.watch(lambda _: None)  # its tab is open
            theirs = await second.resume(live.stream_id)
            await until(theirs, lambda live: answer(live) == "a b ")
            await second.journal.beat()
            await first._others.notice(first._pumps)
            await until(live, lambda live: answer(live) == "a b ")
            assert live in first.lives
            go_on.set()
            await ended(live)
            assert (str(live.end), answer(live)) == ("complete", "a b c")


async def test_what_has_ended_stays_so_although_its_place_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, tried = asyncio.Event(), asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await failed.wait()
        await say(wire, "a ")
        await finish(wire, 2)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        write = hub.journal.update_stream

        async def fails_once(stream_id: str, **change: Any) -> None:
            if "scheme" in change and not failed.is_set():
                failed.set()
                raise JournalProblem("locked")
            tried.set()
            await write(stream_id, **change)

        monkeypatch.setattr(hub.journal, "update_stream", fails_once)
        live = await ended(await ask(hub, profile(server.base_url)))
        await asyncio.sleep(1.2)  # the time after which it would be written again
        assert tried.is_set()
        assert (str(live.end), live.followed) == ("complete", False)
        assert (await hub.journal.stream(live.stream_id)).resume_path == "/streams/1"


async def test_a_stream_that_cannot_be_read_at_once_is_taken_up_as_soon_as_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def goes_on(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "b", first=2)
        await finish(wire, 3)

    async def hangs(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ")
        await wire.hang()

    async with FaultServer(in_turn(hangs, goes_on)) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked, lease=OURS) as hub:
            await until(await ask(hub, asked), lambda live: answer(live) == "a ")
        async with opened(tmp_path, asked, lease=THEIRS) as hub:
            read, failed = hub.journal.frames, []

            async def fails_once(*place: Any) -> list[tuple[int, Frame]]:
                if not failed:
                    failed.append(place)
                    raise JournalProblem("disk I/O error")
                return await read(*place)

            monkeypatch.setattr(hub.journal, "frames", fails_once)
            (live,) = await hub.take_up()
            assert live.unsaved is not None
            assert (await stored(hub, await ended(live))).text == "a b"
            assert live.unsaved is None


@pytest.mark.parametrize("headers", [{}, HERE], ids=["hope", "a place"])
async def test_only_an_answer_that_outlives_its_window_is_taken_from_it(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(headers)
        if request.method == "POST":
            await say(wire, "a ")
            await wire.hang()
        await say(wire, "b", first=2)
        await finish(wire, 3)

    async with FaultServer(handler) as server:
        asked = profile(server.base_url)
        async with (
            opened(tmp_path, asked, lease=OURS) as first,
            opened(tmp_path, asked, lease=THEIRS) as second,
        ):
            await until(await ask(first, asked), lambda live: answer(live) == "a ")
            await first.journal.beat()
            (live,) = await second.take_up()
            await until(live, lambda live: answer(live) == "a ")
            if headers:
                assert await second.take_over(live)
                assert answer(await ended(live)) == "a b"
            else:
                with pytest.raises(ConfigProblem, match="would end"):
                    await second.take_over(live)


async def test_a_fault_of_our_own_ends_a_connection_and_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[BaseException | None] = []
    name, faults = Reader._named, [KeyError("bug")]

    def fails_once(reader: Reader, frame: Frame) -> Frame:
        if faults:
            raise faults.pop()
        return name(reader, frame)

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a")
        await finish(wire, 2)

    monkeypatch.setattr(Reader, "_named", fails_once)
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context.get("exception")))
        live = await ended(await ask(hub, profile(server.base_url)))
        assert (await stored(hub, live)).text == "a"
        assert [type(error) for error in reported] == [KeyError]
