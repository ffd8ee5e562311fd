from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.fixtures.hostile import JSON, check, nested
from core.fixtures.ollama import body, done, line, message, read, said, told
from core.fixtures.streams import cuts, event, reply, seen, spoken
from ssechat.core.conversation import Prompt, Role, Thought, Turn
from ssechat.core.deltas import About, EndState, Text, Thinking, Tool, Usage, Verdict
from ssechat.core.dialects import dialect, ollama
from ssechat.core.dialects._plain import Framing
from ssechat.core.frames import Frame
from ssechat.core.reply import PartKind

COMPLETE = Verdict(EndState.COMPLETE)


def verdict(*events: Frame) -> Verdict | None:
    return reply(told(*events)).verdict


# Whole streams


@pytest.mark.parametrize("stream", ["ollama_plain", "ollama_thinking", "ollama_tools"])
def test_a_stream_means_the_same_wherever_its_bytes_are_cut(stream: str) -> None:
    whole = body(stream)
    expected = seen(read([whole]))
    for chunks in cuts(whole):
        assert seen(read(chunks)) == expected


def test_text_usage_model_and_end() -> None:
    folded = read([body("ollama_plain")])
    assert folded.answer == "Grüße, 傅里叶 👋"
    assert folded.usage == Usage(26, 5)
    assert folded.about == About("gemma3:4b")
    assert folded.verdict == COMPLETE


def test_thinking_is_told_apart_and_a_tag_after_it_is_text() -> None:
    folded = read([body("ollama_thinking")])
    assert [part.kind for part in folded.parts] == [PartKind.THINKING, PartKind.TEXT]
    assert (folded.thinking, folded.answer) == ("Is 1 < 2? Yes.", "Yes, `<think>` is a tag.")
    assert folded.verdict == Verdict(EndState.LENGTH)


def test_tool_calls_come_whole_and_each_is_a_new_one() -> None:
    folded = read([body("ollama_tools")])
    assert [(part.name, part.text) for part in folded.parts] == [
        ("weather", '{"city": "Köln", "days": 2}'),
        ("time", "{}"),
    ]
    assert folded.verdict == Verdict(EndState.COMPLETE, "asks for a tool")


def test_a_last_line_without_its_lf_counts_and_half_of_it_is_a_cut() -> None:
    whole = body("ollama_plain")
    assert read([whole[:-1]]).verdict == COMPLETE
    assert read([whole[:-2]]).verdict is None


# Meaning


def test_think_tags_in_the_content_are_split_off() -> None:
    pieces = [said(piece) for piece in ("<thi", "nk>\nhm</th", "ink>\n\nYes", ".")]
    assert spoken(told(*pieces, done())) == [(Thinking, -1, "hm"), (Text, -1, "Yes.")]


def test_what_could_have_been_a_tag_is_told_before_the_end() -> None:
    assert told(said("<th"), done()) == [About("m"), Text("<th"), COMPLETE]
    assert told(said("<th")) == [About("m"), Text("<th")]


def test_content_and_thinking_of_the_last_line_count() -> None:
    last = line(message={"content": "b", "thinking": "a"}, done=True, done_reason="stop")
    assert told(last) == [Thinking("a"), Text("b"), COMPLETE]


def test_arguments_in_a_string_stay_as_they_are() -> None:
    call = {"id": "c1", "function": {"name": "f", "arguments": '{"a":1}'}}
    assert told(message(tool_calls=[call]))[1:] == [Tool(0, "c1", "f", '{"a":1}')]


# Ends


@pytest.mark.parametrize(
    ("reason", "state", "note"),
    [
        ("stop", EndState.COMPLETE, ""),
        ("length", EndState.LENGTH, ""),
        ("load", EndState.COMPLETE, "load"),
        (None, EndState.COMPLETE, "no done_reason"),
        (7, EndState.COMPLETE, "no done_reason"),
        ("odd\x1b[2J\nend", EndState.COMPLETE, "odd [2J end"),
        ("x" * 1000, EndState.COMPLETE, "x" * 79 + "…"),
    ],
)
def test_the_done_reason_is_the_verdict(reason: Any, state: EndState, note: str) -> None:
    assert verdict(said("a"), done(reason)) == Verdict(state, note)


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        ("load", "the server loaded the model and gave no answer"),
        ("unload", "the server unloaded the model and gave no answer"),
    ],
)
def test_to_load_or_unload_the_model_is_no_answer(reason: str, note: str) -> None:
    assert verdict(said(""), done(reason)) == Verdict(EndState.FAILED, note)


def test_nothing_counts_after_done() -> None:
    assert told(said("a"), done(), said("b"), done("length")) == [About("m"), Text("a"), COMPLETE]


def test_usage_comes_before_the_verdict_and_may_be_missing_in_part() -> None:
    assert told(done(eval_count=5, prompt_eval_count=-1)) == [Usage(None, 5), COMPLETE]


