"""APIs that keep answers, whose stream cannot go on: what is missing is fetched, or said so."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from ssechat.core.reply import Mended
from ssechat.core.resume import State, polling
from ssechat.hub import Live
from ssechat.settings import Timeouts
from support.hubs import ask, opened, until
from support.kept_server import KeptServer, Leg
from support.ladder import BOTH, Api, Told, answered, hurried, together, told, uncut

PATIENT = Timeouts()
CUT = Leg(events=6, how="cut")
SAID = "Hm, so: "
"""All of the thinking, and nothing of the answer: so much has come at `CUT`."""
PARTIAL = ("", SAID)


@BOTH
async def test_a_stream_that_is_too_old_is_polled_until_its_end(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, api)

        async def too_old(events: int) -> tuple[Told, KeptServer]:
            legs = [Leg(events=events, how="cut")]
            async with api.serve(legs=legs, window_closed=True, polls=2) as server:
                return await answered(hub, api.profile(server)), server

        for events, (found, server) in await together(too_old, range(1, len(ends) - 1)):
            assert found.content == whole.content
            assert found.ways == ([Mended.FETCHED] if events > 3 else [])
            assert (len(server.posts), len(server.resumes), len(server.polled)) == (1, 1, 3)
            assert found.resumes == 0


@BOTH
async def test_polling_takes_its_time_and_says_so(api: Api, tmp_path: Path) -> None:
    async with (
        opened(tmp_path) as hub,
        api.serve(legs=[CUT], window_closed=True, polls=3) as server,
    ):
        live = await ask(hub, api.profile(server))
        delays = []
        for count in (1, 2, 3):
            await until(live, lambda live: live.due is not None and _polls(live), within=5)
            assert (live.rung, len(server.polled)) == ("fetch", count)
            delays.append(live.due - time.monotonic())
            hub.wake(live)
        await hurried(hub, live)
        assert all(low < delay < 8 for low, delay in zip((1.2, 2.2, 3.7), delays, strict=True))


def _polls(live: Live) -> bool:
    return live.machine.state is State.POLLING


@pytest.mark.parametrize("status", [204, 405, 501])
@BOTH
async def test_a_server_that_cannot_stream_is_polled(api: Api, status: int, tmp_path: Path) -> None:
    found, server = await asked(tmp_path, api, CUT, Leg(status=status), polls=1)
    assert found.content == ("complete", server.text, server.thinking)
    assert (len(server.posts), len(server.resumes), len(server.polled)) == (1, 1, 2)


@BOTH
async def test_a_server_that_answers_with_the_object_instead_is_polled(
    api: Api, tmp_path: Path
) -> None:
    found, server = await asked(tmp_path, api, CUT, unstreamed=True)
    assert found.content == ("complete", server.text, server.thinking)
    assert (len(server.posts), len(server.polled)) == (1, 1)


@pytest.mark.parametrize("status", [404, 410])
@BOTH
async def test_an_answer_that_is_gone_is_expired_and_its_partial_kept(
    api: Api, status: int, tmp_path: Path
) -> None:
    found, server = await asked(tmp_path, api, CUT, Leg(status=status))
    assert found.content == ("expired", *PARTIAL)
    assert "no longer has" in found.note
    assert (len(server.posts), len(server.resumes), server.polled) == (1, 1, [])


@pytest.mark.parametrize("status", [404, 410])
@BOTH
async def test_an_answer_that_goes_while_it_is_polled_is_expired(
    api: Api, status: int, tmp_path: Path
) -> None:
    knobs = {"window_closed": True, "unpolled": [503, status]}
    found, server = await asked(tmp_path, api, CUT, **knobs)
    assert found.content == ("expired", *PARTIAL)
    assert "no longer has" in found.note
    assert (len(server.posts), len(server.polled)) == (1, 2)


@BOTH
async def test_a_poll_that_fails_is_made_again(api: Api, tmp_path: Path) -> None:
    knobs = {"window_closed": True, "unpolled": [429, 500, 503, 502], "polls": 1}
    found, server = await asked(tmp_path, api, CUT, **knobs)
    assert found.content == ("complete", server.text, server.thinking)
    assert (len(server.posts), len(server.polled)) == (1, 6)


@pytest.mark.parametrize("status", [429, 503])
@BOTH
async def test_a_server_that_is_busy_is_joined_again_when_it_says(
    api: Api, status: int, tmp_path: Path
) -> None:
    busy = Leg(status=status, retry_after="7")
    async with opened(tmp_path) as hub, api.serve(legs=[CUT, busy, busy]) as server:
        live = await ask(hub, api.profile(server))
        for count in (1, 2):
            await server.received(1 + count)
            await until(live, lambda live: live.due and live.due - time.monotonic() > 6)
            assert live.due - time.monotonic() < 9
            hub.wake(live)
        found = await told(hub, await hurried(hub, live))
        assert found.content == ("complete", server.text, server.thinking)
        assert (len(server.posts), len(server.resumes), server.polled) == (1, 3, [])


@BOTH
async def test_a_server_that_is_busy_for_too_long_is_left_with_the_partial(
    api: Api, tmp_path: Path
) -> None:
    found, server = await asked(tmp_path, api, CUT, Leg(status=503, retry_after="3600"))
    assert found.content == ("cut", *PARTIAL)
    assert "3600 s" in found.note
    assert (len(server.posts), len(server.resumes)) == (1, 1)


@pytest.mark.parametrize("status", [401, 403])
@BOTH
async def test_a_key_that_is_refused_leaves_the_answer_for_later(
    api: Api, status: int, tmp_path: Path
) -> None:
    async with api.serve(legs=[CUT, Leg(status=status)]) as server:
        profile = api.profile(server)
        async with opened(tmp_path, profile) as hub:
            live = await hurried(hub, await ask(hub, profile))
            found = await told(hub, live)
            assert found.content == ("cut", *PARTIAL)
            live = await hurried(hub, await hub.resume(live.stream_id))
            found = await told(hub, live)
            assert found.content == ("complete", server.text, server.thinking)
            assert (len(server.posts), found.resumes) == (1, 1)


@BOTH
async def test_what_never_ends_is_left_and_asked_for_again_by_the_user(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with api.serve(legs=[CUT], window_closed=True, polls=10_000) as server:
        profile = api.profile(server)
        async with opened(tmp_path, profile) as hub:
            monkeypatch.setattr(polling, "POLL_FOR", 0.0)
            live = await hurried(hub, await ask(hub, profile))
            found = await told(hub, live)
            assert found.content == ("cut", *PARTIAL)
            assert "still works on it" in found.note
            (answer,) = server.answers.values()
            answer.polls = 0
            live = await hurried(hub, await hub.resume(live.stream_id))
            found = await told(hub, live)
            assert found.content == ("complete", server.text, server.thinking)
            assert (len(server.posts), found.ways) == (1, [Mended.FETCHED])


@BOTH
async def test_a_network_that_was_away_does_not_cost_the_stream(api: Api, tmp_path: Path) -> None:
    gate = asyncio.Event()
    leg = Leg(events=6, gate=gate, gate_at=6, how="cut")
    async with opened(tmp_path) as hub, api.serve(legs=[leg]) as server:
        live = await ask(hub, api.profile(server))
        await until(live, lambda live: live.fold.reply.thinking == SAID)
        async with server.away():
            gate.set()
            for count in range(1, 6):
                await until(live, lambda live, n=count: live.due and live.machine.tries == n)
                hub.wake(live)
            await until(live, lambda live: live.due and live.machine.tries == 6)
        found = await told(hub, await hurried(hub, live))
        assert found.content == ("complete", server.text, server.thinking)
        assert (len(server.posts), server.polled, found.ways) == (1, [], [""])


@BOTH
async def test_a_stream_that_brings_nothing_is_asked_about_and_goes_on(
    api: Api, tmp_path: Path
) -> None:
    """Many servers and proxies end connections that say nothing, while the model still thinks."""
    silent = [Leg(events=0)] * 5
    async with opened(tmp_path) as hub:
        whole, _ = await uncut(hub, api)
        async with api.serve(legs=[CUT, *silent], polls=10) as server:
            found = await answered(hub, api.profile(server))
        assert found.content == whole.content
        assert (len(server.posts), len(server.resumes), found.ways) == (1, 6, [""])


@BOTH
async def test_a_stream_that_brings_nothing_more_ends_as_the_object_says(
    api: Api, tmp_path: Path
) -> None:
    silent = Leg(events=0, how="hang")
    quick = Timeouts(idle=0.4)
    found, server = await asked(tmp_path, api, CUT, *[silent] * 9, timeouts=quick, polls=2)
    assert found.content == ("complete", server.text, server.thinking)
    assert (len(server.posts), len(server.polled), found.ways) == (1, 3, [Mended.FETCHED])


@BOTH
async def test_a_server_whose_streams_fail_is_asked_for_the_object(
    api: Api, tmp_path: Path
) -> None:
    found, server = await asked(tmp_path, api, CUT, *[Leg(status=500)] * 9, polls=1)
    assert found.content == ("complete", server.text, server.thinking)
    assert (len(server.posts), len(server.polled), found.ways) == (1, 2, [Mended.FETCHED])


async def asked(
    folder: Path, api: Api, *legs: Leg, timeouts: Timeouts = PATIENT, **knobs: object
) -> tuple[Told, KeptServer]:
    """An answer that takes these legs, and the server as it was at its end."""
    async with opened(folder) as hub, api.serve(legs=legs, **knobs) as server:
        return await answered(hub, api.profile(server, timeouts=timeouts)), server
