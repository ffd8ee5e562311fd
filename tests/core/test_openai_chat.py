from __future__ import annotations

import json
from typing import Any

import pytest

from core.fixtures.chat import DONE, NAME, called, chunk, said, told
from core.fixtures.streams import body, cuts, event, read, reply, seen
from ssechat.core.conversation import Prompt, Role, Thought, Turn
from ssechat.core.deltas import About, EndState, Text, Usage, Verdict
from ssechat.core.dialects import dialect, openai_chat
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.reply import PartKind

STREAMS = [
    "openai_plain",
    "openai_surrogates",
    "openai_tools",
    "openrouter_error",
    "llamacpp_chat",
    "llamacpp_reasoning",
    "think_tags",
    "vllm_reasoning",
]


def verdict(*events: Frame) -> Verdict | None:
    return reply(told(*events)).verdict


# Whole streams


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_means_the_same_wherever_its_bytes_are_cut(stream: str) -> None:
    whole = body(stream)
    expected = seen(read(NAME, [whole]))
    for chunks in cuts(whole):
        assert seen(read(NAME, chunks)) == expected


def test_openai_text_usage_and_end() -> None:
    folded = read(NAME, [body("openai_plain")])
    assert folded.answer == "Grüße, 傅里叶 👋"
    assert folded.usage == Usage(9, 12, 0)
    assert folded.about == About("gpt-x", "chatcmpl-1")
    assert folded.verdict == Verdict(EndState.COMPLETE)


def test_llamacpp_as_captured() -> None:
    folded = read(NAME, [body("llamacpp_chat")])
    assert folded.answer == "Say Hi vuonna\n"
    assert folded.usage == Usage(11, 4)
    assert folded.about.model == "gemma-3-270m"
    assert folded.verdict == Verdict(EndState.LENGTH)


@pytest.mark.parametrize(
    ("stream", "thinking", "answer"),
    [
        ("llamacpp_reasoning", "The user greets.", "Hello!"),
        ("vllm_reasoning", "2 plus 2 is 4.", "\n\nFour."),
        ("think_tags", "Is 1 < 2? Yes.\n", "Yes, `<think>` is a tag."),
    ],
)
def test_thinking_is_told_apart_from_the_answer(stream: str, thinking: str, answer: str) -> None:
    folded = read(NAME, [body(stream)])
    assert [part.kind for part in folded.parts] == [PartKind.THINKING, PartKind.TEXT]
    assert (folded.thinking, folded.answer) == (thinking, answer)
    assert folded.verdict == Verdict(EndState.COMPLETE)


def test_openrouters_error_fails_the_stream_and_keeps_the_text() -> None:
    folded = read(NAME, [body("openrouter_error")])
    assert folded.thinking == "Let me"
    assert folded.answer == "Half an answer"
    assert folded.verdict == Verdict(EndState.FAILED, "Provider disconnected unexpectedly")


def test_interleaved_tool_calls_are_put_together() -> None:
    folded = read(NAME, [body("openai_tools")])
    assert [(part.name, part.text) for part in folded.parts] == [
        ("weather", '{"city":"Köln"}'),
        ("time", "{}"),
    ]
    assert folded.verdict == Verdict(EndState.COMPLETE, "asks for a tool")
    assert folded.usage.reasoning == 3


def test_surrogate_halves_join_across_deltas_and_lone_ones_are_replaced() -> None:
    assert read(NAME, [body("openai_surrogates")]).answer == "A wave: 👋 and half: \ufffd."


# Ends


@pytest.mark.parametrize(
    ("reason", "state", "note"),
    [
        ("stop", EndState.COMPLETE, ""),
        ("length", EndState.LENGTH, ""),
        ("model_length", EndState.LENGTH, ""),
        ("content_filter", EndState.REFUSED, "content filter"),
        ("tool_calls", EndState.COMPLETE, "asks for a tool"),
        ("function_call", EndState.COMPLETE, "asks for a tool"),
        ("error", EndState.FAILED, "the server reports an error"),
        ("abort", EndState.FAILED, "the server aborted the answer"),
        ("insufficient_system_resource", EndState.FAILED, "the server ran out of resources"),
        ("eos\x1b[2J\ntoken", EndState.COMPLETE, "eos [2J token"),
        ("x" * 1000, EndState.COMPLETE, "x" * 79 + "…"),
    ],
)
def test_a_finish_reason_is_a_verdict_that_done_makes_final(
    reason: str, state: EndState, note: str
) -> None:
    *_, first = told(said("a"), chunk(finish=reason))
    assert first == Verdict(state, note, last=False)
    assert verdict(said("a"), chunk(finish=reason), DONE) == Verdict(state, note)


