"""What a hostile server, network or second window tries: no answer is paid for twice, taken for
whole, or ended by accident."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ssechat.core.dialects import dialect
from ssechat.core.errors import ConfigProblem
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.resume import State
from ssechat.core.resume.limits import MAX_TRIES
from ssechat.journal import Lease
from support.fault_server import FaultServer, Request, Wire, in_turn
from support.hubs import HERE, ask, ended, finish, opened, profile, say, stored, until

A, B = (Lease("", 0, number, "x") for number in (1, 2))


async def busy(request: Request, wire: Wire) -> None:
    await wire.reply(429, '{"error": {"message": "slow down"}}', {"Retry-After": "60"})


async def test_what_another_process_has_taken_and_ended_is_not_asked_for_again(
    tmp_path: Path,
) -> None:
    async with FaultServer(busy) as server:
        asked = profile(server.base_url)
        async with (
            opened(tmp_path, asked, lease=A) as first,
            opened(tmp_path, asked, lease=B) as second,
        ):
            live = await ask(first, asked)
            await until(live, lambda live: live.machine.state is State.BACKOFF)
            row = await second.journal.stream(live.stream_id)
            assert await second.journal.adopt(row.id, row.lease)
            await ended(await second._resume(row, second._live(row)))
            first.wake(live)
            await until(live, lambda live: live.followed)
            assert len(server.requests) == 1


async def test_a_time_that_the_server_named_is_kept_when_the_computer_wakes(
    tmp_path: Path,
) -> None:
    async with FaultServer(busy) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: live.machine.state is State.BACKOFF)
        for _ in range(20):
            hub.wake_all("the network changed")
        assert live.machine.state is State.BACKOFF
        hub.wake(live)  # the user's own wish
        await server.received(2)


async def test_what_comes_right_after_waking_and_then_nothing_does_not_save_a_connection(
    tmp_path: Path,
) -> None:
    woken = asyncio.Event()

    async def first(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ")
        await woken.wait()
        await say(wire, "b ", first=2)  # it was on the way when the connection died
        await wire.hang()

    async def second(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await finish(wire, 3)

    async with FaultServer(in_turn(first, second)) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: live.fold.reply.answer == "a ")
        hub.wake_all("the network changed")
        woken.set()
        row = await stored(hub, await ended(live))
        assert (row.state, row.text, row.resumes) == ("complete", "a b ", 1)


async def test_a_change_of_the_network_leaves_alone_what_still_brings_bytes(
    tmp_path: Path,
) -> None:
    go_on = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ")
        await go_on.wait()
        await say(wire, "b", first=2)
        await finish(wire, 3)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: live.fold.reply.answer == "a ")
        for _ in range(5):
            hub.wake_all("the network changed")
        go_on.set()
        await ended(live)
        assert ((await stored(hub, live)).resumes, len(server.requests)) == (0, 1)


async def test_a_change_of_the_network_replaces_what_brings_nothing_any_more(
    tmp_path: Path,
) -> None:
    async def hangs(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ")
        await wire.hang()

    async def goes_on(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "b", first=2)
        await finish(wire, 3)

    async with FaultServer(in_turn(hangs, goes_on)) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        await until(live, lambda live: live.fold.reply.answer == "a ")
        hub.wake_all("the network changed")
        await ended(live)
        assert (await stored(hub, live)).text == "a b"


@pytest.mark.parametrize("again", [(), ("a ",), ("a ", "b ")], ids=["nothing", "one", "two"])
async def test_a_replay_that_ends_early_completes_nothing(
    again: tuple[str, ...], tmp_path: Path
) -> None:
    async def first(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        for text in ("a ", "b ", "c "):
            await wire.event(text)
        wire.cut()

    async def shorter(request: Request, wire: Wire) -> None:
        if len(server.requests) > 3:
            await wire.reply(404)
            return
        await wire.open_stream()
        for text in again:
            await wire.event(text)
        await wire.end()

    async with FaultServer(in_turn(first, shorter)) as server, opened(tmp_path) as hub:
        chosen = profile(server.base_url, "sse", options={"end": "eof"})
        live = await ask(hub, chosen)
        while live.outcome is None:
            await until(live, lambda live: live.due is not None or live.outcome)
            hub.wake(live)
            await asyncio.sleep(0)
        row = await stored(hub, await ended(live))
        assert (row.state, row.text) == ("expired", "a b c ")


async def test_an_answer_that_would_end_with_its_window_is_not_taken_over(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ", ids="")
        await go_on.wait()
        await say(wire, "b", ids="")
        await finish(wire)

    async with FaultServer(handler) as server:
        asked = profile(server.base_url)
        async with (
            opened(tmp_path, asked, lease=A) as first,
            opened(tmp_path, asked, lease=B) as second,
        ):
            live = await ask(first, asked)
            await until(live, lambda live: live.fold.reply.answer == "a ")
            (followed,) = await second.take_up(take_over=True)
            assert followed.followed
            with pytest.raises(ConfigProblem, match="would end"):
                await second.take_over(followed)
            go_on.set()
            await ended(live)
            await ended(followed)
            row = await stored(first, live)
            assert (row.state, row.text) == ("complete", "a b")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("openai-chat", {"choices": [{"delta": {"tool_calls": [{}] * 300_000}}]}),
        ("ollama", {"message": {"tool_calls": [{}] * 300_000}}),
        ("anthropic", {"type": "message_start", "message": {"content": [{}] * 300_000}}),
    ],
)
def test_of_a_list_without_end_only_the_beginning_is_read(name: str, data: dict) -> None:
    deltas = dialect(name).decoder().decode(Frame(FrameKind.EVENT, json.dumps(data)))
    assert len(deltas) <= 2_100


async def test_events_that_mean_nothing_are_no_progress(tmp_path: Path) -> None:
    async def first(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ")
        wire.cut()

    async def drips(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event("{}", event="news", id=f"e{len(server.requests) + 1}")
        wire.cut()

    async with FaultServer(in_turn(first, drips)) as server, opened(tmp_path) as hub:
        live = await ask(hub, profile(server.base_url))
        while live.outcome is None:
            await until(live, lambda live: live.due is not None or live.outcome)
            hub.wake(live)
            await asyncio.sleep(0)
        row = await stored(hub, await ended(live))
        assert (row.state, row.text, len(server.requests)) == ("cut", "a ", 1 + MAX_TRIES)
