"""OpenAI's Responses through the hub: its numbers, its plain streams, and the servers like it."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

from ssechat.hub import Hub
from support.hubs import ask, opened, until
from support.kept_server import Leg
from support.ladder import PIECES, RESPONSES, Told, hurried, together, told, uncut
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
