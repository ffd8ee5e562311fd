"""The servers that tutorials write, and what the `sse` dialect makes of their answers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from ssechat.core.conversation import Prompt, Role, Turn
from ssechat.core.deltas import EndState, Verdict
from ssechat.core.dialects import dialect
from ssechat.core.frames import FrameKind
from support.answers import Answered, answered
from support.article_servers import Buffered, Heartbeat, minimal, multimodal, numbered
from support.fault_server import FaultServer, Handler

COMPLETE = Verdict(EndState.COMPLETE)
PROMPT = Prompt((Turn(Role.USER, "Grüße & more?"),), "")
PIECES = ["Half", " an", " answer,", " 傅", "里叶"]
WHOLE = "".join(PIECES)


async def ask(server: FaultServer, last_id: str = "", **options: Any) -> Answered:
    codec = dialect("sse", options)
    headers = {"Last-Event-ID": last_id} if last_id else {}
    return await answered(codec, server.base_url, codec.request(PROMPT), headers)


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(
    "handler",
    [
        minimal(PIECES),
        numbered(PIECES),
        Heartbeat(PIECES),
        Buffered(PIECES),
        multimodal(*(("text", piece, "") for piece in PIECES)),
    ],
)
async def test_each_of_them_is_read_to_its_end(handler: Handler, method: str) -> None:
    async with FaultServer(handler) as server:
        answer = await ask(server, method=method, path="chat")
    assert (answer.text, answer.verdict) == (WHOLE, COMPLETE)
    assert server.requests[0].target.startswith("/chat")


async def test_a_request_that_lacks_the_prompt_is_refused_with_a_reason() -> None:
    async with FaultServer(minimal(PIECES)) as server:
        answer = await ask(server, prompt="q")
    assert (answer.status, dialect("sse").error_text(answer.body)) == (422, "Field required")


async def test_without_an_end_mark_the_answer_has_no_verdict() -> None:
    async with FaultServer(minimal(PIECES, done=False)) as server:
        answer = await ask(server)
    assert (answer.text, answer.verdict, answer.cut) == (WHOLE, None, False)


async def test_a_cut_answer_has_what_came() -> None:
    async with FaultServer(minimal(PIECES, cut_after=2)) as server:
        answer = await ask(server)
    assert (answer.text, answer.verdict, answer.cut) == ("Half an", None, True)


@pytest.mark.parametrize(
    ("handler", "method"),
    [(numbered(PIECES, cuts=[2]), "POST"), (Buffered(PIECES, cuts=[2]), "GET")],
)
async def test_a_server_with_ids_goes_on_after_the_last_one(handler: Handler, method: str) -> None:
    async with FaultServer(handler) as server:
        first = await ask(server, method=method)
        rest = await ask(server, first.frames[-1].id, method=method)
    assert (first.text, first.verdict, first.frames[-1].id) == ("Half an", None, "2")
    assert (first.text + rest.text, rest.verdict) == (WHOLE, COMPLETE)


async def test_to_come_back_to_the_buffer_makes_nothing_anew() -> None:
    buffered = Buffered(PIECES, cuts=[1, 2])
    async with FaultServer(buffered) as server:
        first = await ask(server)
        second = await ask(server, first.frames[-1].id)
        third = await ask(server, second.frames[-1].id)
    assert first.text + second.text + third.text == WHOLE
    assert (buffered.generations, buffered.responses) == (1, 3)


async def test_an_error_event_fails_the_answer_and_keeps_its_text() -> None:
    async with FaultServer(Buffered(PIECES, fails_after=2)) as server:
        answer = await ask(server)
    assert (answer.text, answer.verdict) == (
        "Half an",
        Verdict(EndState.FAILED, "the model failed"),
    )


async def test_a_buffer_that_is_gone_says_so() -> None:
    async with FaultServer(Buffered(PIECES, cuts=[2], forgets=True)) as server:
        first = await ask(server)
        again = await ask(server, first.frames[-1].id)
    assert again.verdict == Verdict(EndState.FAILED, "stream not found or expired")


async def test_pictures_come_between_the_text() -> None:
    png = b"\x89PNG\r\n\x1a\n"
    parts = ("text", "Look: ", ""), ("image", png, "image/png"), ("text", "there", "")
    async with FaultServer(multimodal(*parts)) as server:
        answer = await ask(server)
    assert (answer.text, answer.verdict) == ("Look: there", COMPLETE)
    assert len(answer.frames) == 4


async def test_heartbeats_are_comments_and_a_client_that_leaves_is_noticed() -> None:
    heartbeat = Heartbeat(PIECES, go_on=asyncio.Event())
    async with FaultServer(heartbeat) as server, httpx.AsyncClient() as client:
        async with client.stream("GET", f"{server.base_url}/?prompt=hi") as response:
            await anext(response.aiter_raw())
        await asyncio.wait_for(heartbeat.left.wait(), 5)
    async with FaultServer(Heartbeat(PIECES)) as server:
        answer = await ask(server)
    kinds = [frame.kind for frame in answer.frames]
    assert kinds[:2] == [FrameKind.COMMENT, FrameKind.EVENT]
