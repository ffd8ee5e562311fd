from __future__ import annotations

import json
from typing import Any

import pytest

from core.fixtures.messages import NAME, STOP, block, delta, ends, said, sent, stopped, told
from core.fixtures.streams import body, cuts, event, read, reply, seen
from ssechat.core.conversation import Prompt, Role, Thought, Turn
from ssechat.core.deltas import (
    About,
    EndState,
    Seal,
    Text,
    Thinking,
    Tool,
    Usage,
    Verdict,
)
from ssechat.core.dialects import anthropic, dialect
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.reply import PartKind

STREAMS = [
    "anthropic_error",
    "anthropic_started_blocks",
    "anthropic_text",
    "anthropic_thinking",
    "anthropic_tool",
    "llamacpp_messages",
]


# Whole streams


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_means_the_same_wherever_its_bytes_are_cut(stream: str) -> None:
    whole = body(stream)
    expected = seen(read(NAME, [whole]))
    for chunks in cuts(whole):
        assert seen(read(NAME, chunks)) == expected


def test_text_usage_and_end() -> None:
    folded = read(NAME, [body("anthropic_text")])
    assert folded.answer == "Grüße 👋!"
    assert folded.usage == Usage(13, 15)
    assert folded.about == About("claude-x", "msg_1")
    assert folded.verdict == Verdict(EndState.COMPLETE)


def test_llamacpp_as_captured() -> None:
    folded = read(NAME, [body("llamacpp_messages")])
    assert folded.answer == "Say hello mendatanguser"
    assert folded.usage == Usage(11, 4)
    assert folded.verdict == Verdict(EndState.LENGTH)


def test_thinking_is_sealed_and_redacted_thinking_is_kept() -> None:
    folded = read(NAME, [body("anthropic_thinking")])
    assert (folded.thinking, folded.answer) == ("First this.", "Done.")
    assert folded.thoughts == [
        Thought("First this.", "EqQBCgIYAhIM1gbcDa9GJwZA=="),
        Thought(redacted="EmwKAhgBEgy3va=="),
    ]


def test_a_tool_call_after_text() -> None:
    folded = read(NAME, [body("anthropic_tool")])
    assert [(part.kind, part.name, part.text) for part in folded.parts] == [
        (PartKind.TEXT, "", "I look."),
        (PartKind.TOOL, "weather", '{"city": "Köln"}'),
    ]
    assert folded.verdict == Verdict(EndState.COMPLETE, "asks for a tool")


def test_an_error_fails_the_stream_and_keeps_the_text() -> None:
    folded = read(NAME, [body("anthropic_error")])
    assert folded.answer == "Half"
    assert folded.verdict == Verdict(EndState.FAILED, "overloaded_error: Overloaded")


def test_what_a_block_starts_with_counts() -> None:
    folded = read(NAME, [body("anthropic_started_blocks")])
    assert folded.answer == "Begun, ended."
    assert folded.thoughts == [Thought("Whole thought.", "c2ln")]
    assert folded.verdict == Verdict(EndState.REFUSED, "It could do harm.")


def test_the_end_mark_counts_without_its_blank_line() -> None:
    whole = body("anthropic_text").rstrip(b"\n")
    assert read(NAME, [whole]).verdict == Verdict(EndState.COMPLETE)


# Ends


@pytest.mark.parametrize(
    ("reason", "state", "note"),
    [
        ("end_turn", EndState.COMPLETE, ""),
        ("stop_sequence", EndState.COMPLETE, ""),
        ("max_tokens", EndState.LENGTH, ""),
        ("model_context_window_exceeded", EndState.LENGTH, "the context window is full"),
        ("refusal", EndState.REFUSED, ""),
        ("tool_use", EndState.COMPLETE, "asks for a tool"),
        ("pause_turn", EndState.LENGTH, "the server paused its turn; F6 goes on"),
        ("new\x1b\nreason", EndState.COMPLETE, "new reason"),
        (None, EndState.COMPLETE, "no stop_reason"),
        ({}, EndState.COMPLETE, "no stop_reason"),
    ],
)
def test_message_stop_ends_with_the_reason_told_before(
    reason: Any, state: EndState, note: str
) -> None:
    assert told(said("a"), ends(reason)) == [Text("a")]
    assert told(said("a"), ends(reason), STOP) == [Text("a"), Verdict(state, note)]


