"""OpenAI's Responses through the hub: its numbers, its plain streams, and the servers like it."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ssechat.core.reply import Mended
from ssechat.core.resume import polling
from ssechat.hub import Hub
from ssechat.settings import Timeouts
from support.hubs import ask, opened, until
from support.kept_server import How, Leg
from support.ladder import PIECES, RESPONSES, Told, answered, hurried, together, told, uncut
from support.responses_server import ResponsesServer

EVERY = frozenset(range(99))


async def counted(hub: Hub, *legs: Leg, **knobs: Any) -> tuple[Told, ResponsesServer]:
    """An answer whose first leg goes on once the hub knows that its events are counted."""
    named = asyncio.Event()
    first = dataclasses.replace(legs[0], gate=named, gate_at=1)
    async with ResponsesServer(PIECES, legs=[first, *legs[1:]], **knobs) as server:
        live = await ask(hub, RESPONSES.profile(server))
        await until(live, lambda live: live.handle.known)
        named.set()
        return await told(hub, await hurried(hub, live)), server


def went_on(cut: Told, server: ResponsesServer, whole: Told) -> None:
    assert cut.content == whole.content
    assert cut.events == whole.events
    assert len(server.posts) == 1


async def test_events_that_come_twice_count_once(tmp_path: Path) -> None:
    twice = frozenset(range(1, 99))
    async with opened(tmp_path) as hub:
        whole, _ = await uncut(hub, RESPONSES)
        for events in (3, 8, 99):
            legs = Leg(events=events, twice=twice), Leg(twice=EVERY)
            went_on(*await counted(hub, *legs), whole)


async def test_a_number_that_is_skipped_is_asked_for_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, RESPONSES)

        async def skips(number: int) -> tuple[Told, ResponsesServer]:
            return await counted(hub, Leg(without=frozenset({number})))

        for number, (found, server) in await together(skips, range(1, len(ends) - 1)):
            went_on(found, server, whole)
            assert server.cursors == [str(number - 1)]
            assert found.marks == ["sent", "lost", "resumed"]


async def test_numbers_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, RESPONSES)

        async def swaps(number: int) -> tuple[Told, ResponsesServer]:
            return await counted(hub, Leg(swapped=frozenset({number})))

        for number, (found, server) in await together(swaps, range(1, len(ends) - 1)):
            went_on(found, server, whole)
            assert server.cursors == [str(number - 1)]


@pytest.mark.parametrize("how", ["end", "hang"])
async def test_an_event_that_breaks_off_is_asked_for_again(how: How, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, RESPONSES)

        async def breaks(number: int) -> tuple[Told, ResponsesServer]:
            middle = (ends[number - 1] + ends[number]) // 2
            legs = [Leg(bytes=middle, tail=b"\n\n", how=how)]
            async with ResponsesServer(PIECES, legs=legs) as server:
                quick = RESPONSES.profile(server, timeouts=Timeouts(idle=0.5))
                return await answered(hub, quick), server

        for number, (found, server) in await together(breaks, range(1, len(ends))):
            assert found.content == whole.content
            assert (len(server.posts), server.cursors) == (1, [str(number - 1)])


async def test_what_is_never_sent_is_fetched(tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, RESPONSES)

        async def never(number: int) -> tuple[Told, ResponsesServer]:
            without = frozenset({number})
            return await counted(hub, Leg(without=without), Leg(without=without))

        for _, (found, server) in await together(never, range(1, len(ends) - 1)):
            assert found.content == whole.content
            assert found.resumes == 0
            assert (len(server.posts), len(server.resumes), len(server.polled)) == (1, 1, 1)


async def test_a_stream_with_a_gap_is_not_held_on_to(tmp_path: Path) -> None:
    legs = [Leg(events=3), Leg(without=frozenset({6}), how="hang")]
    legs = [*legs, Leg(without=frozenset({6}), how="hang")]
    async with opened(tmp_path) as hub, RESPONSES.serve(legs=legs) as server:
        live = await ask(hub, RESPONSES.profile(server))
        await hurried(hub, live)
        assert len(server.resumes) == 2
        async with asyncio.timeout(2):
            for wire in server.wires[1:3]:
                await wire.peer_closed.wait()


CUT = Leg(events=11, how="cut")
PARTIAL = ("Grüße, Grüße, liebe ", "Hm, so: ")
"""So much has come at `CUT`."""


async def asked(
    folder: Path, *legs: Leg, profile: dict[str, Any] | None = None, **knobs: Any
) -> tuple[Told, ResponsesServer]:
    """An answer that takes these legs, and the server as it was at its end."""
    async with opened(folder) as hub, ResponsesServer(PIECES, legs=legs, **knobs) as server:
        return await answered(hub, RESPONSES.profile(server, **(profile or {}))), server


@pytest.mark.parametrize("first", [1, 17, 10**14, 2**70, None])
async def test_numbers_may_begin_anywhere_or_not_be_there(
    first: int | None, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, RESPONSES, first=first)

        async def cut(events: int) -> tuple[Told, ResponsesServer]:
            legs = [Leg(events=events, how="cut"), Leg(events=events + 2, how="reset")]
            async with ResponsesServer(PIECES, legs=legs, first=first) as server:
                return await answered(hub, RESPONSES.profile(server)), server

        for _, (found, server) in await together(cut, range(1, len(ends) - 1, 3)):
            went_on(found, server, whole)


async def test_numbers_that_leave_some_out_cost_the_stream_and_not_the_answer(
    tmp_path: Path,
) -> None:
    found, server = await asked(tmp_path, CUT, step=2)
    assert found.content == ("complete", server.text, server.thinking)
    assert (len(server.posts), len(server.polled)) == (1, 1)


@pytest.mark.parametrize("id", ["a/../?x=y#z%00 d{}", "{}" + "x" * 500], ids=["odd", "long"])
async def test_an_answer_may_be_called_anything(id: str, tmp_path: Path) -> None:
    found, server = await asked(tmp_path, CUT, id=id)
    assert found.content == ("complete", server.text, server.thinking)
    assert (len(server.posts), found.resumes) == (1, 1)


@pytest.mark.parametrize("id", ["", "\0{}", "a\r\nb", "é", "..", "x" * 10_000])
async def test_an_answer_without_a_usable_name_cannot_go_on(id: str, tmp_path: Path) -> None:
    found, server = await asked(tmp_path, CUT, id=id)
    assert found.content == ("cut", *PARTIAL)
    assert len(server.requests) == 1


@pytest.mark.parametrize("closed", [False, True], ids=["on its stream", "by its object"])
@pytest.mark.parametrize(
    ("end", "reason", "state"),
    [
        ("incomplete", "max_output_tokens", "length"),
        ("incomplete", "content_filter", "refused"),
        ("failed", "", "failed"),
        ("error", "", "failed"),
    ],
)
async def test_how_it_ends_is_what_the_server_says(
    end: str, reason: str, state: str, closed: bool, tmp_path: Path
) -> None:
    found, server = await asked(tmp_path, CUT, end=end, reason=reason, window_closed=closed)
    assert (found.state, len(server.posts)) == (state, 1)
    kept = closed and state == "failed"  # such an object holds nothing
    assert (found.text, found.thinking) == (PARTIAL if kept else (server.text, server.thinking))


# Not in the background


async def test_where_that_is_refused_it_is_asked_for_once_and_had_without(tmp_path: Path) -> None:
    async with opened(tmp_path) as hub, ResponsesServer(PIECES, refuse_background=True) as server:
        for posts in (2, 3):
            found = await answered(hub, RESPONSES.profile(server))
            assert found.content == ("complete", server.text, server.thinking)
            assert (len(server.answers), len(server.posts)) == (posts - 1, posts)
        backgrounds = [one.json().get("background") for one in server.posts]
        assert backgrounds == [True, None, None]


async def test_what_went_on_without_us_is_fetched(tmp_path: Path) -> None:
    knobs = {"refuse_background": True, "outlives": True, "polls": 1}
    found, server = await asked(tmp_path, CUT, **knobs)
    assert found.content == ("complete", server.text, server.thinking)
    assert found.ways == [Mended.FETCHED]
    assert (len(server.answers), server.resumes, len(server.polled)) == (1, [], 2)


async def test_what_ended_with_our_connection_is_cut_and_goes_on_by_a_new_request(
    tmp_path: Path,
) -> None:
    async with ResponsesServer(PIECES, legs=[CUT], refuse_background=True) as server:
        profile = RESPONSES.profile(server)
        async with opened(tmp_path, profile) as hub:
            old = await hurried(hub, await ask(hub, profile))
            found = await told(hub, old)
            assert found.content == ("cut", *PARTIAL)
            assert "with our connection" in found.note
            assert (len(server.answers), len(server.polled), old.rung) == (1, 1, "continue")
            new = await hurried(hub, await hub.resume(old.stream_id, by_request=True))
            assert (await told(hub, new)).text == server.text
        assert (len(server.answers), len(server.polled)) == (2, 1)


async def test_what_is_not_stored_is_cut(tmp_path: Path) -> None:
    found, server = await asked(tmp_path, CUT, profile={"params": {"store": False}})
    assert found.content == ("cut", *PARTIAL)
    assert len(server.requests) == 1


async def test_what_is_forgotten_is_cut(tmp_path: Path) -> None:
    found, server = await asked(tmp_path, CUT, refuse_background=True, unpolled=[404])
    assert found.content == ("cut", *PARTIAL)
    assert "no longer has" in found.note
    assert (len(server.answers), len(server.polled)) == (1, 1)


async def test_a_gap_in_a_stream_that_cannot_be_joined_again_does_not_end_it(
    tmp_path: Path,
) -> None:
    leg = Leg(without=frozenset({9}))
    found, server = await asked(tmp_path, leg, refuse_background=True)
    assert found.content == ("complete", server.text, server.thinking)
    assert (len(server.answers), server.polled) == (1, [])


# vLLM


async def test_a_vllm_server_is_joined_again(tmp_path: Path) -> None:
    found, server = await asked(tmp_path, CUT, vllm=True)
    assert found.content == ("complete", server.text, server.thinking)
    assert (len(server.posts), found.resumes) == (1, 1)


async def test_a_failure_that_is_never_told_ends_as_a_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "POLL_FOR", 1.0)
    quick = {"timeouts": Timeouts(idle=0.3)}
    found, server = await asked(tmp_path, profile=quick, vllm=True, end="failed")
    assert found.content == ("cut", server.text, server.thinking)
    assert "still works on it" in found.note
    assert len(server.posts) == 1
    assert len(server.polled) > 1
