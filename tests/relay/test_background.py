"""The background relay: started on demand, one for all, and what it saves when an app dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from ssechat import background
from ssechat.core.deltas import EndState
from ssechat.core.errors import Problem
from ssechat.core.resume import Rung
from ssechat.hub import Live, Question
from ssechat.link import connection
from ssechat.session import Session
from support.backgrounds import Here, here
from support.fault_server import FaultServer, Handler, Request, Wire
from support.hubs import ended, until


def said(text: str) -> str:
    delta = {"type": "text_delta", "text": text}
    return json.dumps({"type": "content_block_delta", "index": 0, "delta": delta})


async def say(wire: Wire, *texts: str) -> None:
    for text in texts:
        await wire.event(said(text), event="content_block_delta")


async def finish(wire: Wire) -> None:
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    await wire.event(json.dumps(delta), event="message_delta")
    await wire.event('{"type":"message_stop"}', event="message_stop")
    await wire.end()


def held(go_on: asyncio.Event) -> Handler:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "one ")
        await go_on.wait()
        await say(wire, "two")
        await finish(wire)

    return handler


async def whole(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    await say(wire, "one ", "two")
    await finish(wire)


@asynccontextmanager
async def session(place: Here, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    for name, value in place.env.items():
        monkeypatch.setenv(name, value)
    opened = await Session.open()
    opened.background.wanted = True
    try:
        yield opened
    finally:
        await opened.close()


async def asked(session: Session, text: str = "why?") -> Live:
    return await session.hub.submit(Question(session.settings.profiles["work"], text=text))


async def test_an_answer_goes_through_it_and_can_be_resumed_exactly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORK_KEY", "sk-work-secret")
    async with FaultServer(whole) as server:
        with here(server.base_url, api_key_env="WORK_KEY") as place:
            async with session(place, monkeypatch) as one:
                live = await ended(await asked(one))
                assert live.relayed
                assert live.rung is Rung.EXACT
                assert (live.end, live.fold.reply.answer) == (EndState.COMPLETE, "one two")
            sent = await server.received(1)
            assert sent.target == "/v1/messages"
            assert sent.headers["x-api-key"] == "sk-work-secret"
            assert not [name for name in sent.headers if name.startswith("ssechat")]
            assert b"sk-work-secret" not in place.written()


async def test_what_an_app_leaves_by_kill_9_goes_on_and_is_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = asyncio.Event()
    async with FaultServer(held(go_on)) as server:
        with here(server.base_url) as place:
            program = await asyncio.create_subprocess_exec(
                sys.executable, "-c", DIES, env={**os.environ, **place.env}
            )
            assert await asyncio.wait_for(program.wait(), 20) == -9
            go_on.set()
            async with session(place, monkeypatch) as one:
                (live,) = await one.hub.take_up()
                await ended(live)
                assert (live.end, live.fold.reply.answer) == (EndState.COMPLETE, "one two")
        assert [request.method for request in server.requests] == ["POST"]


DIES = """
import asyncio, os, signal
from ssechat.hub import Question
from ssechat.session import Session

async def main():
    session = await Session.open()
    session.background.wanted = True
    live = await session.hub.submit(Question(session.settings.profiles["work"], text="why?"))
    while not live.fold.reply.answer:
        await live.change(live.version)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_lost_answer_to_the_post_is_attached_and_not_paid_for_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = asyncio.Event()

    async def slow(request: Request, wire: Wire) -> None:
        await go_on.wait()
        await whole(request, wire)

    async with FaultServer(slow) as server:
        with here(server.base_url) as place:
            program = await asyncio.create_subprocess_exec(
                sys.executable, "-c", DIES, env={**os.environ, **place.env}
            )
            await server.received(1, within=20)
            program.kill()
            await program.wait()
            go_on.set()
            async with session(place, monkeypatch) as one:
                (live,) = await one.hub.take_up()
                await ended(live)
                assert (live.end, live.fold.reply.answer) == (EndState.COMPLETE, "one two")
        assert len(server.requests) == 1


async def test_where_the_relay_died_too_the_cut_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FaultServer(held(asyncio.Event())) as server:
        with here(server.base_url) as place:
            async with session(place, monkeypatch) as one:
                live = await until(await asked(one), lambda live: live.fold.reply.answer)
                stream = live.stream_id
            place.kill()
            async with session(place, monkeypatch) as one:
                (live,) = await one.hub.take_up()
                assert live.stream_id == stream
                await ended(live)
                assert (live.end, live.fold.reply.answer) == (EndState.CUT, "one ")
                assert live.rung is Rung.CONTINUE
        assert len(server.requests) == 1


async def test_stopping_ends_the_generation_at_the_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FaultServer(held(asyncio.Event())) as server:
        with here(server.base_url) as place:
            async with session(place, monkeypatch) as one:
                live = await until(await asked(one), lambda live: live.fold.reply.answer)
                one.hub.stop(live)
                await ended(live)
                assert live.end is EndState.STOPPED
                await server.left()


async def test_errors_of_the_provider_reach_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(request: Request, wire: Wire) -> None:
        error = {"type": "error", "error": {"type": "x", "message": "no such model"}}
        await wire.reply(404, json.dumps(error), {"Content-Type": "application/json"})

    async with FaultServer(refuse) as server:
        with here(server.base_url) as place:
            async with session(place, monkeypatch) as one:
                live = await ended(await asked(one))
                assert live.end is EndState.FAILED
                assert live.outcome is not None
                assert "no such model" in live.outcome.note
        assert len(server.requests) == 1