@pytest.mark.parametrize("word", ["true", 1, None, [True]])
def test_only_true_is_done(word: Any) -> None:
    assert verdict(said("a"), line(done=word, done_reason="stop")) is None


@pytest.mark.parametrize(
    ("failure", "note"),
    [
        (line(error="an error was encountered"), "an error was encountered"),
        (line(error={"message": "bad\ngateway"}), "bad gateway"),
        (line(error=True), "the server reports an error"),
        (event("<html>"), "the server sent an event that is not JSON: <html>"),
    ],
)
def test_an_error_in_mid_stream_fails_it_for_good_and_keeps_the_text(
    failure: Frame, note: str
) -> None:
    *_, text, last = told(said("a<"), failure, said("b"), done())
    assert (text, last) == (Text("a<"), Verdict(EndState.FAILED, note))


def test_a_body_that_just_ends_has_no_verdict() -> None:
    assert verdict(said("a")) is None


# What means nothing


@pytest.mark.parametrize(
    "data",
    [
        "null",
        "5",
        '"text"',
        "[]",
        "{}",
        '{"message":null,"error":null,"done":false}',
        '{"message":{"role":"","content":""},"done":false,"load_progress":48}',
        '{"message":{"content":7,"thinking":[],"tool_calls":{}}}',
    ],
)
def test_it_means_nothing(data: str) -> None:
    assert told(said("a"), event(data), said("b"))[1:] == [Text("a"), Text("b")]


FIELDS = [
    (),
    *((name,) for name in ("model", "message", "done", "done_reason", "error", "eval_count")),
    ("error", "message"),
    *(("message", name) for name in ("content", "thinking", "tool_calls")),
    ("message", "tool_calls", 0),
    *(("message", "tool_calls", 0, "function", name) for name in ("name", "arguments")),
    ("message", "tool_calls", 0, "id"),
]


@given(st.lists(st.tuples(st.sampled_from(FIELDS), JSON), max_size=6))
def test_any_value_in_any_field_is_survived(splices: list[tuple[Any, Any]]) -> None:
    check(told(*[event(json.dumps(nested(path, value))) for path, value in splices], done()))


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_as_a_line_are_survived(data: list[bytes]) -> None:
    check(told(*[event(piece.decode("utf-8", "replace")) for piece in data]))


@pytest.mark.parametrize(
    "arguments", ["[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, "1e999", '"\\ud83d"']
)
def test_extreme_arguments_are_survived(arguments: str) -> None:
    call = '{"message":{"tool_calls":[{"function":{"name":"f","arguments":' + arguments + "}}]}}"
    check(told(event(call), done()))


# Requests


PROMPT = Prompt(
    (
        Turn(Role.SYSTEM, "be kind"),
        Turn(Role.USER, "hi \ud83d"),
        Turn(Role.ASSISTANT, "ho", (Thought("secret", "sig"),)),
        Turn(Role.USER, "go on"),
    ),
    "gemma3:4b",
    {"think": False, "options": {"num_ctx": 8192}, "model": "other"},
)


def test_the_request_holds_the_path_and_params_win() -> None:
    call = ollama.request(PROMPT)
    assert (call.method, call.path) == ("POST", "api/chat")
    assert call.headers == {"content-type": "application/json"}
    assert json.loads(call.body) == {
        "model": "other",
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "hi \ufffd"},
            {"role": "assistant", "content": "ho"},
            {"role": "user", "content": "go on"},
        ],
        "stream": True,
        "think": False,
        "options": {"num_ctx": 8192},
    }


def test_a_cut_answer_is_continued_by_prefill() -> None:
    going_on = ollama.continuation(PROMPT, "Half an", "")
    assert going_on is not None
    assert (going_on.how, going_on.trim) == ("prefill", False)
    *_, last = json.loads(going_on.call.body)["messages"]
    assert last == {"role": "assistant", "content": "Half an"}


def test_the_key_goes_into_the_authorization_header() -> None:
    assert ollama.auth("k") == {"Authorization": "Bearer k"}


def test_the_models_are_those_that_are_pulled() -> None:
    tags = b'{"models":[{"name":"qwen3:4b","model":"qwen3:4b"},{"name":"b"},{"name":7},{}]}'
    assert ollama.models(tags) == ["qwen3:4b", "b"]
    assert ollama.models(b"Ollama is running") == []


def test_the_message_of_an_error_body() -> None:
    assert ollama.error_text(b'{"error":"model \\"x\\" not found"}') == 'model "x" not found'


def test_the_dialect_is_found_by_its_name() -> None:
    codec = dialect("ollama")
    assert (codec.FRAMING, codec.MODELS_PATH) == (Framing.NDJSON, "api/tags")
    assert (codec.END_MARK, codec.SCHEME) == ("", "")
