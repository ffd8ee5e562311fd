"""APIs that keep answers, cut wherever a connection can be: nothing is lost, nothing twice."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ssechat.hub import Hub, reader
from ssechat.settings import Timeouts
from support.hubs import ask, opened, until
from support.kept_server import How, Leg
from support.ladder import BOTH, Api, Told, answered, hurried, together, told, uncut


class Run(NamedTuple):
    told: Told
    posts: int
    cursors: list[str]


HOWS: tuple[How, ...] = ("end", "cut", "reset", "hang", "keepalives")
PATIENT = Timeouts()
SOON = Timeouts(idle=0.5, silence=0.4, headers=0.5)
"""For servers that fall silent. A machine that is busy must not look like one."""


async def run(hub: Hub, api: Api, *legs: Leg, timeouts: Timeouts = PATIENT, **knobs: Any) -> Run:
    async with api.serve(legs=legs, **knobs) as server:
        found = await answered(hub, api.profile(server, timeouts=timeouts))
        return Run(found, len(server.posts), server.cursors)


def never_named(cut: Run) -> None:
    """The server had not said yet what the answer is called, so nobody can ask for it."""
    assert (cut.told.content, cut.told.events) == (("cut", "", ""), [])
    assert "may have been billed" in cut.told.note
    assert (cut.posts, cut.cursors) == (1, [])


def went_on(cut: Run, whole: Told, *, extra: int = 0) -> None:
    """What came is what comes without a cut, event by event; only an end mark may be left out.
    So many `extra` resumes brought nothing."""
    assert cut.told.content == whole.content
    assert cut.told.events == whole.events[: len(cut.told.events)]
    assert len(cut.told.events) >= len(whole.events) - 1
    assert (cut.posts, cut.told.resumes) == (1, len(cut.cursors) - extra)
    assert all(cut.cursors)


@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
@BOTH
async def test_cut_around_the_end_of_every_event(api: Api, crlf: bool, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, api, crlf=crlf)
        near = range(-3, 1) if crlf else range(-1, 2)
        cuts = sorted({end + n for end in (0, *ends) for n in near} & {*range(ends[-1])})

        async def cut(at: int) -> Run:
            return await run(hub, api, Leg(bytes=at, how="cut"), crlf=crlf)

        for at, found in await together(cut, cuts):
            # A CR ends a line, whatever follows.
            never_named(found) if at < ends[0] - crlf else went_on(found, whole)


@pytest.mark.parametrize("how", ["cut", "reset"])
@BOTH
async def test_cut_anywhere_again_and_again(api: Api, how: How, tmp_path: Path) -> None:
    dice = random.Random(f"{api.dialect} {how}")
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, api)
        cuts = [tuple(dice.randrange(ends[0], ends[-1]) for _ in range(3)) for _ in range(20)]

        async def cut(places: tuple[int, ...]) -> Run:
            return await run(hub, api, *(Leg(bytes=at, how=how) for at in places))

        for _, found in await together(cut, cuts):
            # A reset may take with it what was sent just before.
            lost = how == "reset" and not found.told.events
            never_named(found) if lost else went_on(found, whole)


@BOTH
async def test_a_body_that_ends_cleanly_is_a_cut_until_the_end_was_told(
    api: Api, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, api)

        async def ends_after(events: int) -> Run:
            return await run(hub, api, Leg(events=events), Leg(events=1))

        for events, found in await together(ends_after, range(len(ends))):
            never_named(found) if not events else went_on(found, whole)


@BOTH
async def test_silence_anywhere_is_a_cut(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, api)
        hows = [(HOWS[-1 - events % 2], events) for events in range(len(ends))]

        async def silent(case: tuple[How, int]) -> Run:
            how, events = case
            return await run(hub, api, Leg(events=events, how=how), timeouts=SOON)

        for (_, events), found in await together(silent, hows):
            never_named(found) if not events else went_on(found, whole)


@BOTH
async def test_what_comes_after_the_end_is_not_waited_for(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, _ = await uncut(hub, api)
        for how in ("hang", "keepalives", "cut", "reset"):
            found = await run(hub, api, Leg(how=how))
            went_on(found, whole)
            assert found.cursors == []


@BOTH
async def test_comments_between_events_change_nothing(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, _ = await uncut(hub, api)
        went_on(await run(hub, api, Leg(events=5, chatter=True), Leg(chatter=True)), whole)


@BOTH
async def test_headers_that_do_not_come_are_a_cut(api: Api, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole, _ = await uncut(hub, api)
        for how in ("hang", "cut", "reset"):
            never_named(await run(hub, api, Leg(how=how, headless=True), timeouts=SOON))
        late = Leg(how="hang", headless=True)
        went_on(await run(hub, api, Leg(events=5), late, timeouts=SOON), whole, extra=1)


@BOTH
async def test_a_resume_has_less_time_than_a_request(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_RESUME_TIME", 0.2)
    async with opened(tmp_path) as hub:
        whole, _ = await uncut(hub, api)
        legs = [Leg(events=5), Leg(how="hang", headless=True)]
        async with api.serve(legs=legs) as server:
            found = await answered(hub, api.profile(server))
        assert (found.content, found.resumes) == (whole.content, 1)


@BOTH
async def test_a_dead_connection_is_left_at_once_when_the_machine_wakes(
    api: Api, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:
        whole, _ = await uncut(hub, api)
        async with api.serve(legs=[Leg(events=6, how="hang")]) as server:
            live = await ask(hub, api.profile(server))
            await until(live, lambda live: live.fold.reply.thinking == whole.thinking)
            hub.wake_all("this machine slept")
            found = await told(hub, await hurried(hub, live))
        assert (found.content, found.events) == (whole.content, whole.events)
        assert (len(server.posts), found.resumes) == (1, 1)


@BOTH
async def test_any_troubles_in_any_order_cost_nothing(api: Api, tmp_path: Path) -> None:
    """At least the first event comes; the window may close, and the last leg is faultless."""
    async with opened(tmp_path) as hub:
        whole, ends = await uncut(hub, api)

        async def troubled(seed: int) -> Run:
            dice = random.Random(f"{api.dialect} {seed}")
            first = Leg(events=dice.randint(1, len(ends) - 2), how=dice.choice(HOWS))
            legs = [first, *(_trouble(dice, ends) for _ in range(dice.randint(1, 5)))]
            closed = dice.random() < 0.3
            knobs = {"window_closed": closed, "polls": dice.randint(0, 3), "unpolled": [503]}
            return await run(hub, api, *legs, timeouts=SOON, **knobs)

        for seed, found in await together(troubled, range(25)):
            assert found.told.content == whole.content, seed
            assert found.posts == 1, seed
            unique = dict.fromkeys(found.told.events)
            assert list(unique) == found.told.events == whole.events[: len(unique)], seed


def _trouble(dice: random.Random, ends: list[int]) -> Leg:
    if dice.random() < 0.3:
        return Leg(status=dice.choice((429, 500, 502, 503)), retry_after=dice.choice(("", "3")))
    if dice.random() < 0.2:
        return Leg(headless=True, how=dice.choice(("cut", "reset")))
    return Leg(bytes=dice.randrange(ends[-1] // 2), how=dice.choice(HOWS[:-1]))