async def test_two_apps_that_start_it_at_once_have_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FaultServer(whole) as server:
        with here(server.base_url) as place:
            programs = [
                await asyncio.create_subprocess_exec(
                    sys.executable, "-c", STARTS, env={**os.environ, **place.env}, stdout=-1
                )
                for _ in range(3)
            ]
            said = [(await program.communicate())[0] for program in programs]
            assert len(set(said)) == 1
            assert json.loads(said[0]) == place.health()["pid"]
        assert server.requests == []


STARTS = """
import asyncio, json
import httpx
from ssechat.session import Session

async def main():
    session = await Session.open()
    session.background.wanted = True
    path = await session.background._running()
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport) as client:
        print((await client.get("http://localhost/healthz")).json()["pid"])
    await session.close()

asyncio.run(main())
"""


async def test_one_of_another_version_is_replaced_when_it_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = asyncio.Event()
    async with FaultServer(held(go_on)) as server:
        with here(server.base_url) as place:
            async with session(place, monkeypatch) as one:
                live = await until(await asked(one), lambda live: live.fold.reply.answer)
                old = place.health()["pid"]
                monkeypatch.setattr(background, "__version__", "another")
                second = await asked(one)  # the old one is in use
                go_on.set()
                await asyncio.gather(ended(live), ended(second))
                assert place.health()["pid"] == old
                await until_idle(place)
                third = await ended(await asked(one))
                assert third.end is EndState.COMPLETE
                assert place.health()["pid"] != old


async def until_idle(place: Here) -> None:
    """Ask it to leave until it would. It has to be asked by its socket, as an app would."""
    async with asyncio.timeout(10):
        transport = httpx.AsyncHTTPTransport(uds=str(place.sockets[0]))
        async with httpx.AsyncClient(transport=transport) as client:
            url = "http://localhost/v1/relay/use"
            while (await client.get(url)).json()["in_use"]:  # noqa: ASYNC110 - a process
                await asyncio.sleep(0.01)


async def test_if_it_cannot_start_that_is_said_once_and_requests_go_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FaultServer(whole) as server:
        with here(server.base_url) as place:
            async with session(place, monkeypatch) as one:
                told: list[Problem] = []
                one.background.say = told.append
                monkeypatch.setattr(background, "_spawn", broken)
                for _ in range(2):
                    live = await ended(await asked(one))
                    assert not live.relayed
                    assert live.end is EndState.COMPLETE
                assert [problem.title for problem in told] == [
                    "the background relay did not start; answers end if ssechat is killed"
                ]


def broken(env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])


@pytest.mark.parametrize(
    "changes", [{"background_relay": "false"}, {"dialect": "openai-responses"}]
)
async def test_who_does_not_need_it_does_not_start_it(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    async with FaultServer(whole) as server:
        with here(server.base_url, **changes) as place:
            file = place.folder / "config.toml"
            file.write_text(file.read_text().replace('"false"', "false"))
            async with session(place, monkeypatch) as one:
                await ended(await asked(one))
                assert place.sockets == []


async def test_nobody_elses_socket_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FaultServer(whole) as server:
        with here(server.base_url) as place:
            async with session(place, monkeypatch) as one:
                path = next(background.socket_paths())

                async def stranger(
                    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
                ) -> None:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    writer.close()

                listening = await asyncio.start_unix_server(stranger, path)
                async with listening:
                    live = await ended(await asked(one))
                    assert not live.relayed


async def test_a_key_goes_to_no_other_host_when_the_configuration_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORK_KEY", "sk-work-secret")
    async with FaultServer(whole) as server, FaultServer(whole) as other:
        with here(server.base_url, api_key_env="WORK_KEY") as place:
            async with session(place, monkeypatch) as one:
                file = place.folder / "config.toml"
                file.write_text(file.read_text().replace(server.base_url, other.base_url))
                live = await ended(await asked(one))
                assert live.end is EndState.FAILED
                assert live.outcome is not None
                assert "start ssechat again" in live.outcome.note
        assert server.requests == other.requests == []


async def test_one_that_hangs_is_waited_for_once_and_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FaultServer(whole) as server:
        with here(server.base_url) as place:
            async with session(place, monkeypatch) as one:
                assert (await ended(await asked(one))).relayed
                pid = int(str(place.health()["pid"]))
                told: list[Problem] = []
                one.background.say = told.append
                monkeypatch.setattr(connection, "BODY_TIME", 0.1)
                os.kill(pid, signal.SIGSTOP)
                try:
                    assert not (await ended(await asked(one))).relayed
                    monkeypatch.setattr(connection, "BODY_TIME", 3600.0)
                    waiting = asyncio.create_task(one.background._running())  # an older stream
                    assert not (await ended(await asked(one))).relayed
                    waiting.cancel()
                finally:
                    os.kill(pid, signal.SIGCONT)
                assert [problem.title for problem in told] == [
                    "the background relay does not answer; answers end if ssechat is killed"
                ]
                monkeypatch.setattr(background, "AVOIDED", 0.0)
                assert (await ended(await asked(one))).relayed
