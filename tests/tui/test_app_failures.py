"""Everyday failures in the app: a clear message with a remedy, nothing lost, no traceback."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import pytest

from ssechat.core.errors import KeyProblem
from ssechat.hub import Hub
from support.app import answers, chunk, configure, desktop
from support.fault_server import FaultServer, Request, Wire, in_turn
from support.link import replies


async def test_a_wrong_key_is_told_with_its_remedy_and_the_next_try_works(home: Path) -> None:
    async def serve(request: Request, wire: Wire) -> None:
        await answers(wire, "fine")

    refuse = replies(401, '{"error": {"message": "bad key"}}', Content_Type="application/json")
    async with FaultServer(in_turn(refuse, serve)) as server:
        configure(home, server.base_url)
        async with desktop() as desk:
            await desk.ask("hello")
            await desk.says("failed: 401 Unauthorized: bad key")
            assert "check the key" in desk.words
            assert "hello" in desk.screen
            await desk.pilot.press("ctrl+r")
            await desk.says("complete")
            assert "fine" in desk.screen
            assert "attempt 2/2" in desk.screen


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("<html><title>Log in to the hotel</title></html>", "text/html", "Log in to the hotel"),
        ('{"choices": [{"message": {"content": "whole"}}]}', "application/json", "failed: "),
    ],
)
async def test_a_body_that_is_no_stream_is_told_as_such(
    home: Path, body: str, kind: str, said: str
) -> None:
    async with FaultServer(replies(200, body, Content_Type=kind)) as server:
        configure(home, server.base_url)
        async with desktop() as desk:
            await desk.ask("hello")
            await desk.says("failed: ")
            assert said in desk.words
            assert desk.draft == ""


async def test_a_dead_port_is_told(home: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configure(home, f"http://127.0.0.1:{port}")
    async with desktop() as desk:
        await desk.ask("hello")
        await desk.says(f"failed: nothing listens at 127.0.0.1:{port}")
        assert "start the server, or correct the address" in desk.words


async def test_a_text_that_cannot_be_sent_is_the_draft_again(home: Path) -> None:
    configure(home, "http://127.0.0.1:9", 'api_key_env = "NO_SUCH_KEY"')
    async with desktop() as desk:
        await desk.ask("first line")
        await desk.tells("NO_SUCH_KEY is not set")
        await desk.tells("export NO_SUCH_KEY")
        await desk.until(lambda: desk.draft == "first line")
        assert "you " not in desk.screen
        assert desk.bar.startswith(" ready")


async def test_what_is_typed_while_a_sending_fails_comes_after_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = asyncio.Event()

    async def submit(*_: object) -> None:
        await decided.wait()
        raise KeyProblem("the keyring is locked", remedy="unlock it")

    monkeypatch.setattr(Hub, "submit", submit)
    configure(home, "http://127.0.0.1:9")
    async with desktop() as desk:
        await desk.ask("sent")
        await desk.write("typed since")
        assert desk.draft == "typed since"
        assert desk.bar.startswith(" waiting")
        desk.app.keep_draft()
        assert desk.app.desk.tab.kept.whole == "sent\ntyped since"
        decided.set()
        await desk.tells("the keyring is locked — unlock it")
        assert desk.draft == "sent\ntyped since"


async def test_enter_while_an_answer_streams_keeps_the_draft_and_says_so(home: Path) -> None:
    async def serve(request: Request, wire: Wire) -> None:
        await answers(wire, "one moment", ends=False)
        await wire.hang()

    async with FaultServer(serve) as server:
        configure(home, server.base_url)
        async with desktop() as desk:
            await desk.ask("hello")
            await desk.says("live")
            await desk.ask("too early")
            await desk.tells("an answer is still coming; your draft is kept (escape stops it)")
            assert desk.draft == "too early"
            await desk.pilot.press("escape")
            await desk.says("stopped")
            assert desk.draft == "too early"
            await server.left()
        assert len(server.requests) == 1


async def test_the_turn_after_a_cut_answer_sends_its_text(home: Path) -> None:
    async def cut(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event(chunk("half an ans"))
        wire.cut()

    async def serve(request: Request, wire: Wire) -> None:
        await answers(wire, "whole")

    async with FaultServer(in_turn(cut, serve)) as server:
        configure(home, server.base_url)
        async with desktop() as desk:
            await desk.ask("first")
            await desk.says("cut (F6 continues)")
            await desk.ask("second")
            await desk.says("complete")
        said = [(m["role"], m["content"]) for m in server.requests[1].json()["messages"]]
    assert said == [("user", "first"), ("assistant", "half an ans"), ("user", "second")]


async def test_markup_in_an_error_is_shown_as_it_is(home: Path) -> None:
    body = '{"error": {"message": "[/x] [bold]no[/bold] \\u001b]52;c;eA==\\u0007 \\u202e"}}'
    async with FaultServer(replies(400, body, Content_Type="application/json")) as server:
        configure(home, server.base_url)
        async with desktop() as desk:
            await desk.ask("[/x] [red]hello")
            await desk.says("failed: 400")
            assert "[/x] [bold]no[/bold]" in desk.words
            assert not re.search("[\x1b\x07\u202e]", desk.screen)
            assert "[/x] [red]hello" in desk.screen
            await desk.pilot.press("f2")
            await desk.until(lambda: "[/x] [red]hello" in desk.screen)