def test_usage_may_follow_the_verdict() -> None:
    usage = event('{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}')
    assert told(said("a"), chunk(finish="stop"), usage, DONE) == [
        Text("a"),
        Verdict(EndState.COMPLETE, last=False),
        Usage(3, 5),
        Verdict(EndState.COMPLETE),
    ]


def test_no_verdict_before_every_choice_has_finished() -> None:
    both = {"choices": [{"index": 0, "finish_reason": "length"}, {"index": 1, "delta": {}}]}
    rest = {"choices": [{"index": 1, "finish_reason": "stop"}]}
    assert told(event(json.dumps(both))) == []
    assert told(event(json.dumps(both)), event(json.dumps(rest))) == [
        Verdict(EndState.LENGTH, last=False)
    ]


def test_only_the_first_choice_speaks() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "stop"}]}
    assert told(event(json.dumps(other)), said("yes")) == [Text("yes")]


def test_choices_without_an_index_are_taken_in_order() -> None:
    both = [{"delta": {"content": "a"}}, {"delta": {"content": "b"}, "finish_reason": "stop"}]
    assert told(event(json.dumps({"choices": both})), chunk(finish="stop")) == [
        Text("a"),
        Verdict(EndState.COMPLETE, last=False),
    ]


def test_a_choice_whose_index_is_no_number_is_the_first() -> None:
    one = {"index": "0", "delta": {"content": "a"}, "finish_reason": "stop"}
    assert told(event(json.dumps({"choices": [one]})))[0] == Text("a")


def test_a_whole_message_stands_for_deltas_but_does_not_repeat_them() -> None:
    whole = {"index": 0, "message": {"content": "all"}, "finish_reason": "stop"}
    body = event(json.dumps({"choices": [whole]}))
    assert reply(told(body)).answer == "all"
    assert reply(told(said("al"), said("l"), body)).answer == "all"
    first = event(json.dumps({"choices": [{**whole, "delta": {"content": "all"}}]}))
    assert reply(told(first)).answer == "all"


def test_done_alone_after_text_is_complete_with_a_note() -> None:
    assert verdict(said("a"), DONE) == Verdict(EndState.COMPLETE, "no finish_reason")
    assert verdict(said("<"), DONE) == Verdict(EndState.COMPLETE, "no finish_reason")


def test_done_after_nothing_is_a_failure() -> None:
    empty = Verdict(EndState.FAILED, "the server sent an empty answer")
    assert verdict(DONE) == empty
    assert verdict(chunk({"role": "assistant", "content": ""}), DONE) == empty


def test_a_body_that_just_ends_has_no_verdict() -> None:
    assert verdict(said("a")) is None


def test_a_refusal_is_text_and_refused() -> None:
    folded = reply(told(chunk({"refusal": "I can"}), chunk({"refusal": "not."}, "stop"), DONE))
    assert folded.answer == "I cannot."
    assert folded.verdict == Verdict(EndState.REFUSED)
    assert verdict(chunk({"refusal": "No."}), DONE) == Verdict(EndState.REFUSED)


def test_a_tool_call_that_stops_plainly_asks_for_a_tool_all_the_same() -> None:
    call = called(index=0, id="a", function={"name": "f"})
    asks = Verdict(EndState.COMPLETE, "asks for a tool")
    assert verdict(call, chunk(finish="stop"), DONE) == asks
    assert verdict(call, DONE) == asks


@pytest.mark.parametrize(
    ("failure", "note"),
    [
        (event('{"error":{"message":"Bad\\ngateway","code":502}}'), "Bad gateway"),
        (event('{"error":"out of memory"}'), "out of memory"),
        (event('{"error":{"type":"server_error"}}'), "server_error"),
        (event('{"error":{"code":500}}'), "the server reports error 500"),
        (event('{"error":{"code":"overloaded"}}'), "overloaded"),
        (event('{"error":{"code":null}}'), "the server reports an error"),
        (event('{"choices":[{"error":{"message":"in it"},"finish_reason":"error"}]}'), "in it"),
        (event('{"error":true,"message":"told beside it"}'), "told beside it"),
        (event('{"object":"error","message":"too long","code":400}'), "too long"),
        (event('{"message":"by name"}', "error"), "by name"),
        (event('{"error":{"message":"both"}}', "error"), "both"),
        (event('"a string"', "error"), "a string"),
        (event("Internal Server Error", "error"), "Internal Server Error"),
    ],
)
def test_an_error_in_mid_stream_fails_it_for_good(failure: Frame, note: str) -> None:
    assert told(said("a"), failure, said("b"), chunk(finish="stop"), DONE) == [
        Text("a"),
        Verdict(EndState.FAILED, note),
    ]


def test_text_in_the_chunk_of_an_error_is_kept() -> None:
    assert told(chunk({"content": "x"}, "error", error={"message": "no"})) == [
        Text("x"),
        Verdict(EndState.FAILED, "no"),
    ]


