"""The ladder at any server: rungs are shown, storms held down, humbler requests made, ends told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ssechat.core.errors import ConfigProblem
from ssechat.core.frames import FrameKind
from ssechat.core.resume import Rung, State
from ssechat.core.resume.limits import LINGER
from ssechat.hub import Hub, Live
from ssechat.hub.slots import AT_ONCE
from support.fault_server import FaultServer, Request, Wire, in_turn
from support.hubs import (
    DONE,
    FINISH,
    HERE,
    RELAY,
    ask,
    ended,
    finish,
    frames,
    opened,
    profile,
    say,
    stored,
    until,
    words,
)

IDS = "st_a.1-{}"


async def whole(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    await say(wire, "whole", ids="")
    await finish(wire)


async def hangs(request: Request, wire: Wire) -> None:
    await wire.open_stream(HERE)
    await say(wire, "a ", "b ")
    await wire.hang()


async def posts(server: FaultServer) -> int:
    return sum(request.method == "POST" for request in server.requests)


# Rungs.


@pytest.mark.parametrize(
    ("headers", "ids", "resume", "rung"),
    [
        (RELAY, IDS, "auto", Rung.EXACT),
        (HERE, "e{}", "auto", Rung.EXACT),
        (HERE, "", "auto", Rung.REPLAY),
        (HERE, "", "exact", Rung.CONTINUE),
        (HERE, "e{}", "off", Rung.CONTINUE),
        ({}, "e{}", "auto", Rung.CONTINUE),
        ({"Server": "llama.cpp"}, "", "auto", Rung.EXACT),
    ],
    ids=["relay", "ids", "no ids", "exact only", "off", "no place", "llama.cpp"],
)
async def test_the_rung_is_what_the_server_has_shown_and_the_user_allows(
    headers: dict, ids: str, resume: str, rung: Rung, tmp_path: Path
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(headers)
        await say(wire, "a ", "b ", ids=ids)
        await wire.hang()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url, resume=resume))
        await until(live, lambda live: live.fold.reply.answer == "a b ")
        assert live.rung is rung
        hub.stop(live)


async def test_with_exact_a_stream_that_could_only_be_replayed_is_a_cut(tmp_path: Path) -> None:
    async def cut(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ", ids="")
        wire.cut()

    async with FaultServer(cut) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url, resume="exact")))
        assert (await stored(hub, live)).state == "cut"
        assert len(server.requests) == 1


async def test_what_may_not_be_replayed_is_continued_when_the_user_asks(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        if request.method == "GET":
            await models(request, wire)
            return
        await wire.open_stream(HERE)
        await say(wire, FIRST if len(server.requests) == 1 else " into the sea.", ids="")
        if len(server.requests) == 1:
            wire.cut()
        else:
            await finish(wire)

    async with FaultServer(handler) as server:
        asked = profile(server.base_url, resume="exact")
        async with opened(tmp_path, asked) as hub:
            old = await ended(await ask(hub, asked))
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            assert (await stored(hub, new)).text == f"{FIRST} into the sea."
            assert (await stored(hub, old)).note == "the connection was cut"


async def test_one_continuation_is_asked_for_however_often_the_key_is_pressed(
    tmp_path: Path,
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        if request.method == "GET":  # what the server is
            await wire.reply(404)
            return
        await wire.open_stream()
        await say(wire, "a ", ids="")
        if await posts(server) == 1:
            wire.cut()
        await finish(wire)

    async with FaultServer(handler) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked) as hub:
            old = await ended(await ask(hub, asked))
            presses = [hub.resume(old.stream_id, by_request=True) for _ in range(2)]
            new, refused = await asyncio.gather(*presses, return_exceptions=True)
            assert isinstance(refused, ConfigProblem)
            await ended(new)
            assert await posts(server) == 2


async def test_without_the_users_key_no_request_is_made(tmp_path: Path) -> None:
    """Not even where the profile has got a form for it since."""

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event("a ")
        wire.cut()

    async with FaultServer(handler) as server:
        bare = profile(server.base_url, "sse")
        able = profile(server.base_url, "sse", options={"messages": "messages"})
        async with opened(tmp_path, bare) as hub:
            old = await ended(await ask(hub, bare))
        async with opened(tmp_path, able) as hub:
            with pytest.raises(ConfigProblem, match="cannot resume"):
                await hub.resume(old.stream_id)
        assert await posts(server) == 1


async def test_a_server_that_refuses_the_humbler_request_too_is_asked_in_full_again(
    tmp_path: Path,
) -> None:
    async def refuses(request: Request, wire: Wire) -> None:
        await wire.reply(400, json.dumps({"error": {"message": "input too long"}}))

    async with FaultServer(refuses) as server, opened(tmp_path) as hub:
        asked = profile(server.base_url, "openai-responses")
        for _ in range(2):
            await ended(await ask(hub, asked))
        background = [request.json().get("background") for request in server.requests]
        assert background == [True, None, True, None]


@pytest.mark.parametrize("whole", [True, False], ids=["ended", "cut"])
async def test_a_reason_to_finish_in_every_chunk_ends_nothing(tmp_path: Path, whole: bool) -> None:
    """Some models at some gateways do that; the answer goes on for longer than the linger."""

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        for number in range(3):
            choice = {"index": 0, "delta": {"content": f"{number} "}, "finish_reason": "stop"}
            await wire.event(json.dumps({"choices": [choice]}))
            await asyncio.sleep(LINGER * 1.2)
        if whole:
            await wire.end()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, row.text) == ("complete" if whole else "cut", "0 1 2 ")


async def test_what_has_ended_is_let_go_once_nobody_looks(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, opened(tmp_path) as hub:
        first = await ended(await ask(hub, profile(server.base_url)))
        watched = await ended(await ask(hub, profile(server.base_url)))
        watched.watch(lambda live: None)
        await ended(await ask(hub, profile(server.base_url)))
        assert hub.live(first.message_id) is None
        assert hub.live(watched.message_id) is watched


# Storms.


async def test_of_many_streams_a_few_at_most_resume_at_once(tmp_path: Path) -> None:
    together, most, opening = 0, 0, asyncio.Event()
    count = 12

    async def handler(request: Request, wire: Wire) -> None:
        nonlocal together, most
        if request.method == "POST":
            number = len(server.requests)
            await wire.open_stream({"Location": f"/streams/{number}"})
            await say(wire, "a ")
            await cut_now.wait()
            wire.cut()
            return
        together += 1
        most = max(most, together)
        if together >= AT_ONCE:
            opening.set()
        await opening.wait()
        await asyncio.sleep(0)
        together -= 1
        await wire.open_stream()
        await say(wire, "b", first=2)
        await finish(wire, 3)

    cut_now = asyncio.Event()
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        lives = [await ask(hub, profile(server.base_url)) for _ in range(count)]
        for live in lives:
            await until(live, lambda live: live.fold.reply.answer == "a ")
        cut_now.set()
        for live in lives:
            await ended(live, within=20)
            assert (await stored(hub, live)).text == "a b"
        assert most == AT_ONCE


# Waking.


async def test_after_a_sleep_a_silent_connection_is_replaced_at_once(tmp_path: Path) -> None:
    async def goes_on(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "c", first=3)
        await finish(wire, 4)

    async with FaultServer(in_turn(hangs, goes_on)) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: live.fold.reply.answer == "a b ")
        hub.wake_all("this machine slept")
        await ended(live)
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a b c", 1)
        assert row.parts[0]["seams"][0]["why"] == "this machine slept"
        assert server.requests[1].headers["last-event-id"] == "e2"


async def test_after_a_sleep_a_stream_that_cannot_resume_keeps_its_connection(
    tmp_path: Path,
) -> None:
    go_on = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ", ids="")
        await go_on.wait()
        await say(wire, "b", ids="")
        await finish(wire)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: live.fold.reply.answer == "a ")
        hub.wake_all("the network changed")
        go_on.set()
        await ended(live)
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a b", 0)
        assert len(server.requests) == 1


async def test_after_a_sleep_an_answer_that_has_ended_has_lost_no_connection(
    tmp_path: Path,
) -> None:
    go_on = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "whole")
        await wire.event(FINISH, id="e2")
        await go_on.wait()
        await wire.event(DONE, id="e3")
        await wire.end()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: live.machine.verdict)
        hub.wake_all("this machine slept")
        go_on.set()
        await ended(live)
        row = await stored(hub, live)
        assert (row.state, row.text, row.parts[0]["seams"]) == ("complete", "whole", [])
        assert len(server.requests) == 1


# Humbler requests.


async def refuses_obfuscation(request: Request, wire: Wire) -> None:
    if "include_obfuscation" in request.body.decode():
        await wire.reply(400, '{"error": {"message": "unknown field include_obfuscation"}}')
    else:
        await whole(request, wire)


async def test_a_refused_request_is_sent_once_more_in_its_humbler_form(tmp_path: Path) -> None:
    async with FaultServer(refuses_obfuscation) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        assert (await stored(hub, live)).text == "whole"
        assert await posts(server) == 2
        # The next request at this server is humble from the start.
        await ended(await ask(hub, profile(server.base_url)))
        assert await posts(server) == 3


async def test_a_request_that_is_refused_in_both_forms_fails_with_the_servers_words(
    tmp_path: Path,
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(400, '{"error": {"message": "no such model"}}')

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, "no such model" in row.note) == ("failed", True)
        assert await posts(server) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 500, 502])
async def test_no_other_refusal_is_followed_by_a_second_request(
    status: int, tmp_path: Path
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(status)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        assert (await stored(hub, live)).state == "failed"
        assert len(server.requests) == 1


# Going on by a new request.


def continued(live: Live) -> str:
    return live.fold.reply.answer


async def cut_at(hub: Hub, server: FaultServer, **more: object) -> Live:
    return await ended(await ask(hub, profile(server.base_url, **more)))


async def models(request: Request, wire: Wire, owner: str = "") -> None:
    listed = {"data": [{"id": "m", "owned_by": owner}]}
    await wire.reply(200, json.dumps(listed), {"Content-Type": "application/json"})


def server_of(owner: str, *texts: str):
    """A server that cuts the first answer after its text and finishes the second one."""
    count = 0

    async def handler(request: Request, wire: Wire) -> None:
        nonlocal count
        if request.method == "GET":
            await models(request, wire, owner)
            return
        count += 1
        await wire.open_stream()
        await say(wire, texts[min(count, len(texts)) - 1], ids="")
        if count == 1:
            wire.cut()
        else:
            await finish(wire)

    return handler


FIRST = "The river runs past the old mill and"


async def test_a_cut_answer_goes_on_by_a_message_and_repeats_nothing(tmp_path: Path) -> None:
    handler = server_of("someone", FIRST, "past the old mill and into the sea.")
    async with FaultServer(handler) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked) as hub:
            old = await cut_at(hub, server)
            assert (old.rung, (await stored(hub, old)).state) == (Rung.CONTINUE, "cut")
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            row = await stored(hub, new)
            assert (row.state, row.text) == ("complete", f"{FIRST} into the sea.")
            assert row.parts[0]["seams"][0]["how"] == "continued"
            assert (await stored(hub, old)).text == FIRST
            sent = server.requests[-1].json()["messages"]
            assert [message["role"] for message in sent] == ["user", "assistant", "user"]
            assert sent[1]["content"] == FIRST


async def test_at_vllm_it_goes_on_by_prefill(tmp_path: Path) -> None:
    async with FaultServer(server_of("vllm", FIRST, " into the sea.")) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked) as hub:
            old = await cut_at(hub, server)
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            assert (await stored(hub, new)).text == f"{FIRST} into the sea."
            body = server.requests[-1].json()
            assert body["continue_final_message"] is True
            assert body["messages"][-1] == {"role": "assistant", "content": FIRST}


async def test_what_was_continued_is_told_the_same_after_a_restart(tmp_path: Path) -> None:
    async with FaultServer(server_of("", FIRST, " into the sea.")) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked) as hub:
            old = await cut_at(hub, server)
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            before = (await stored(hub, new)).parts
        async with opened(tmp_path, asked) as hub:
            again = await stored(hub, new)
            assert (again.text, again.parts) == (f"{FIRST} into the sea.", before)
            # The next turn sends the joined text.
            await ended(
                await ask(
                    hub, asked, "and?", conversation_id=new.conversation_id, parent_id=again.id
                )
            )
            sent = server.requests[-1].json()["messages"]
            assert sent[1]["content"] == f"{FIRST} into the sea."


async def test_an_answer_of_which_nothing_came_is_not_continued(tmp_path: Path) -> None:
    async def cut(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        wire.cut()

    async with FaultServer(cut) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked) as hub:
            old = await cut_at(hub, server)
            with pytest.raises(ConfigProblem, match="nothing came") as caught:
                await hub.resume(old.stream_id, by_request=True)
            assert "ctrl+r" in caught.value.remedy
            assert len(server.requests) == 1


async def test_without_the_users_key_nothing_is_asked_again(tmp_path: Path) -> None:
    async with FaultServer(server_of("", FIRST, "x")) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked) as hub:
            old = await cut_at(hub, server)
            with pytest.raises(ConfigProblem, match="cannot resume"):
                await hub.resume(old.stream_id)
        async with opened(tmp_path, asked) as hub:
            assert await hub.take_up() == []
        assert len(server.requests) == 1


# Limits.


async def test_a_limit_is_waited_out_as_told_and_can_be_cancelled(tmp_path: Path) -> None:
    async def limited(request: Request, wire: Wire) -> None:
        await wire.reply(429, '{"error": {"message": "slow down"}}', {"Retry-After": "30"})

    async with FaultServer(limited) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: live.machine.state is State.BACKOFF)
        assert live.due is not None
        assert 29 < live.due - asyncio.get_running_loop().time() < 39
        assert "slow down" in live.machine.note
        hub.stop(live)
        await ended(live, within=2)
        assert (await stored(hub, live)).state == "stopped"
        assert len(server.requests) == 1


# Two programs.


async def test_a_stream_is_taken_over_from_a_living_program_which_then_follows(
    tmp_path: Path,
) -> None:
    go_on = asyncio.Event()

    async def resumed(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "c ", first=3)
        await go_on.wait()
        await finish(wire, 4)

    async with FaultServer(in_turn(hangs, resumed)) as server:
        asked = profile(server.base_url)
        first_lease, second_lease = lease(1), lease(2)
        async with (
            opened(tmp_path, asked, lease=first_lease) as first,
            opened(tmp_path, asked, lease=second_lease) as second,
        ):
            owned = await ask(first, asked)
            await until(owned, lambda live: continued(live) == "a b ")
            await first.journal.beat()
            (followed,) = await second.take_up()
            assert followed.followed
            await until(followed, lambda live: continued(live) == "a b ")
            assert await second.take_over(followed)
            await until(followed, lambda live: continued(live) == "a b c ")
            await second.journal.beat()
            await first._others.notice(first._pumps)
            await until(owned, lambda live: live.followed)
            await until(owned, lambda live: continued(live) == "a b c ")
            go_on.set()
            await ended(followed)
            await ended(owned)
            assert (await stored(first, owned)).text == "a b c "
        assert await posts(server) == 1


def lease(number: int):
    from ssechat.journal import Lease

    return Lease("", 0, number, "x")


# Duplicates.


async def test_events_that_come_twice_while_the_server_turns_from_replay_to_live_are_one(
    tmp_path: Path,
) -> None:
    async def overlaps(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        for number in (3, 4, 3, 4, 5):
            await wire.event(words(f"{number} "), id=f"e{number}")
        await wire.event(FINISH, id="e6")
        await wire.event(DONE, id="e7")
        await wire.end()

    async def first(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "1 ", "2 ")
        wire.cut()

    async with FaultServer(in_turn(first, overlaps)) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        assert (await stored(hub, live)).text == "1 2 3 4 5 "
        events = [f for f in await frames(hub, live) if f.kind is FrameKind.EVENT]
        assert len(events) == 7
