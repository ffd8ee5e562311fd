"""What a restart may ask for again, and what a reader that comes late still gets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ssechat.hub import Live
from support.fault_server import FaultServer, Request, Wire
from support.hubs import ask, ended, opened, profile, say, until


def answer(live: Live) -> str:
    return live.fold.reply.answer


async def test_a_server_that_showed_no_way_to_continue_is_not_asked_again_after_a_restart(
    tmp_path: Path,
) -> None:
    async def plain(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ", "b ", ids="")
        await wire.hang()

    async with FaultServer(plain) as server:
        relay = profile(server.base_url, relay=True)
        async with opened(tmp_path, relay) as hub:
            live = await ask(hub, relay)
            await until(live, lambda live: answer(live) == "a b ")
        async with opened(tmp_path, relay) as hub:
            (taken,) = await hub.take_up()
            await ended(taken)
            assert taken.outcome is not None
            assert (str(taken.outcome.end), answer(taken)) == ("cut", "a b ")
        assert len(server.requests) == 1


async def test_frames_that_come_while_a_reader_looks_at_the_journal_are_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = asyncio.Event()

    async def in_two(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ", ids="")
        await go.wait()
        await say(wire, "b ", ids="")
        await wire.end()

    async with FaultServer(in_two) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: answer(live) == "a ")
        look = hub.journal.frames

        async def slowly(*where: int) -> list[object]:
            rows = await look(*where)
            if not rows:
                go.set()
                await live.ended.wait()
            return rows

        monkeypatch.setattr(hub.journal, "frames", slowly)
        async with asyncio.timeout(10):
            data = [frame.data async for frame in hub.subscribe(live)]
    assert any("b " in text for text in data)
