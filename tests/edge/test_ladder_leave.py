"""APIs that keep answers, which go on without us: what was left is taken up again, by whom ever."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from ssechat.core.errors import ConfigProblem
from ssechat.core.reply import Mended
from ssechat.core.resume import State
from ssechat.hub import Live
from ssechat.journal import Journal, Lease
from ssechat.journal.lease import process_start
from support import hub_process
from support.hubs import ask, ended, opened, until
from support.kept_server import Gate, KeptServer, Leg
from support.ladder import BOTH, Api, Told, answered, hurried, on_disk, together, told, uncut
from support.programs import kill

TESTS = Path(hub_process.__file__).parents[1]
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
        live = await ask(hub, api.profile(server, params={"background": False}))
        await server.received()
        assert not hub.detach(live)
        assert not live.ended.is_set()


@BOTH
async def test_who_leaves_before_the_answer_has_a_name_leaves_once_it_has(
    api: Api, tmp_path: Path
) -> None:
    named = asyncio.Event()
    leg = Leg(events=6, how="wait", gate=named, gate_at=-1)
    async with opened(tmp_path) as hub, api.serve(legs=[leg]) as server:
        live = await ask(hub, api.profile(server))
        await server.received()
        await until(live, lambda live: live.machine.state is State.WAITING)
        assert hub.detach(live)
        assert live.outcome is None
        named.set()
        found = await told(hub, await ended(live))
        assert (found.state, found.note) == ("cut", "detached; the server goes on with it")
        assert server.cancelled == []
        assert live.outlives


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


@asynccontextmanager
async def another(folder: Path, api: Api, server: KeptServer) -> AsyncIterator[Process]:
    """A process that asks the question, to be killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    arguments = (hub_process.__file__, str(folder), server.base_url, "test", api.dialect)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", *arguments, stdout=PIPE, env=environment
    )
    try:
        yield process
    finally:
        kill(process)
        await process.communicate()


@BOTH
async def test_a_kill_at_any_point_loses_nothing(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path / "whole") as hub:
        whole, ends = await uncut(hub, api)

    async def killed(point: tuple[int, int]) -> tuple[Told, int]:
        (events, written), gate = point, Gate()
        folder = tmp_path / f"{events}-{written}"
        async with api.serve(legs=[Leg(gate=gate, gate_at=events)]) as server:
            async with another(folder, api, server) as process:
                await asyncio.wait_for(gate.reached.wait(), 20)
                await written_down(folder, written)
                kill(process)
                await process.wait()
            async with opened(folder, api.profile(server)) as hub:
                (live,) = await hub.take_up()
                found = await told(hub, await hurried(hub, live))
            assert len(server.posts) == 1
            return found, len(server.resumes)

    # One mark of ours comes first: that the request has left.
    points = [(0, 1), (6, 2), (len(ends) - 2, 5)]
    for (events, _), (found, resumes) in await together(killed, points):
        assert resumes == (1 if events else 0)
        if events:
            assert (found.content, found.events) == (whole.content, whole.events)
        else:
            assert found.content == ("cut", "", "")
            assert "may have been billed" in found.note


async def written_down(folder: Path, frames: int) -> None:
    """Return at the moment when so many frames can be read by another process."""
    async with asyncio.timeout(20):
        while int(on_disk(folder, "last_seq")) < frames:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0)


def neighbour() -> Lease:
    """The lease of a living process that is not us."""
    pid = os.getppid()
    return msgspec.structs.replace(Lease.current(), pid=pid, start=process_start(pid))


@pytest.mark.parametrize("quiet", [False, True], ids=["by what comes", "by itself"])
@BOTH
async def test_a_window_that_lost_its_stream_follows_the_one_that_took_it(
    api: Api, quiet: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Journal, "heartbeat", 1.0)
    gate, later = Gate(), Gate()
    legs = [Leg(gate=gate, gate_at=6), Leg(gate=later, gate_at=2)]
    async with api.serve(legs=legs) as server:
        profile = api.profile(server)
        async with (
            opened(tmp_path, profile) as one,
            opened(tmp_path, profile, lease=neighbour()) as other,
        ):
            old = await until(await ask(one, profile), said)
            (new,) = await other.take_up()
            await until(new, said)
            assert (new.followed, len(server.requests)) == (True, 1)
            async with asyncio.timeout(5):  # how one gets back to it is written after the text
                while not (await other.journal.stream(new.stream_id)).handle.known:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert await other.take_over(new)
            await asyncio.wait_for(later.reached.wait(), 5)
            if not quiet:
                gate.set()
            await until(old, lambda live: live.followed)
            later.set()
            for hub, live in ((one, await ended(old)), (other, await ended(new))):
                found = await told(hub, live)
                assert found.content == ("complete", server.text, server.thinking)
                assert live.fold.reply.answer == server.text
        assert (len(server.posts), len(server.resumes), found.resumes) == (1, 1, 1)


@BOTH
async def test_what_is_expired_goes_on_by_a_new_request_when_the_user_asks(
    api: Api, tmp_path: Path
) -> None:
    legs = [Leg(events=11, how="cut"), Leg(status=404)]
    partial = "Grüße, Grüße, liebe "
    async with api.serve(legs=legs) as server:
        profile = api.profile(server)
        async with opened(tmp_path, profile) as hub:
            old = await hurried(hub, await ask(hub, profile))
            assert (await told(hub, old)).content == ("expired", partial, SAID)
            assert old.rung == "continue"
            with pytest.raises(ConfigProblem):
                await hub.resume(old.stream_id)
            assert len(server.posts) == 1
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            found = await told(hub, new)
            assert found.content == ("complete", server.text, server.thinking)
            assert found.ways == [Mended.CONTINUED]
            attempts = await hub.journal.attempts(new.message_id)
            assert [(row.state, row.text) for row in attempts] == [
                ("expired", partial),
                ("complete", server.text),
            ]
        assert partial.rstrip() in server.posts[1].body.decode()
        assert (len(server.posts), len(server.resumes)) == (2, 1)


@BOTH
async def test_resume_off_asks_for_nothing_that_goes_on(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub, api.serve(legs=[Leg(events=11, how="cut")]) as server:
        found = await answered(hub, api.profile(server, resume="off"))
        assert found.content == ("cut", "Grüße, Grüße, liebe ", SAID)
        assert len(server.requests) == 1
        assert "background" not in server.posts[0].json()


@BOTH
async def test_resume_exact_is_what_these_do(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub, api.serve(legs=[Leg(events=11, how="cut")]) as server:
        found = await answered(hub, api.profile(server, resume="exact"))
        assert found.content == ("complete", server.text, server.thinking)
        assert (len(server.posts), found.resumes) == (1, 1)
