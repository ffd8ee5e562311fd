"""Answers that are none: each ends as `failed`, with a sentence on what to do."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from ssechat.settings import Timeouts
from support.fault_server import HOST, FaultServer, Handler, Request, Wire
from support.hubs import ask, ended, opened, profile, say, stored

HTML = "<html><title>Sign in</title><script>alert(1)</script></html>"
ERROR = json.dumps({"error": {"message": "no such key \x1b[31m", "type": "auth"}})


def replies(status: int, body: str, kind: str) -> Handler:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(status, body, {"Content-Type": kind})

    return handler


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (replies(200, '{"choices": []}', "application/json"), "JSON body"),
        (replies(200, HTML, "text/html"), "HTML page"),
        (replies(401, ERROR, "application/json"), "no such key"),
        (replies(404, ERROR, "application/json"), "404"),
        (replies(500, HTML, "text/html"), "500"),
        (replies(302, "", "text/plain"), "302"),
    ],
    ids=["json", "html", "401", "404", "500", "302"],
)
async def test_an_answer_that_is_no_stream_fails_with_a_remedy(
    handler: Handler, said: str, tmp_path: Path
) -> None:
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, row.text) == ("failed", "")
        assert said in row.note
        assert row.note.isprintable()
        assert live.problem is not None
        assert live.problem.remedy
        assert len(server.requests) == 1


async def test_a_dead_port_fails_at_once_with_a_remedy(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as closed:
        port = closed.getsockname()[1]
    async with opened(tmp_path) as hub:
        begun = time.monotonic()
        live = await ended(await ask(hub, profile(f"http://{HOST}:{port}")))
        assert time.monotonic() - begun < 1
        assert (await stored(hub, live)).state == "failed"
        assert "nothing listens" in live.outcome.note
        assert live.problem.remedy


async def test_an_error_in_mid_stream_fails_and_keeps_the_text(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ")
        await wire.event(json.dumps({"error": {"message": "out of memory"}}))
        await wire.end()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, row.text) == ("failed", "a ")
        assert "out of memory" in row.note


async def test_an_event_that_is_too_large_ends_the_stream_and_keeps_the_text(
    tmp_path: Path,
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ")
        await wire.send(b"%x\r\n" % (20 * 2**20))
        for _ in range(20):
            await wire.send(b"data: " + b"x" * (2**20 - 6))

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, row.text) == ("cut", "a ")
        assert "16 MiB" in row.note


async def test_a_server_that_sends_no_headers_is_given_up_and_not_asked_again(
    tmp_path: Path,
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.hang()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        asked = profile(server.base_url, timeouts=Timeouts(headers=0.2))
        live = await ended(await ask(hub, asked))
        row = await stored(hub, live)
        assert row.state == "cut"
        assert "no headers" in row.note
        assert "billed" in row.note
        assert [request.method for request in server.requests].count("POST") == 1


async def test_a_stream_that_falls_silent_is_a_cut(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.chunk(": keepalive\n")
        await say(wire, "a ", ids="")
        await wire.hang()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        asked = profile(server.base_url, timeouts=Timeouts(silence=0.2))
        live = await ended(await ask(hub, asked))
        row = await stored(hub, live)
        assert (row.state, row.text) == ("cut", "a ")
        assert "no byte" in row.note
