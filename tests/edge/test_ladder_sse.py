"""Servers written by hand, cut anywhere: joined again by GET where they name their events;
elsewhere what came is kept, and nothing is asked for twice."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ssechat.core.resume import Rung
from support.article_servers import Buffered, Heartbeat, minimal, multimodal, numbered
from support.fault_server import FaultServer, Handler, Request, Wire, in_turn
from support.hubs import ask, opened, until
from support.ladder import hurried, together, told
from support.programs import configure, run
from support.simple import PIECES, PREFIXES, WHOLE, Run, answer, asked, body_of

Make = Callable[[], Handler]
NUMBERED: dict[str, Make] = {
    "numbered": lambda: numbered(PIECES),
    "buffered": lambda: Buffered(PIECES),
}
NAMELESS: dict[str, Make] = {
    "minimal": lambda: minimal(PIECES),
    "heartbeat": lambda: Heartbeat(PIECES),
    "multimodal": lambda: multimodal(*(("text", piece, "") for piece in PIECES)),
}
METHODS = pytest.mark.parametrize("method", ["POST", "GET"])


def places(body: bytes) -> list[int]:
    """Around the end of every event, in bytes."""
    ends = [at + 2 for at in range(len(body)) if body[at : at + 2] == b"\n\n"]
    return sorted({at + n for at in (0, *ends) for n in (-1, 0, 1)} & {*range(1, len(body) + 1)})


def events_in(body: bytes) -> int:
    """How many events with data came whole."""
    *whole, _ = body.split(b"\n\n")
    return sum(b"data:" in block for block in whole)


# Uncut.


@METHODS
@pytest.mark.parametrize("name", [*NUMBERED, *NAMELESS])
async def test_each_of_them_is_read_to_its_end(name: str, method: str, tmp_path: Path) -> None:
    handler = (NUMBERED | NAMELESS)[name]()
    async with opened(tmp_path) as hub:
        found = await answer(hub, handler, method=method, path="chat")
    assert (found.told.content, found.told.note) == (("complete", WHOLE, ""), "")
    assert [request.target.partition("?")[0] for request in found.requests] == ["/chat"]
    assert found.told.marks == ["sent"]


# Cut where nothing says how to go on.


@METHODS
@pytest.mark.parametrize("name", NAMELESS)
async def test_without_ids_a_cut_anywhere_keeps_what_came_and_asks_no_more(
    name: str, method: str, tmp_path: Path
) -> None:
    await cut_for_good(NAMELESS[name], method, tmp_path, asks=[method])


@pytest.mark.parametrize("name", NUMBERED)
async def test_a_server_that_wants_the_question_of_every_get_is_believed(
    name: str, tmp_path: Path
) -> None:
    await cut_for_good(NUMBERED[name], "POST", tmp_path, asks=["POST", "GET"])


async def cut_for_good(make: Make, method: str, tmp_path: Path, *, asks: list[str]) -> None:
    async with opened(tmp_path) as hub:
        body = await body_of(hub, make(), method=method)

        async def cut(place: int) -> Run:
            return await answer(hub, make(), place, method=method)

        for place, found in await together(cut, places(body)):
            came = events_in(body[:place])
            whole = came > len(PIECES)
            text = WHOLE if whole else PREFIXES[came]
            assert found.told.content == ("complete" if whole else "cut", text, "")
            assert ("billed" in found.told.note) is (came == 0)
            in_vain = 0 < came <= len(PIECES)
            methods = [request.method for request in found.requests]
            assert methods == (asks if in_vain else asks[:1])
            assert found.told.resumes == 0
            assert found.rung is Rung.NONE


# Joined again.


def resumed(found: Run, *, cuts: int) -> None:
    """The first request was made once; each one after it is the same, with the last id."""
    first, *more = found.requests
    assert found.told.content == ("complete", WHOLE, "")
    assert "last-event-id" not in first.headers
    assert all(int(one.headers["last-event-id"]) for one in more)
    assert {(one.method, one.target) for one in found.requests} == {("GET", first.target)}
    assert found.told.resumes == len(more) <= cuts


@pytest.mark.parametrize("name", NUMBERED)
async def test_with_ids_a_get_goes_on_after_a_cut_anywhere(name: str, tmp_path: Path) -> None:
    make = NUMBERED[name]
    async with opened(tmp_path) as hub:
        body = await body_of(hub, make(), method="GET")

        async def cut(place: int) -> Run:
            return await answer(hub, make(), place, method="GET", path="chat?room=1")

        for place, found in await together(cut, places(body)):
            if events_in(body[:place]):
                resumed(found, cuts=1)
            else:
                assert found.told.content == ("cut", "", "")
                assert "may have been billed" in found.told.note
                assert len(found.requests) == 1


@pytest.mark.parametrize("deaf", [False, True], ids=["listens", "deaf"])
async def test_with_ids_a_get_goes_on_again_and_again(deaf: bool, tmp_path: Path) -> None:
    """A server that sends everything again, whatever it is told, is compared with what came."""
    dice = random.Random(7)
    async with opened(tmp_path) as hub:
        body = await body_of(hub, numbered(PIECES), method="GET")
        first = body.index(b"\n\n") + 2

        async def cut(seed: int) -> Run:
            cuts = [dice.randrange(first, len(body)) for _ in range(4)]
            return await answer(hub, numbered(PIECES, deaf=deaf), *cuts, method="GET")

        for _, found in await together(cut, range(20)):
            assert found.told.content == ("complete", WHOLE, "")
            assert sum("last-event-id" not in one.headers for one in found.requests) == 1


async def test_coming_back_makes_no_answer_anew(tmp_path: Path) -> None:
    buffered = Buffered(PIECES, cuts=[1, 0, 2, 1])
    async with opened(tmp_path) as hub:
        found = await answer(hub, buffered, method="GET")
    assert found.told.content == ("complete", WHOLE, "")
    assert (buffered.generations, buffered.responses) == (1, 5)


async def hangs(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    for number, piece in enumerate(PIECES[:3], 1):
        await wire.event(json.dumps({"content": piece}), id=str(number))
    await wire.hang()


async def test_a_get_goes_on_where_the_last_program_left_it(tmp_path: Path) -> None:
    async with FaultServer(in_turn(hangs, numbered(PIECES))) as server:
        where = asked(server.base_url, method="GET")
        async with opened(tmp_path, where) as hub:
            live = await ask(hub, where)
            await until(live, lambda live: live.fold.reply.answer == PREFIXES[3])
            assert live.rung is Rung.EXACT
        async with opened(tmp_path, where) as hub:
            (live,) = await hub.take_up()
            found = await told(hub, await hurried(hub, live))
        assert (found.content, found.resumes) == (("complete", WHOLE, ""), 1)
        assert [one.headers.get("last-event-id") for one in server.requests] == [None, "3"]


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        (204, "cut", "nothing more"),
        (400, "cut", "would begin another answer"),
        (403, "cut", "403"),
        (404, "expired", "no longer has"),
        (410, "expired", "no longer has"),
        (429, "complete", ""),
    ],
)
async def test_what_a_server_says_to_who_comes_back_is_believed(
    status: int, state: str, words: str, tmp_path: Path
) -> None:
    async def refuses(request: Request, wire: Wire) -> None:
        await wire.reply(status, headers={"Retry-After": "20"} if status == 429 else {})

    handler = in_turn(numbered(PIECES, cuts=[2]), refuses, numbered(PIECES))
    async with opened(tmp_path) as hub:
        found = await answer(hub, handler, method="GET")
    assert found.told.state == state
    assert words in found.told.note
    assert found.told.text == (WHOLE if state == "complete" else PREFIXES[2])
    cursors = [one.headers.get("last-event-id") for one in found.requests]
    assert cursors == [None, "2", "2"][: 3 if state == "complete" else 2]


async def test_a_server_that_answers_anew_is_not_asked_for_a_third_answer(tmp_path: Path) -> None:
    anew = in_turn(numbered(PIECES, cuts=[2]), numbered(["no ", "more"], deaf=True))
    async with FaultServer(anew) as server, opened(tmp_path) as hub:
        live = await hurried(hub, await ask(hub, asked(server.base_url, method="GET")))
        await answer(hub, numbered(PIECES))  # whatever was to follow has begun by now
        found = await told(hub, live)
        assert found.content == ("cut", PREFIXES[2], "")
        assert "another text" in found.note
        assert len(await hub.journal.attempts(live.message_id)) == 1
        assert len(server.requests) == 2


async def test_an_id_that_no_header_can_hold_is_not_left_out_of_the_request(tmp_path: Path) -> None:
    async def named_badly(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event("word", id="1\t")
        wire.cut()

    async with opened(tmp_path) as hub:
        found = await answer(hub, named_badly, method="GET")
    assert found.told.content == ("cut", "word", "")
    assert "would begin another answer" in found.told.note
    assert len(found.requests) == 1


# The whole program.


async def test_ask_joins_a_stream_again_as_config_toml_says(home: Path) -> None:
    buffered = Buffered(PIECES, cuts=[2, 3])
    async with FaultServer(buffered) as server:
        table = {"sse.method": "GET", "sse.path": "chat", "sse.prompt": "q"}
        configure(home, server.base_url, dialect="sse", **table)
        refused = await run(home, "ask", "why?")
        configure(home, server.base_url, dialect="sse", **(table | {"sse.prompt": "prompt"}))
        done = await run(home, "ask", "why?")
    assert (refused.code, refused.out) == (1, "")
    assert "Field required" in refused.err
    assert done == (0, WHOLE + "\n", "")
    assert buffered.generations == 1
    assert {one.target for one in server.requests[1:]} == {"/chat?prompt=why%3F"}