def test_the_last_stop_reason_wins_and_null_is_none() -> None:
    assert told(ends("end_turn"), ends("max_tokens"), ends(None), STOP) == [
        Verdict(EndState.LENGTH)
    ]


def test_nothing_counts_after_message_stop() -> None:
    assert told(STOP, said("a"), STOP, sent("error", error={"type": "x"})) == [
        Verdict(EndState.COMPLETE, "no stop_reason")
    ]


def test_a_refusal_without_an_explanation_names_its_category() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    assert told(ends("refusal", stop_details=details), STOP) == [Verdict(EndState.REFUSED, "cyber")]


@pytest.mark.parametrize(
    ("failure", "note"),
    [
        (sent("error", error={"type": "api_error", "message": "a\nb"}), "api_error: a b"),
        (event('{"error":{"message":"by name"}}', "error"), "by name"),
        (event('{"error":{"message":"by field"}}'), "by field"),
        (event('{"error":"text"}', "error"), "text"),
        (sent("error", error={"type": "new_error", "message": "m"}), "new_error: m"),
        (event('{"type":"error","error":{}}'), "error"),
        (event("not json", "error"), "not json"),
        (event("[]", "error"), "the server reports an error"),
    ],
)
def test_an_error_in_any_shape_fails_the_stream(failure: Frame, note: str) -> None:
    assert told(said("a"), failure, said("b"), STOP) == [Text("a"), Verdict(EndState.FAILED, note)]


@pytest.mark.parametrize("name", ["message", "content_block_delta", "message_stop"])
def test_a_known_event_that_is_not_json_fails_the_stream(name: str) -> None:
    note = "the server sent an event that is not JSON: {x"
    assert told(event("{x", name)) == [Verdict(EndState.FAILED, note)]


# What an event is


def test_the_type_in_the_data_decides_over_the_events_name() -> None:
    assert told(event('{"type":"message_stop"}', "ping")) == [
        Verdict(EndState.COMPLETE, "no stop_reason")
    ]
    assert told(event('{"type":"ping"}', "message_stop")) == []


def test_the_events_name_decides_where_the_data_has_no_type() -> None:
    named = event('{"delta":{"type":"text_delta","text":"a"}}', "content_block_delta")
    assert told(named) == [Text("a")]


@pytest.mark.parametrize(
    "frame",
    [
        sent("ping"),
        event("", "message_stop"),
        event("pong", "ping"),
        event("null"),
        event("[]"),
        event('{"type":5}'),
        sent("thread_created", thread={"id": "x"}),
        sent("content_block_delta", index=0, delta={"type": "compaction_delta", "text": "x"}),
        sent("content_block_start", index=0, content_block={"type": "container_upload"}),
        sent("content_block_start", index=0, content_block={"type": "compaction", "content": "x"}),
        sent("content_block_stop", index=0),
        sent("message_start", message=[]),
        Frame(FrameKind.COMMENT, "keep-alive"),
        Frame(FrameKind.MARK, "{", "resumed"),
    ],
)
def test_it_means_nothing(frame: Frame) -> None:
    assert told(said("a"), frame, said("b")) == [Text("a"), Text("b")]


# Blocks


