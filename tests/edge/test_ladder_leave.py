"""APIs that keep answers, which go on without us: what was left is taken up again, by whom ever."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from ssechat.core.errors import ConfigProblem
from ssechat.hub import Live
from support.hubs import ask, ended, opened, until
from support.kept_server import Leg
from support.ladder import BOTH, Api, hurried, on_disk, told, uncut

SAID = "Hm, so: "


def said(live: Live) -> bool:
    return live.fold.reply.thinking == SAID


@BOTH
async def test_what_was_left_to_the_server_is_taken_up_by_the_user(
    api: Api, tmp_path: Path
) -> None:
    async with api.serve(legs=[Leg(events=6, how="wait")]) as server:
        profile = api.profile(server)
        async with opened(tmp_path, profile) as hub:
            live = await until(await ask(hub, profile), said)
            assert hub.detach(live)
            found = await told(hub, await ended(live))
            assert found.content == ("cut", "", SAID)
            assert "goes on" in found.note
            async with asyncio.timeout(2):
                await server.wires[0].peer_closed.wait()
            assert server.cancelled == []
            found = await told(hub, await hurried(hub, await hub.resume(live.stream_id)))
            assert found.content == ("complete", server.text, server.thinking)
            assert (len(server.posts), found.resumes, found.ways) == (1, 1, [""])
            with pytest.raises(ConfigProblem):
                await hub.resume(live.stream_id, by_request=True)


@BOTH
async def test_nothing_is_left_to_a_server_that_has_promised_nothing(
    api: Api, tmp_path: Path
) -> None:
    leg = Leg(gate=asyncio.Event())
    async with opened(tmp_path) as hub, api.serve(legs=[leg]) as server:
        live = await ask(hub, api.profile(server))
        await server.received()
        assert not hub.detach(live)
        assert not live.ended.is_set()


@BOTH
async def test_the_next_start_goes_on_wherever_the_last_one_ended(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path / "whole") as hub:
        whole, ends = await uncut(hub, api)
    for events in range(1, len(ends) - 1, 3):
        async with api.serve(legs=[Leg(events=events, how="wait")]) as server:
            folder, profile = tmp_path / str(events), api.profile(server)
            async with opened(folder, profile) as hub:
                await until(await ask(hub, profile), lambda live, n=events: len(live.history) == n)
            assert on_disk(folder) == "live"
            async with opened(folder, profile) as hub:
                (live,) = await hub.take_up()
                found = await told(hub, await hurried(hub, live))
            assert (found.content, found.events) == (whole.content, whole.events)
            assert (len(server.posts), len(server.resumes), found.resumes) == (1, 1, 1)


@BOTH
async def test_what_the_journal_says_of_its_place_is_enough(api: Api, tmp_path: Path) -> None:
    """A process can die when its first events are written down and where they come from is not."""
    async with api.serve(legs=[Leg(events=6, how="wait")]) as server:
        profile = api.profile(server)
        async with opened(tmp_path, profile) as hub:
            await until(await ask(hub, profile), said)
        with sqlite3.connect(tmp_path / "ssechat.db") as other:
            other.execute("UPDATE stream SET scheme = '', resume_path = '', remote_id = ''")
        other.close()
        async with opened(tmp_path, profile) as hub:
            (live,) = await hub.take_up()
            found = await told(hub, await hurried(hub, live))
        assert found.content == ("complete", server.text, server.thinking)
        assert (len(server.posts), len(server.resumes)) == (1, 1)
