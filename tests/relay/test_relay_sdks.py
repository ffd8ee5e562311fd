"""The official SDKs, unmodified, on streams with all that may stand between events."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.fault_server import FaultServer, Request, Wire
from support.relays import Relaying, relaying

TEXT = ("Hel", "lo ", "wörld 漢字 \u2028", "\U0001f600.")
NODE_MODULES = Path(__file__).parents[2] / ".node" / "node_modules"
"""Where `npm install --prefix .node openai @anthropic-ai/sdk` puts them."""
NOISE = ": comment\n\n\n\nretry: 3000\n\n:\n\nid: 7\n\n"


def chat(text: str = "", **more: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": {"content": text}, "finish_reason": None} | more]
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": choices}


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
CHAT = [
    chat("", delta={"role": "assistant", "content": ""}),
    *map(chat, TEXT),
    chat("", delta={}, finish_reason="stop"),
    chat()
    | {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}},
]
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
ANTHROPIC = [
    {"type": "message_start", "message": MESSAGE},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    *(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        for text in TEXT
    ),
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 4},
    },
    {"type": "message_stop"},
]
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "in_progress",
    "model": "m",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
ITEM = {"id": "i1", "type": "message", "role": "assistant", "status": "completed"}
PART = {"type": "output_text", "text": "".join(TEXT), "annotations": []}
RESPONSES = [
    {"type": "response.created", "response": RESPONSE},
    {"type": "response.output_item.added", "output_index": 0, "item": ITEM | {"content": []}},
    {
        "type": "response.content_part.added",
        "item_id": "i1",
        "output_index": 0,
        "content_index": 0,
        "part": PART | {"text": ""},
    },
    *(
        {
            "type": "response.output_text.delta",
            "item_id": "i1",
            "output_index": 0,
            "content_index": 0,
            "delta": text,
            "logprobs": [],
        }
        for text in TEXT
    ),
    {
        "type": "response.completed",
        "response": RESPONSE | {"status": "completed", "output": [ITEM | {"content": [PART]}]},
    },
]


async def noisy(request: Request, wire: Wire) -> None:
    """Each event of the API that was asked, with noise before it, in small chunks."""
    if "models" in request.target:
        await wire.reply(200, '{"object":"list","data":[{"id":"m","object":"model"}]}')
        return
    if request.json().get("model") == "bad":
        said = {"type": "error", "error": {"type": "invalid_request_error", "message": "no, no"}}
        await wire.reply(400, json.dumps(said), {"Content-Type": "application/json"})
        return
    if "chat/completions" in request.target:
        blocks = [f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in CHAT]
        blocks += ["data: [DONE]\n\n"]
    else:
        events = ANTHROPIC if "messages" in request.target else RESPONSES
        numbered = [event | {"sequence_number": n} for n, event in enumerate(events)]
        blocks = [
            f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"
            for event in (events if events is ANTHROPIC else numbered)
        ]
        blocks.insert(1, 'event: vendor.unknown\ndata: {"type":"vendor.unknown","x":1}\n\n')
    body = "".join(NOISE + block for block in blocks).encode()
    await wire.open_stream()
    for at in range(0, len(body), 97):
        await wire.chunk(body[at : at + 97])
    await wire.end()


async def test_openai_for_python(tmp_path: Path) -> None:
    openai = pytest.importorskip("openai", reason="needs the SDK: pip install openai")
    async with (
        FaultServer(noisy) as server,
        relaying(tmp_path, server.base_url) as relay,
        openai.AsyncOpenAI(
            api_key=relay.token, base_url=f"{relay.base_url}/up/v1", max_retries=0
        ) as client,
    ):
        assert [model.id async for model in client.models.list()] == ["m"]
        chunks = [
            chunk
            async for chunk in await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "x"}], stream=True
            )
        ]
        told = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        assert "".join(told) == "".join(TEXT)
        assert chunks[-1].usage.total_tokens == 7
        assert len(chunks) == len(CHAT)
        events = [
            event
            async for event in await client.responses.create(model="m", input="x", stream=True)
        ]
        assert events[-1].response.output_text == "".join(TEXT)
        assert [event.type for event in events if event.type != "vendor.unknown"] == [
            event["type"] for event in RESPONSES
        ]
        with pytest.raises(openai.BadRequestError, match="no, no"):
            await client.chat.completions.create(model="bad", messages=[], stream=True)


async def test_anthropic_for_python(tmp_path: Path) -> None:
    anthropic = pytest.importorskip("anthropic", reason="needs the SDK: pip install anthropic")
    async with (
        FaultServer(noisy) as server,
        relaying(tmp_path, server.base_url) as relay,
        anthropic.AsyncAnthropic(
            api_key=relay.token, base_url=f"{relay.base_url}/up", max_retries=0
        ) as client,
    ):
        asked: dict[str, Any] = {
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "x"}],
        }
        async with client.messages.stream(model="m", **asked) as stream:
            assert "".join([text async for text in stream.text_stream]) == "".join(TEXT)
            final = await stream.get_final_message()
        assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 4)
        with pytest.raises(anthropic.BadRequestError, match="no, no"):
            await client.messages.create(model="bad", stream=True, **asked)


async def test_a_cut_is_no_complete_answer_for_the_sdks(tmp_path: Path) -> None:
    openai = pytest.importorskip("openai", reason="needs the SDK: pip install openai")
    anthropic = pytest.importorskip("anthropic", reason="needs the SDK: pip install anthropic")

    async def cut(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        if "messages" in request.target:
            for event in ANTHROPIC[:4]:
                await wire.event(json.dumps(event), event=event["type"])
        else:
            await wire.event(json.dumps(CHAT[1]))
        wire.cut()

    async with FaultServer(cut) as server, relaying(tmp_path, server.base_url) as relay:
        async with openai.AsyncOpenAI(
            api_key=relay.token, base_url=f"{relay.base_url}/up/v1", max_retries=0
        ) as client:
            with pytest.raises(openai.APIError, match="ended early"):
                async for _ in await client.chat.completions.create(
                    model="m", messages=[], stream=True
                ):
                    pass
        async with anthropic.AsyncAnthropic(
            api_key=relay.token, base_url=f"{relay.base_url}/up", max_retries=0
        ) as other:
            with pytest.raises(anthropic.APIError, match="ended early"):
                async with other.messages.stream(model="m", max_tokens=9, messages=[]) as stream:
                    await stream.get_final_message()


OPENAI_JS = """
import OpenAI from 'openai';
const [, , apiKey, at] = process.argv;
const client = new OpenAI({apiKey, baseURL: at + '/up/v1', maxRetries: 0});
let text = '', count = 0, usage;
const asked = {model: 'm', messages: [{role: 'user', content: 'x'}], stream: true};
for await (const chunk of await client.chat.completions.create(asked)) {
  count++; text += chunk.choices[0]?.delta?.content ?? ''; usage = chunk.usage ?? usage;
}
let final;
const again = {model: 'm', input: 'x', stream: true};
for await (const event of await client.responses.create(again)) {
  if (event.type === 'response.completed') final = event.response.output[0].content[0].text;
}
let refused = '';
try {
  await client.chat.completions.create({...asked, model: 'bad'});
} catch (error) { refused = error.message; }
console.log(JSON.stringify({text, count, total: usage.total_tokens, final, refused}));
"""
ANTHROPIC_JS = """
import Anthropic from '@anthropic-ai/sdk';
const [, , apiKey, at] = process.argv;
const client = new Anthropic({apiKey, baseURL: at + '/up', maxRetries: 0});
const asked = {model: 'm', max_tokens: 9, messages: [{role: 'user', content: 'x'}]};
const final = await client.messages.stream(asked).finalMessage();
let refused = '';
try {
  await client.messages.create({...asked, model: 'bad', stream: true});
} catch (error) { refused = error.message; }
console.log(JSON.stringify({text: final.content[0].text, stop: final.stop_reason, refused}));
"""


async def node(tmp_path: Path, package: str, script: str, relay: Relaying) -> Any:
    """What a script prints, as JSON. Skips the test where node or the SDK is missing."""
    program = shutil.which("node")
    if program is None or not (NODE_MODULES / package).exists():
        pytest.skip(f"needs node and the SDK: npm install --prefix .node {package}")
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    (tmp_path / "main.mjs").write_text(script)
    child = await asyncio.create_subprocess_exec(
        program, str(tmp_path / "main.mjs"), relay.token, relay.base_url, stdout=-1, stderr=-1
    )
    out, errors = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == 0, errors.decode()
    return json.loads(out)


async def test_openai_for_node(tmp_path: Path) -> None:
    async with FaultServer(noisy) as server, relaying(tmp_path, server.base_url) as relay:
        told = await node(tmp_path, "openai", OPENAI_JS, relay)
        assert told["text"] == told["final"] == "".join(TEXT)
        assert (told["count"], told["total"]) == (len(CHAT), 7)
        assert "no, no" in told["refused"]


async def test_anthropic_for_node(tmp_path: Path) -> None:
    async with FaultServer(noisy) as server, relaying(tmp_path, server.base_url) as relay:
        told = await node(tmp_path, "@anthropic-ai/sdk", ANTHROPIC_JS, relay)
        assert (told["text"], told["stop"]) == ("".join(TEXT), "end_turn")
        assert "no, no" in told["refused"]
