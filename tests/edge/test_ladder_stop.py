"""APIs that keep answers: a stop is written down, then told to the server until it confirms."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from ssechat.core.resume import State, stopping
from ssechat.hub import Live
from support.hubs import ask, opened, until
from support.kept_server import Leg
from support.ladder import BOTH, Api, hurried, on_disk, told

SAID = "Hm, so: "
WAITS = Leg(events=6, how="wait")
"""Some thinking has come, and the model works on."""


def said(live: Live) -> bool:
    return live.fold.reply.thinking == SAID


@BOTH
async def test_it_is_written_down_before_it_is_told(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub, api.serve(legs=[WAITS]) as server:
        states: list[str] = []
        server.cancelling = lambda: states.append(on_disk(tmp_path))
        live = await until(await ask(hub, api.profile(server)), said)
        hub.stop(live)
        found = await told(hub, await hurried(hub, live))
        assert states == ["stopping"]
        assert found.content == ("stopped", "", SAID)
        assert "at the server" in found.note
        assert (len(server.posts), len(server.cancelled), server.resumes) == (1, 1, [])


@pytest.mark.parametrize("params", [{}, {"background": True}], ids=["by itself", "as told"])
@pytest.mark.parametrize("sent", [-1, 0], ids=["before the headers", "before the first event"])
@BOTH
async def test_it_waits_for_the_name_of_the_answer(
    api: Api, sent: int, params: dict[str, bool], tmp_path: Path
) -> None:
    named = asyncio.Event()
    leg = Leg(events=6, how="wait", gate=named, gate_at=sent)
    async with opened(tmp_path) as hub, api.serve(legs=[leg]) as server:
        live = await ask(hub, api.profile(server, params=params))
        await server.received()
        await until(live, lambda live: live.machine.state is State.WAITING)
        hub.stop(live)
        await until(live, lambda live: live.stopping)
        assert server.cancelled == []
        named.set()
        found = await told(hub, await hurried(hub, live))
        assert (found.state, found.text) == ("stopped", "")
        assert (len(server.posts), len(server.cancelled)) == (1, 1)
        (answer,) = server.answers.values()
        assert answer.cancelled.is_set()


@BOTH
async def test_it_is_written_down_while_it_waits_for_the_name(api: Api, tmp_path: Path) -> None:
    leg = Leg(gate=asyncio.Event())
    async with api.serve(legs=[leg]) as server:
        profile = api.profile(server)
        async with opened(tmp_path, profile) as hub:
            live = await ask(hub, profile)
            await server.received()
            hub.stop(live)
            await until(live, lambda live: live.stopping)
        assert on_disk(tmp_path) == "stopping"
        async with opened(tmp_path, profile) as hub:
            (live,) = await hub.take_up()
            found = await told(hub, await hurried(hub, live))
            assert found.content == ("stopped", "", "")
            assert "may go on" in found.note
        assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["hang", "cut"])
@BOTH
async def test_an_answer_that_gets_no_name_may_go_on(
    api: Api, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "STOP_WAIT", 0.2)
    leg = Leg(headless=True, how=how, gate=asyncio.Event(), gate_at=-1)
    async with opened(tmp_path) as hub, api.serve(legs=[leg]) as server:
        live = await ask(hub, api.profile(server))
        await server.received()
        hub.stop(live)
        await until(live, lambda live: live.stopping)
        leg.gate.set()
        found = await told(hub, await hurried(hub, live))
        assert found.content == ("stopped", "", "")
        assert "may go on" in found.note
        assert (len(server.posts), server.cancelled) == (1, [])


@BOTH
async def test_an_end_that_comes_first_wins(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub, api.serve(legs=[WAITS], too_late=True) as server:
        live = await until(await ask(hub, api.profile(server)), said)
        hub.stop(live)
        found = await told(hub, await hurried(hub, live))
        assert found.content == ("complete", server.text, server.thinking)
        assert (len(server.posts), len(server.cancelled)) == (1, 1)


@BOTH
async def test_a_server_that_refuses_to_cancel_what_is_finished_has_the_answer(
    api: Api, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub, api.serve(legs=[WAITS], cancels=[400]) as server:
        live = await until(await ask(hub, api.profile(server)), said)
        hub.stop(live)
        found = await told(hub, await hurried(hub, live))
        assert found.content == ("complete", server.text, server.thinking)
        assert (len(server.cancelled), len(server.polled)) == (1, 1)


@BOTH
async def test_a_cancel_that_fails_is_made_until_it_is_confirmed(api: Api, tmp_path: Path) -> None:
    knobs = {"cancels": [500, 429, 400], "polls": 99}
    async with opened(tmp_path) as hub, api.serve(legs=[WAITS], **knobs) as server:
        live = await until(await ask(hub, api.profile(server)), said)
        hub.stop(live)
        found = await told(hub, await hurried(hub, live))
        assert found.content == ("stopped", "", SAID)
        assert (len(server.posts), len(server.cancelled)) == (1, 4)


@BOTH
async def test_a_cancel_is_made_at_the_next_start_too_until_it_is_confirmed(
    api: Api, tmp_path: Path
) -> None:
    knobs = {"cancels": [500] * 4, "polls": 99}
    async with api.serve(legs=[WAITS], **knobs) as server:
        profile = api.profile(server)
        async with opened(tmp_path, profile) as hub:
            live = await until(await ask(hub, profile), said)
            hub.stop(live)
            await until(live, lambda live: len(server.cancelled) == 1 and live.due)
        assert on_disk(tmp_path) == "stopping"
        async with opened(tmp_path, profile) as hub:
            (live,) = await hub.take_up()
            found = await told(hub, await hurried(hub, live))
            assert found.content == ("stopped", "", SAID)
        assert (len(server.posts), len(server.cancelled), server.resumes) == (1, 5, [])


@BOTH
async def test_a_server_that_is_away_is_told_when_it_is_back(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub, api.serve(legs=[WAITS], polls=99) as server:
        live = await until(await ask(hub, api.profile(server)), said)
        async with server.away():
            hub.stop(live)
            await until(live, lambda live: live.due is not None)
        found = await told(hub, await hurried(hub, live))
        assert found.content == ("stopped", "", SAID)
        (answer,) = server.answers.values()
        assert answer.cancelled.is_set()


@BOTH
async def test_an_answer_that_is_gone_needs_no_stop(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub, api.serve(legs=[WAITS]) as server:
        live = await until(await ask(hub, api.profile(server)), said)
        server.expired = True
        hub.stop(live)
        found = await told(hub, await hurried(hub, live))
        assert found.content == ("stopped", "", SAID)
        assert len(server.cancelled) == 1


@pytest.mark.parametrize("state", [State.BACKOFF, State.RESUMING, State.POLLING])
@BOTH
async def test_it_is_told_also_while_the_stream_is_away(
    api: Api, state: State, tmp_path: Path
) -> None:
    leg = Leg(status=503, retry_after="9") if state is State.BACKOFF else Leg(headless=True)
    legs = [Leg(events=6, how="cut"), dataclasses.replace(leg, how="hang")]
    knobs = {"window_closed": state is State.POLLING, "polls": 99}
    async with opened(tmp_path) as hub, api.serve(legs=legs, **knobs) as server:
        live = await ask(hub, api.profile(server))
        await server.received(2)
        await until(live, lambda live: live.machine.state is state)
        hub.stop(live)
        found = await told(hub, await hurried(hub, live))
        assert found.content == ("stopped", "", SAID)
        assert (len(server.posts), len(server.cancelled)) == (1, 1)


@BOTH
async def test_what_is_not_made_in_the_background_ends_with_its_connection(
    api: Api, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub, api.serve(legs=[WAITS], refuse_background=True) as server:
        live = await until(await ask(hub, api.profile(server)), said)
        hub.stop(live)
        found = await told(hub, await hurried(hub, live))
        assert found.content == ("stopped", "", SAID)
        assert [one.json().get("background") for one in server.posts] == [True, None]
        (answer,) = server.answers.values()
        async with asyncio.timeout(2):
            await answer.cancelled.wait()