def test_an_error_field_that_is_null_or_empty_is_none() -> None:
    assert told(chunk({"content": "a"}, error=None), chunk({"content": "b"}, error={})) == [
        Text("a"),
        Text("b"),
    ]


def test_an_event_that_is_not_json_fails_the_stream_with_an_excerpt() -> None:
    damaged = event("<html>\n" + "x" * 500)
    *_, last = told(said("a"), damaged)
    assert isinstance(last, Verdict)
    assert last.state is EndState.FAILED
    opening, excerpt = last.note.split(": ", 1)
    assert opening == "the server sent an event that is not JSON"
    assert excerpt == "<html> " + "x" * 72 + "…"


def test_damage_after_the_finish_does_not_undo_it() -> None:
    assert verdict(said("a"), chunk(finish="stop"), event("{"), DONE) == Verdict(EndState.COMPLETE)


# What means nothing


@pytest.mark.parametrize(
    "frame",
    [
        event(""),
        event(" \n"),
        event("null"),
        event("5"),
        event('"text"'),
        event("[]"),
        event("{}"),
        event('{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}'),
        event('{"choices":null}'),
        event('{"choices":{"index":0}}'),
        event('{"choices":[{"index":0,"delta":{"content":null}}],"usage":null}'),
        event("still here", "ping"),
        Frame(FrameKind.COMMENT, "OPENROUTER PROCESSING"),
        Frame(FrameKind.CURSOR, id="7"),
        Frame(FrameKind.MARK, "{", "lost"),
    ],
)
def test_it_means_nothing(frame: Frame) -> None:
    assert told(said("a"), frame, said("b")) == [Text("a"), Text("b")]


# Counts and names


def test_counts_that_cannot_be_are_not_told() -> None:
    for wrong in (-1, 2**60, 1.5, True, "7", None, {}, float("inf")):
        usage = json.dumps({"usage": {"prompt_tokens": wrong, "completion_tokens": 2.0}})
        assert told(event(usage)) == [Usage(None, 2)]


def test_the_model_and_id_are_told_once_cleaned_and_bounded() -> None:
    first = chunk(model="m\x1b]0;x\x07", id="i" * 1000)
    assert told(first, chunk(model="other", id="other")) == [About("m ]0;x", "i" * 79 + "…")]


# Requests


def request(**params: Any) -> dict[str, Any]:
    turns = (
        Turn(Role.SYSTEM, "be kind"),
        Turn(Role.USER, "hi \ud83d"),
        Turn(Role.ASSISTANT, "ho", (Thought("secret", "sig"),)),
        Turn(Role.USER, "go on"),
    )
    fields = json.loads(openai_chat.request(Prompt(turns, "m", params)).body)
    assert isinstance(fields, dict)
    return fields


def test_the_request_holds_the_path_and_asks_for_usage_and_for_no_padding() -> None:
    call = openai_chat.request(Prompt((Turn(Role.USER, "hi"),), "m"))
    assert (call.method, call.path) == ("POST", "chat/completions")
    assert call.headers == {"content-type": "application/json"}
    assert request() == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "hi \ufffd"},
            {"role": "assistant", "content": "ho"},
            {"role": "user", "content": "go on"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
    }


def test_a_server_that_refuses_to_leave_padding_out_is_not_asked_to() -> None:
    call = openai_chat.request(Prompt((Turn(Role.USER, "hi"),), "m", {"seed": 1}))
    asked, humbler = json.loads(call.body), json.loads(call.fallback)
    assert asked.pop("stream_options") == {"include_usage": True, "include_obfuscation": False}
    assert humbler.pop("stream_options") == {"include_usage": True}
    assert asked == humbler


def test_stream_options_of_the_profile_are_sent_alone() -> None:
    options = {"stream_options": {"include_usage": False}}
    call = openai_chat.request(Prompt((Turn(Role.USER, "hi"),), "m", options))
    assert json.loads(call.body)["stream_options"] == {"include_usage": False}
    assert call.fallback == b""


def test_params_are_sent_as_they_are_and_win() -> None:
    fields = request(temperature=0.5, model="other", extra={"a": [1]}, stream_options=None)
    assert fields["temperature"] == 0.5
    assert fields["model"] == "other"
    assert fields["extra"] == {"a": [1]}
    assert "stream_options" not in fields


def test_the_key_goes_into_the_authorization_header() -> None:
    assert openai_chat.auth("sk-1") == {"Authorization": "Bearer sk-1"}


def test_the_dialect_is_found_by_its_name() -> None:
    assert dialect(NAME).END_MARK == "[DONE]"
    assert dialect(NAME).MODELS_PATH == "models"
