"""The next turn: what of an earlier answer is sent along, above all of one that was cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssechat.hub import Hub, Live
from ssechat.settings import Profile
from support.fault_server import FaultServer, Handler, Request, Wire, in_turn
from support.hubs import ask, ended, finish, opened, profile, say, stored, thoughts, until


def tool(name: str, arguments: str) -> str:
    call = {"index": 0, "id": "call_1", "function": {"name": name, "arguments": arguments}}
    return json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})


def block(kind: str, index: int, **fields: Any) -> dict[str, Any]:
    return {"type": f"content_block_{kind}", "index": index, **fields}


def thinking(index: int, text: str, signature: str = "") -> list[dict[str, Any]]:
    """A thinking block; whole and sealed with a signature, else it has only begun."""
    events = [
        block("start", index, content_block={"type": "thinking", "thinking": ""}),
        block("delta", index, delta={"type": "thinking_delta", "thinking": text}),
    ]
    if signature:
        seal = {"type": "signature_delta", "signature": signature}
        events += [block("delta", index, delta=seal), block("stop", index)]
    return events


def half_tool(index: int) -> list[dict[str, Any]]:
    start = {"type": "tool_use", "id": "toolu_1", "name": "delete_all", "input": {}}
    part = {"type": "input_json_delta", "partial_json": '{"path": "/'}
    return [block("start", index, content_block=start), block("delta", index, delta=part)]


def text(index: int, words: str) -> list[dict[str, Any]]:
    return [
        block("start", index, content_block={"type": "text", "text": ""}),
        block("delta", index, delta={"type": "text_delta", "text": words}),
    ]


def cut_chat(*data: str) -> Handler:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        for each in data:
            await wire.event(each)
        wire.cut()

    return handler


def cut_messages(*events: dict[str, Any]) -> Handler:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        for event in ({"type": "message_start", "message": {}}, *events):
            await wire.event(json.dumps(event), event=event["type"])
        wire.cut()

    return handler


async def answers(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    await say(wire, "fine", ids="")
    await finish(wire)


async def next_request(hub: Hub, server: FaultServer, asked: Profile) -> list[dict[str, Any]]:
    """Ask, wait for the cut, ask on; the messages of the second request."""
    old = await ended(await ask(hub, asked, "one?"))
    assert (await stored(hub, old)).state == "cut"
    conversation, parent = old.conversation_id, old.message_id
    await ended(await ask(hub, asked, "two?", conversation_id=conversation, parent_id=parent))
    return server.requests[1].json()["messages"]


def said(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        ([thoughts("hm"), json.dumps({"choices": [{"delta": {"content": "part"}}]})], "part"),
        ([json.dumps({"choices": [{"delta": {"content": "part"}}]}), tool("rm", '{"a')], "part"),
        ([thoughts("hm")], None),
        ([tool("rm", '{"a')], None),
        ([], None),
        ([json.dumps({"choices": [{"delta": {"content": " \n"}}]})], None),
    ],
    ids=[
        "thinking and text",
        "text and half a tool",
        "thinking",
        "half a tool",
        "nothing",
        "blanks",
    ],
)
async def test_of_a_cut_answer_only_its_text_is_sent(
    data: list[str], answer: str | None, tmp_path: Path
) -> None:
    async with FaultServer(in_turn(cut_chat(*data), answers)) as server, opened(tmp_path) as hub:
        sent = await next_request(hub, server, profile(server.base_url))
        if answer is None:
            assert sent == [said("user", "one?\n\ntwo?")]
        else:
            assert sent == [said("user", "one?"), said("assistant", answer), said("user", "two?")]


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        ([*thinking(0, "hm"), *text(1, "part")], "part"),
        (
            [*thinking(0, "hm", "sig=="), *text(1, "part")],
            [
                {"type": "thinking", "thinking": "hm", "signature": "sig=="},
                {"type": "text", "text": "part"},
            ],
        ),
        ([*text(0, "part"), *half_tool(1)], "part"),
        ([*thinking(0, "hm", "sig==")], None),
        ([*thinking(0, "hm")], None),
        ([*half_tool(0)], None),
    ],
    ids=[
        "unsigned thinking and text",
        "signed thinking and text",
        "text and half a tool",
        "signed thinking",
        "unsigned thinking",
        "half a tool",
    ],
)
async def test_of_thinking_only_what_is_signed_and_never_half_a_tool_is_sent(
    events: list[dict[str, Any]], answer: object, tmp_path: Path
) -> None:
    handler = in_turn(cut_messages(*events), answers)
    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        sent = await next_request(hub, server, profile(server.base_url, "anthropic"))
        if answer is None:
            assert sent == [said("user", "one?\n\ntwo?")]
        else:
            assert sent == [said("user", "one?"), said("assistant", answer), said("user", "two?")]


async def test_a_whole_conversation_is_sent_in_its_order_with_its_system_text(
    tmp_path: Path,
) -> None:
    async with FaultServer(answers) as server, opened(tmp_path) as hub:
        asked = profile(server.base_url, params={"temperature": 0.5})
        live = await ended(await ask(hub, asked, "one?", system="be brief"))
        place = {"conversation_id": live.conversation_id, "parent_id": live.message_id}
        await ended(await ask(hub, asked, "two?", **place))
        body = server.requests[1].json()
        assert body["temperature"] == 0.5
        assert body["messages"] == [
            said("system", "be brief"),
            said("user", "one?"),
            said("assistant", "fine"),
            said("user", "two?"),
        ]


async def test_another_attempt_sends_the_path_up_to_its_question(tmp_path: Path) -> None:
    async with FaultServer(answers) as server, opened(tmp_path) as hub:
        asked = profile(server.base_url)
        live = await ended(await ask(hub, asked, "one?"))
        parent = await hub.journal.parent(live.message_id)
        place = {"conversation_id": live.conversation_id, "parent_id": parent}
        again = await ended(await ask(hub, asked, None, **place))
        assert server.requests[0].body == server.requests[1].body
        assert [row.id for row in await hub.journal.attempts(live.message_id)] == [
            live.message_id,
            again.message_id,
        ]


async def test_what_came_of_an_answer_that_still_runs_is_sent(tmp_path: Path) -> None:
    async def runs(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "so far")
        await wire.hang()

    def has_text(live: Live) -> bool:
        return live.fold.reply.answer == "so far"

    async with FaultServer(in_turn(runs, answers)) as server, opened(tmp_path) as hub:
        asked = profile(server.base_url)
        live = await until(await ask(hub, asked, "one?"), has_text)
        place = {"conversation_id": live.conversation_id, "parent_id": live.message_id}
        await ended(await ask(hub, asked, "two?", **place))
        sent = server.requests[1].json()["messages"]
        assert sent[1] == said("assistant", "so far")
