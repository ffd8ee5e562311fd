"""Both APIs' events, from the request to the data lines, without a server."""

from __future__ import annotations

import json

import pytest

from ssechat.core.deltas import EndState, Usage, Verdict
from ssechat.core.dialects import dialect as codec
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.reply import Reply
from ssechat.demo.answers import compose
from ssechat.demo.request import BadRequest, parse
from ssechat.demo.script import script
from ssechat.demo.wire import Head, wire
from support.demo_process import request

DIALECTS = ("openai-chat", "anthropic")


def played(dialect: str, prompt: str, **fields: object) -> list[tuple[str, str]]:
    play = script(dialect, json.dumps(request(prompt, **fields)).encode())
    head = Head("t", 1, "demo", play.input, play.ask.usage)
    return [wire(dialect).event(step, head) for step in play.steps]


def told(dialect: str, prompt: str) -> Reply:
    """What our own codec makes of it."""
    reply, decoder = Reply(), codec(dialect).decoder()
    for name, data in played(dialect, prompt):
        for delta in decoder.decode(Frame(FrameKind.EVENT, data, name or "message")):
            reply.apply(delta, 0.0)
    return reply


@pytest.mark.parametrize("dialect", DIALECTS)
def test_our_codec_reads_the_whole_answer(dialect):
    answer, reply = compose(["hello"]), told(dialect, "hello")
    assert reply.answer == "".join(answer.text)
    assert reply.thinking == "".join(answer.thinking)
    assert reply.verdict is not None
    assert reply.verdict.state is EndState.COMPLETE
    assert reply.about.model == "demo"
    output = len(answer.thinking) + len(answer.text)
    assert reply.usage.output == output
    assert reply.usage.input == 2


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("knob", "state"),
    [
        ("#length=20", EndState.LENGTH),
        ("#length=400", EndState.LENGTH),
        ("#refuse", EndState.REFUSED),
        ("#error=20", EndState.FAILED),
        ("#error=0", EndState.FAILED),
        ("#length=999999", EndState.COMPLETE),
        ("#error=999999", EndState.COMPLETE),
    ],
)
def test_our_codec_reads_the_end(dialect, knob, state):
    verdict = told(dialect, f"hello {knob}").verdict
    assert isinstance(verdict, Verdict)
    assert verdict.state is state


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_error_comes_right_after_event_n(dialect):
    events = played(dialect, "hello #error=20")
    assert len(events) == 21
    assert "error" in json.loads(events[-1][1])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_limit_comes_right_after_event_n(dialect):
    whole, short = played(dialect, "hello #length=30"), played(dialect, "hello #length=31")
    assert short[:30] == whole[:30]
    assert len(short) == len(whole) + 1


def test_chat_chunks_have_the_official_shape():
    events = [data for _, data in played("openai-chat", "hello")]
    assert events[-1] == "[DONE]"
    first, *_, finish, usage = [json.loads(data) for data in events[:-1]]
    assert {name for name, _ in played("openai-chat", "hello")} == {""}
    assert first["object"] == "chat.completion.chunk"
    assert first["choices"][0] == {
        "index": 0,
        "delta": {"role": "assistant", "content": ""},
        "logprobs": None,
        "finish_reason": None,
    }
    assert first["usage"] is None
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


def test_usage_comes_only_if_asked_for():
    events = played("openai-chat", "hello", stream_options={"include_usage": False})
    assert not any("usage" in data for _, data in events[-3:])


def test_messages_have_the_official_order():
    names = [name for name, _ in played("anthropic", "hello")]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    types = [json.loads(data) for name, data in played("anthropic", "hello") if "block" in name]
    kinds = [one["delta"]["type"] for one in types if "delta" in one]
    assert list(dict.fromkeys(kinds)) == ["thinking_delta", "signature_delta", "text_delta"]
    assert kinds.count("signature_delta") == 1
    assert [one["index"] for one in types] == sorted(one["index"] for one in types)
    assert all(json.loads(data)["type"] == name for name, data in played("anthropic", "hello"))


def test_messages_cut_by_the_limit_close_the_open_block():
    names = [name for name, _ in played("anthropic", "hello #length=20")]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert names.count("content_block_start") == names.count("content_block_stop") == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_usage_grows_with_the_answer(dialect):
    usages = [told(dialect, f"hello #length={events}").usage for events in (50, 100)]
    assert all(isinstance(usage, Usage) for usage in usages)
    assert usages[1].output - usages[0].output == 50


def test_content_may_come_in_parts():
    parts = [{"type": "text", "text": "nginx"}, {"type": "image_url", "image_url": {"url": "x"}}]
    body = request("", messages=[{"role": "user", "content": parts}])
    assert parse(json.dumps(body).encode()).prompts == ["nginx"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"x"}',
        b'{"model":"x","messages":[]}',
        b'{"model":3,"messages":[{"role":"user"}]}',
        b'{"model":"","messages":[{"role":"user"}]}',
        b'{"model":"x","messages":[{"role":"user","content":7}]}',
        b'{"model":"x","messages":[{"role":"user","content":"\\ud800"}]}',
    ],
)
def test_a_body_that_is_no_request_is_named_as_such(body):
    with pytest.raises(BadRequest):
        parse(body)