def test_a_signature_seals_its_block_at_the_blocks_stop() -> None:
    events = [
        block(0, "thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="t"),
        delta(0, "signature_delta", signature="a="),
        delta(0, "signature_delta", signature="b="),
    ]
    assert told(*events) == [Thinking("t")]
    assert told(*events, stopped(0)) == [Thinking("t"), Seal("a=b=")]


def test_thinking_without_a_signature_is_not_sealed() -> None:
    unsigned = (block(0, "thinking", thinking="t", signature=""), stopped(0))
    assert told(*unsigned) == [Thinking("t")]


def test_omitted_thinking_is_sealed_all_the_same() -> None:
    omitted = (block(0, "thinking"), delta(0, "signature_delta", signature="s"), stopped(0))
    assert reply(told(*omitted)).thoughts == [Thought("", "s")]


def test_interleaved_thinking_keeps_each_seal_with_its_own_text() -> None:
    events = []
    for at, thought in ((0, "one"), (2, "two")):
        events += [
            block(at, "thinking"),
            delta(at, "thinking_delta", thinking=thought),
            delta(at, "signature_delta", signature=f"sig {thought}"),
            stopped(at),
            block(at + 1, "text", text=""),
            delta(at + 1, "text_delta", text=f"after {thought}"),
            stopped(at + 1),
        ]
    assert reply(told(*events)).thoughts == [Thought("one", "sig one"), Thought("two", "sig two")]


def test_blocks_without_an_index_are_taken_in_order() -> None:
    events = [
        sent("content_block_start", content_block={"type": "tool_use", "id": "t", "name": "f"}),
        sent("content_block_delta", delta={"type": "input_json_delta", "partial_json": "{}"}),
    ]
    assert told(*events) == [Tool(0, "t", "f"), Tool(0, arguments="{}")]


@pytest.mark.parametrize("kind", ["tool_use", "server_tool_use", "mcp_tool_use"])
def test_every_kind_of_tool_use_is_a_tool(kind: str) -> None:
    assert told(block(3, kind, id="i\x1b", name="n")) == [Tool(3, "i", "n")]


# Usage


def test_only_the_counts_told_are_given() -> None:
    usage = [sent("message_delta", usage=told_usage) for told_usage in ({"output_tokens": 7}, {})]
    assert told(*usage) == [Usage(output=7)]


def test_a_later_count_replaces_the_earlier_one() -> None:
    start = sent("message_start", message={"usage": {"input_tokens": 5, "output_tokens": 1}})
    later = sent("message_delta", usage={"output_tokens": 9})
    assert reply(told(start, later, later)).usage == Usage(5, 9)


def test_an_event_need_not_repeat_what_an_earlier_one_counted() -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 1000, "output_tokens": 1}
    start = sent("message_start", message={"usage": usage})
    assert told(start, sent("message_delta", usage={"output_tokens": 9})) == [
        Usage(1003, 1),
        Usage(1003, 9),
    ]
    assert told(start, sent("message_delta", usage={"input_tokens": 4}))[-1] == Usage(1004, 1)


def test_the_tokens_of_thinking_are_told() -> None:
    usage = {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 5}}
    assert told(sent("message_delta", usage=usage)) == [Usage(output=9, reasoning=5)]


def test_cached_input_counts_as_input() -> None:
    usage = {"input_tokens": 1, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 300}
    assert told(sent("message_delta", usage=usage)) == [Usage(321)]


# Requests


def request(*turns: Turn, **params: Any) -> dict[str, Any]:
    fields = json.loads(anthropic.request(Prompt(turns, "m", params)).body)
    assert isinstance(fields, dict)
    return fields


def test_the_request_holds_the_path_with_the_system_prompt_apart() -> None:
    turns = (Turn(Role.SYSTEM, "be kind"), Turn(Role.USER, "hi"), Turn(Role.ASSISTANT, "ho"))
    assert request(*turns) == {
        "model": "m",
        "max_tokens": 4096,
        "system": "be kind",
        "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}],
        "stream": True,
    }


def test_the_request_names_its_version_and_path() -> None:
    call = anthropic.request(Prompt((Turn(Role.USER, "hi"),), "m"))
    assert (call.method, call.path) == ("POST", "v1/messages")
    assert call.headers == {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
    }


def test_no_system_prompt_is_sent_where_there_is_none() -> None:
    assert "system" not in request(Turn(Role.USER, "hi"))


def test_sealed_thoughts_go_back_first_byte_for_byte_and_unsealed_ones_stay() -> None:
    thoughts = (
        Thought("tho\nught é", "EqQB+/=="),
        Thought(redacted="EmwK+/=="),
        Thought("never sealed"),
    )
    (message,) = request(Turn(Role.ASSISTANT, "answer", thoughts))["messages"]
    assert message["content"] == [
        {"type": "thinking", "thinking": "tho\nught é", "signature": "EqQB+/=="},
        {"type": "redacted_thinking", "data": "EmwK+/=="},
        {"type": "text", "text": "answer"},
    ]


def test_params_win() -> None:
    fields = request(Turn(Role.USER, "hi"), max_tokens=7, thinking={"type": "adaptive"})
    assert fields["max_tokens"] == 7
    assert fields["thinking"] == {"type": "adaptive"}


def test_the_key_goes_into_its_header() -> None:
    assert anthropic.auth("sk-1") == {"x-api-key": "sk-1"}


def test_the_dialect_is_found_by_its_name() -> None:
    assert dialect(NAME).MODELS_PATH == "v1/models"
    assert dialect(NAME).models(b'{"data":[{"type":"model","id":"a"}]}') == ["a"]


def test_the_message_in_an_error_body() -> None:
    answer = b'{"type":"error","error":{"type":"not_found_error","message":"model: x"}}'
    assert dialect(NAME).error_text(answer) == "model: x"
