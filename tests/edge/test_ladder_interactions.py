"""Gemini's Interactions through the hub: names in the data, and connections that end oddly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssechat.hub import Hub
from support.hubs import opened
from support.interactions_server import DONE, OVERLOADED, TIMED_OUT, InteractionsServer
from support.kept_server import Leg
from support.ladder import INTERACTIONS, PIECES, Told, answered, together, uncut

HALF = b'event: step.delta\ndata: {"index": 1, "del'
STRAY = b'{\n  "error": {\n    "code": 503,\n    "message": "Busy."\n  }\n}\n'
TAILS = {
    "an event that breaks off": HALF,
    "half an event": HALF + b"\n\n",
    "an end mark without a status": DONE,
    "a timeout": TIMED_OUT,
    "an overload": OVERLOADED,
    "an error between the lines": STRAY,
}


async def run(hub: Hub, *legs: Leg, **knobs: Any) -> tuple[Told, InteractionsServer]:
    async with InteractionsServer(PIECES, legs=legs, **knobs) as server:
        return await answered(hub, INTERACTIONS.profile(server)), server


def is_whole(found: Told, server: InteractionsServer) -> None:
    assert found.content == ("complete", server.text, server.thinking)
    assert len(server.posts) == 1


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
async def test_what_ends_a_connection_only_does_not_end_the_answer(
    tail: bytes, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:
        _, ends = await uncut(hub, INTERACTIONS)

        async def breaks(events: int) -> tuple[Told, InteractionsServer]:
            return await run(hub, Leg(events=events, tail=tail), Leg(events=2, tail=tail))

        for _, (found, server) in await together(breaks, range(1, len(ends) - 1, 2)):
            is_whole(found, server)
            assert server.cursors


async def test_a_stream_that_begins_before_its_cursor_repeats_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, INTERACTIONS)

        async def overlaps(case: tuple[int, int]) -> tuple[Told, InteractionsServer]:
            events, again = case
            return await run(hub, Leg(events=events, how="cut"), again=again)

        cases = [(events, again) for events in range(2, len(ends) - 1) for again in (1, 2, 99)]
        for _, (found, server) in await together(overlaps, cases):
            is_whole(found, server)
            assert found.events == whole.events


@pytest.mark.parametrize("named", [0, 2, 3, 7])
async def test_events_need_not_all_have_a_name(named: int, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, INTERACTIONS, named=named)

        async def cut(events: int) -> tuple[Told, InteractionsServer]:
            legs = Leg(events=events, how="cut"), Leg(events=3, how="cut")
            return await run(hub, *legs, named=named)

        for _, (found, server) in await together(cut, range(1, len(ends) - 1)):
            is_whole(found, server)
            assert found.events == whole.events


NAMES = {
    "not ASCII": lambda at: f"ключ-{at}",
    "with an end": lambda at: f"{at}&stream=false#\\/?",
    "long": lambda at: f"{at}-" + "x" * 3000,
    "padded": lambda at: f" {at} ",
    "one for several": lambda at: f"n{at // 3}",
}
UNFIT = {
    "empty": lambda at: "",
    "with a NUL": lambda at: f"{at}\0",
    "with a line break": lambda at: f"{at}\n",
    "too long": lambda at: f"{at}-" + "x" * 9000,
}


@pytest.mark.parametrize("name", [*NAMES.values(), *UNFIT.values()], ids=[*NAMES, *UNFIT])
async def test_events_may_be_called_anything(name: Any, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, INTERACTIONS, name=name)

        async def cut(events: int) -> tuple[Told, InteractionsServer]:
            legs = Leg(events=events, how="cut"), Leg(events=4, how="cut")
            return await run(hub, *legs, name=name)

        for _, (found, server) in await together(cut, range(1, len(ends) - 1, 4)):
            is_whole(found, server)
            assert found.events == whole.events


@pytest.mark.parametrize("id", ["v1_{}/../?a=b#c%00 d", "x" * 400 + "{}"], ids=["odd", "long"])
async def test_an_answer_may_be_called_anything(id: str, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        found, server = await run(hub, Leg(events=6, how="cut"), id=id)
        is_whole(found, server)
        assert found.resumes == 1


@pytest.mark.parametrize(
    "id",
    ["", "\0{}", "a\r\nb", "x" * 10_000],
    ids=["empty", "with a NUL", "with a line", "too long"],
)
async def test_an_answer_without_a_usable_name_cannot_go_on(id: str, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        found, server = await run(hub, Leg(events=6, how="cut"), id=id)
        assert found.content == ("cut", "", "Hm, so: ")
        assert len(server.requests) == 1


@pytest.mark.parametrize("closed", [False, True], ids=["on its stream", "by its object"])
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("completed", "complete"),
        ("requires_action", "complete"),
        ("incomplete", "length"),
        ("budget_exceeded", "length"),
        ("failed", "failed"),
        ("cancelled", "stopped"),
    ],
)
async def test_how_it_ends_is_what_the_server_says(
    status: str, state: str, closed: bool, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:
        legs = Leg(events=6, how="cut")
        found, server = await run(hub, legs, status=status, window_closed=closed)
        assert (found.state, len(server.posts)) == (state, 1)
        assert found.content == (state, server.text, server.thinking)


async def test_where_the_background_is_refused_it_is_asked_for_once_and_had_without(
    tmp_path: Path,
) -> None:
    knobs = {"refuse_background": True, "outlives": True}
    async with opened(tmp_path) as hub:
        found, server = await run(hub, Leg(events=6, how="cut"), **knobs)
        assert found.content == ("complete", server.text, server.thinking)
        assert [one.json().get("background") for one in server.posts] == [True, None]
        assert (len(server.answers), found.resumes) == (1, 1)


async def test_an_event_that_comes_twice_at_once_counts_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        is_whole(*await run(hub, Leg(twice=frozenset(range(99)))))


async def test_what_the_server_cancels_because_we_were_cut_off_is_a_cut(tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        found, _ = await run(hub, Leg(events=6, how="cut"), refuse_background=True)
        assert found.state == "cut"
