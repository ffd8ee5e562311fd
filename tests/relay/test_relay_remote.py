"""A relay as the server of a profile: its base URL and a token are all that it takes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ssechat.core.deltas import EndState
from ssechat.core.resume import Rung
from support.fault_server import FaultServer, Request, Wire
from support.hubs import ask, ended, finish, opened, profile, say, until
from support.relay_process import relay_process
from support.relays import relaying
from support.tcp_proxy import TcpProxy


async def whole(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    await say(wire, "one ", "two", ids="")
    await finish(wire)


async def test_a_profile_on_a_relay_streams_resumes_and_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FaultServer(whole) as server:
        with relay_process(tmp_path / "relay", server.base_url) as relay:
            monkeypatch.setenv("RELAY_TOKEN", relay.token)
            at = profile(f"{relay.url}/up/v1", api_key_env="RELAY_TOKEN")
            async with opened(tmp_path, at) as hub:
                first = await ended(await ask(hub, at))
                assert (first.end, first.fold.reply.answer) == (EndState.COMPLETE, "one two")
                assert first.rung is Rung.EXACT
                (row,) = await hub.journal.streams()
                assert row.idempotency_key


async def test_killed_and_restarted_in_mid_answer_the_relay_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def kept(request: Request, wire: Wire) -> None:
        await wire.open_stream({"Location": "/streams/1"})
        if request.method == "POST":
            await say(wire, "one ")
            await wire.hang()
        else:
            await say(wire, "two", first=2)
            await finish(wire, 3)

    async with FaultServer(kept) as server:
        with relay_process(tmp_path / "relay", server.base_url) as relay:
            monkeypatch.setenv("RELAY_TOKEN", relay.token)
            at = profile(f"{relay.url}/up/v1", api_key_env="RELAY_TOKEN")
            async with opened(tmp_path, at) as hub:
                live = await until(await ask(hub, at), lambda live: live.fold.reply.answer)
                await asyncio.to_thread(relay.kill)
                await asyncio.to_thread(relay.restart)
                await ended(live)
                assert (live.end, live.fold.reply.answer) == (EndState.COMPLETE, "one two")
                assert live.fold.resumes >= 1
        assert [request.method for request in server.requests] == ["POST", "GET"]


async def test_a_server_that_takes_a_relays_place_is_no_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other(request: Request, wire: Wire) -> None:
        if request.method == "GET":
            await wire.reply(404, "{}")
        else:
            await whole(request, wire)

    async with FaultServer(whole) as server, FaultServer(other) as stranger:
        with relay_process(tmp_path / "relay", server.base_url) as relay:
            monkeypatch.setenv("RELAY_TOKEN", relay.token)
            at = profile(f"{relay.url}/up/v1", api_key_env="RELAY_TOKEN")
            async with opened(tmp_path, at) as hub:
                await ended(await ask(hub, at))
        at = profile(f"{stranger.base_url}/up/v1", api_key_env="RELAY_TOKEN")
        async with opened(tmp_path, at) as hub:
            await ended(await ask(hub, at))
        asked, posted = stranger.requests
        assert asked.target == "/healthz"
        assert relay.token not in repr(asked)
        assert "idempotency-key" not in posted.headers


async def test_an_answer_in_lines_that_was_cut_from_its_relay_goes_on_in_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def lines(request: Request, wire: Wire) -> None:
        await wire.open_stream(content_type="application/x-ndjson")
        await wire.chunk('{"message":{"role":"assistant","content":"one "},"done":false}\n')
        await go_on.wait()
        await wire.chunk('{"message":{"role":"assistant","content":"two"},"done":false}\n')
        await wire.chunk('{"message":{"content":""},"done":true,"done_reason":"stop"}\n')
        await wire.end()

    async with (
        FaultServer(lines) as server,
        relaying(tmp_path, server.base_url) as relay,
        TcpProxy("127.0.0.1", int(relay.base_url.rpartition(":")[2])) as network,
    ):
        monkeypatch.setenv("RELAY_TOKEN", relay.token)
        at = profile(f"{network.base_url}/up", dialect="ollama", api_key_env="RELAY_TOKEN")
        async with opened(tmp_path, at) as hub:
            live = await until(await ask(hub, at), lambda live: live.fold.reply.answer)
            network.cut()
            await until(live, lambda live: network.count("GET /v1/streams/"))
            go_on.set()
            await ended(live)
            assert (live.end, live.fold.reply.answer) == (EndState.COMPLETE, "one two")
