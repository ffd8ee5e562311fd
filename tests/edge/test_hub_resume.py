"""Cuts: resumed where the server can, shown where it cannot, and never sent twice unasked."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from ssechat.core.errors import ConfigProblem
from ssechat.core.frames import FrameKind, MarkName
from ssechat.core.resume import State
from ssechat.hub import Hub, Live
from support.fault_server import FaultServer, Request, Wire, in_turn, sse
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


def asked_for(request: Request) -> tuple[str, str, str]:
    """What a request is: its method, path and cursor."""
    return request.method, request.target, request.headers.get("last-event-id", "")


async def marks(hub: Hub, live: Live) -> list[str]:
    return [f.event for f in await frames(hub, live) if f.kind is FrameKind.MARK]


async def texts(hub: Hub, live: Live) -> list[tuple[str, str]]:
    """State and text of each attempt."""
    return [(row.state, row.text) for row in await hub.journal.attempts(live.message_id)]


def cut_after(*words: str, headers: dict[str, str] = HERE, ids: str = "e{}"):
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(headers)
        await say(wire, *words, ids=ids)
        wire.cut()

    return handler


def goes_on(*words: str, first: int, ids: str = "e{}"):
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, *words, first=first, ids=ids)
        await finish(wire, first + len(words), ids)

    return handler


def refuses(status: int, **headers: str):
    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(status, headers={n.replace("_", "-"): v for n, v in headers.items()})

    return handler


async def test_a_cut_stream_goes_on_behind_the_last_committed_id(tmp_path: Path) -> None:
    handler = in_turn(cut_after("a ", "b "), goes_on("c", first=3))
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        assert [asked_for(request) for request in server.requests] == [
            ("POST", "/chat/completions", ""),
            ("GET", "/streams/1", "e2"),
        ]
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a b c", 1)
        assert await marks(hub, live) == [MarkName.SENT, MarkName.LOST, MarkName.RESUMED]
        (seam,) = row.parts[0]["seams"]
        assert (seam["offset"], seam["why"]) == (4, "the connection was cut")
        assert seam["after"] >= 0


async def test_the_cursor_is_kept_over_connections_that_bring_nothing(tmp_path: Path) -> None:
    async def opens_only(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.chunk(": hello\n")
        wire.cut()

    handler = in_turn(cut_after("a ", "b "), opens_only, refuses(503), goes_on("c", first=3))
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await server.received(2)
        for count in (3, 4):
            await until(live, lambda live: live.machine.state is State.BACKOFF)
            hub.wake(live)
            await server.received(count)
        await ended(live)
        assert [asked_for(request)[2] for request in server.requests] == ["", "e2", "e2", "e2"]
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a b c", 1)


async def test_a_server_that_sends_all_again_repeats_nothing(tmp_path: Path) -> None:
    handler = in_turn(cut_after("a ", "b ", "a "), goes_on("a ", "b ", "a ", "b ", first=1))
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        assert (await stored(hub, live)).text == "a b a b "
        assert live.fold.reply.parts[0].seams[0].checked == 3


async def test_without_a_rung_a_cut_is_a_cut_and_nothing_is_sent_again(tmp_path: Path) -> None:
    handler = cut_after("a ", "b ", headers={}, ids="")
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, row.text, row.note) == ("cut", "a b ", "the connection was cut")
        assert len(server.requests) == 1
        with pytest.raises(ConfigProblem) as caught:
            await hub.resume(live.stream_id)
        assert caught.value.remedy
        assert len(server.requests) == 1


async def test_a_request_whose_answer_is_lost_may_have_been_billed(tmp_path: Path) -> None:
    async def lost(request: Request, wire: Wire) -> None:
        wire.cut()

    async with FaultServer(lost) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert row.state == "cut"
        assert "billed" in row.note
        assert [request.method for request in server.requests].count("POST") == 1


async def test_with_its_key_a_request_whose_answer_is_lost_attaches(tmp_path: Path) -> None:
    async def lost(request: Request, wire: Wire) -> None:
        wire.cut()

    async def attaches(request: Request, wire: Wire) -> None:
        await wire.open_stream(RELAY)
        await say(wire, "a ", "b", ids=IDS)
        await finish(wire, 3, IDS)

    handler = in_turn(lost, attaches)
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url, relay=True)))
        assert (await stored(hub, live)).text == "a b"
        first, second = server.requests
        assert first.method == second.method == "POST"
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"] != ""
        assert first.body == second.body


async def test_a_location_on_another_origin_is_not_followed(tmp_path: Path) -> None:
    async def elsewhere(request: Request, wire: Wire) -> None:
        raise AssertionError("asked")

    async with FaultServer(elsewhere) as other:
        handler = cut_after("a ", headers={"Location": f"{other.base_url}/streams/1"}, ids="")
        async with FaultServer(handler) as server, opened(tmp_path) as hub:
            live = await ended(await ask(hub, profile(server.base_url)))
            assert (await stored(hub, live)).state == "cut"
            assert len(server.requests) == 1


async def test_resume_off_in_the_profile_resumes_nothing(tmp_path: Path) -> None:
    async with FaultServer(cut_after("a ")) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url, resume="off")))
        assert (await stored(hub, live)).state == "cut"
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 503, 529])
async def test_a_server_that_says_later_is_asked_again_then(status: int, tmp_path: Path) -> None:
    times: list[float] = []

    async def handler(request: Request, wire: Wire) -> None:
        times.append(time.monotonic())
        turn = refuses(status, Retry_After="1") if len(times) == 1 else goes_on("a", first=1)
        await turn(request, wire)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: live.machine.state is State.BACKOFF)
        assert live.due is not None
        assert live.due - time.monotonic() > 0.8
        await ended(live)
        assert 1.0 <= times[1] - times[0] < 2.0
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a", 0)
        assert live.problem is None
        assert [request.method for request in server.requests] == ["POST", "POST"]


async def test_the_servers_retry_is_waited_for(tmp_path: Path) -> None:
    times: list[float] = []

    async def handler(request: Request, wire: Wire) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            await wire.open_stream(HERE)
            await wire.chunk(f"retry: 600\n{sse(words('a '), id='e1')}")
            wire.cut()
        else:
            await goes_on("b", first=2)(request, wire)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        assert (await stored(hub, live)).text == "a b"
        assert 0.6 <= times[1] - times[0] < 1.2


async def test_another_answer_becomes_the_next_attempt(tmp_path: Path) -> None:
    forked = asyncio.Event()

    async def another(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "x ", "y ")
        if "last-event-id" not in request.headers:
            await forked.wait()
        await say(wire, "z", first=3)
        await finish(wire, 4)

    handler = in_turn(cut_after("a ", "b "), another)
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        old = await ended(await ask(hub, profile(server.base_url)))
        await until(old, lambda _: hub.lives)
        forked.set()
        await ended(hub.lives[0])
        assert await texts(hub, old) == [("cut", "a b "), ("complete", "x y z")]
        assert "another text" in (await stored(hub, old)).note
        conversation = await hub.journal.conversation(old.conversation_id)
        shown = (await hub.journal.path(conversation.id))[-1]
        assert (shown.text, shown.resumes) == ("x y z", 0)
        assert [asked_for(request) for request in server.requests][1:] == [
            ("GET", "/streams/1", "e2"),
            ("GET", "/streams/1", ""),
        ]


async def test_a_server_that_answers_differently_each_time_does_not_go_on_for_ever(
    tmp_path: Path,
) -> None:
    count = 0
    forked = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        nonlocal count
        count += 1
        await wire.open_stream(HERE)
        await say(wire, f"{count} ", "more ")
        if count == 3:
            await forked.wait()
        wire.cut()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        old = await ended(await ask(hub, profile(server.base_url)))
        await until(old, lambda _: hub.lives)
        forked.set()
        await ended(hub.lives[0])
        found = await texts(hub, old)
        assert [state for state, _ in found] == ["cut", "cut"]
        assert [text for _, text in found] == ["1 more ", "3 more "]
        last = (await hub.journal.attempts(old.message_id))[-1]
        assert "another answer each time" in last.note
        assert len(server.requests) == 4


async def test_a_gap_is_asked_for_once_and_then_marked(tmp_path: Path) -> None:
    async def skips(request: Request, wire: Wire) -> None:
        await wire.open_stream(RELAY)
        if request.method == "POST":
            await say(wire, "a ", ids=IDS)
        await say(wire, "d ", "e", first=4, ids=IDS)
        await finish(wire, 6, IDS)

    async with FaultServer(skips) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        assert [asked_for(request)[2] for request in server.requests] == ["", "st_a.1-1"]
        row = await stored(hub, live)
        assert (row.state, row.text) == ("complete", "a d e")
        missing = [seam["missing"] for part in row.parts for seam in part["seams"]]
        assert [text for text in missing if text] == ["st_a.1-1 … st_a.1-4"]


async def test_a_gap_that_closes_leaves_no_mark(tmp_path: Path) -> None:
    async def skips(request: Request, wire: Wire) -> None:
        await wire.open_stream(RELAY)
        await say(wire, "a ", ids=IDS)
        await say(wire, "d", first=4, ids=IDS)
        await wire.hang()

    handler = in_turn(skips, goes_on("b ", "c ", "d", first=2, ids=IDS))
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        assert (await stored(hub, live)).text == "a b c d"
        assert MarkName.GAP not in await marks(hub, live)


@pytest.mark.parametrize("headers", [{}, HERE], ids=["no rung", "a rung"])
async def test_a_clean_end_without_the_terminal_event_is_a_cut(
    headers: dict[str, str], tmp_path: Path
) -> None:
    async def ends(request: Request, wire: Wire) -> None:
        await wire.open_stream(headers)
        await say(wire, "a ", ids="e{}" if headers else "")
        await wire.end()

    handler = in_turn(ends, goes_on("b", first=2))
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, row.text) == (("complete", "a b") if headers else ("cut", "a "))
        assert "closed the stream before its end" in (row.note or row.parts[0]["seams"][0]["why"])


@pytest.mark.parametrize(
    ("status", "state"), [(404, "expired"), (410, "expired"), (204, "cut"), (403, "cut")]
)
async def test_a_server_that_has_no_more_ends_the_stream_and_keeps_its_text(
    status: int, state: str, tmp_path: Path
) -> None:
    handler = in_turn(cut_after("a "), refuses(status))
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, row.text) == (state, "a ")
        assert row.note


async def test_a_cursor_that_is_refused_is_left_out_the_next_time(tmp_path: Path) -> None:
    handler = in_turn(cut_after("a "), refuses(400), goes_on("a ", "b", first=1))
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        assert [asked_for(request)[2] for request in server.requests] == ["", "e1", ""]
        assert (await stored(hub, live)).text == "a b"


async def test_the_end_after_the_verdict_may_be_any(tmp_path: Path) -> None:
    async def cut_before_done(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a")
        await wire.event(FINISH)
        wire.cut()

    async def done_without_a_blank_line(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a")
        await wire.chunk(f"data: {DONE}")
        await wire.end()

    asked = {cut_before_done: ["POST", "GET"], done_without_a_blank_line: ["POST"]}
    for handler, methods in asked.items():
        folder = tmp_path / handler.__name__
        async with FaultServer(handler) as server, opened(folder) as hub:
            live = await ended(await ask(hub, profile(server.base_url)))
            row = await stored(hub, live)
            assert (row.state, row.text, row.resumes) == ("complete", "a", 0)
            assert [request.method for request in server.requests] == methods


async def test_what_follows_the_verdict_is_asked_for_if_the_connection_is_lost(
    tmp_path: Path,
) -> None:
    usage = '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":7}}'

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        if request.method == "POST":
            await say(wire, "a")
            await wire.event(FINISH, id="e2")
            wire.cut()
        else:
            assert request.headers["last-event-id"] == "e2"
            await wire.event(usage, id="e3")
            await wire.event(DONE, id="e4")
            await wire.end()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a", 0)
        assert live.fold.tokens == 7
        assert [frame.data for frame in await frames(hub, live)][-2:] == [usage, DONE]


async def test_a_cut_stream_goes_on_when_the_user_asks(tmp_path: Path) -> None:
    handler = in_turn(cut_after("a "), refuses(403), goes_on("b", first=2))
    async with FaultServer(handler) as server, opened(tmp_path, profile(server.base_url)) as hub:
        old = await ended(await ask(hub, profile(server.base_url)))
        assert (await stored(hub, old)).state == "cut"
        live = await ended(await hub.resume(old.stream_id))
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a b", 1)
        assert await marks(hub, live) == [MarkName.SENT, MarkName.LOST, MarkName.RESUMED]
        with pytest.raises(ConfigProblem):
            await hub.resume(live.stream_id)
