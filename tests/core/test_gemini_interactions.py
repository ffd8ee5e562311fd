from __future__ import annotations

import json
from typing import Any

import pytest

from core.fixtures.gemini_steps import (
    DONE,
    NAME,
    completed,
    created,
    delta,
    said,
    sent,
    start,
    stop,
    text,
    told,
    updated,
)
from core.fixtures.streams import body, cuts, event, frames, read, reply, seen
from ssechat.core.conversation import Thought
from ssechat.core.deltas import (
    About,
    Citation,
    Delta,
    EndState,
    Kept,
    Media,
    MediaKind,
    Seal,
    Text,
    Thinking,
    Tool,
    Usage,
    Verdict,
    Whole,
)
from ssechat.core.dialects import dialect
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.reply import PartKind

STREAMS = ["gemini_interactions_text", "gemini_interactions_tools"]
ASKS = Verdict(EndState.COMPLETE, "asks for a tool")


# Whole streams


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_means_the_same_wherever_its_bytes_are_cut(stream: str) -> None:
    whole = body(stream)
    expected = seen(read(NAME, [whole]))
    for chunks in cuts(whole):
        assert seen(read(NAME, chunks)) == expected


def test_thinking_text_usage_and_end() -> None:
    folded = read(NAME, [body("gemini_interactions_text")])
    assert (folded.thinking, folded.answer) == ("**First** this.", "Grüße 👋!")
    assert folded.thoughts == [Thought("**First** this.", "EpoGCpcG+/==")]
    assert folded.usage == Usage(6, 15, 11)
    assert folded.about == About("gemini-x", "v1_Chd")
    assert folded.verdict == Verdict(EndState.COMPLETE)


def test_calls_of_the_server_and_for_us() -> None:
    folded = read(NAME, [body("gemini_interactions_tools")])
    assert [(part.kind, part.name, json.loads(part.text)) for part in folded.parts] == [
        (PartKind.TOOL, "google_search", {"queries": ["peak"]}),
        (PartKind.TOOL, "weather", {"city": "Köln"}),
    ]
    assert folded.verdict == ASKS


def test_every_event_but_the_end_mark_names_itself() -> None:
    named = map(dialect(NAME).event_id, frames([body("gemini_interactions_text")], "[DONE]"))
    assert list(named) == [*(f"e{number}/+=" for number in range(1, 11)), ""]


# Ids


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ('{"event_id":"a b/+=é"}', "a b/+=é"),
        (
            '{"delta":{"event_id":"inner","text":"\\"event_id\\":\\"said\\""},"event_id":"own"}',
            "own",
        ),
        ('{"delta":{"text":"\\ud83d"},"event_id":"beside half a pair"}', "beside half a pair"),
        ('{"delta":{"event_id":"inner"}}', ""),
        ('{"event_id":"\\ud83d"}', ""),
        ('{"event_id":"a\\nb"}', ""),
        ('{"event_id":5}', ""),
        (f'{{"event_id":"{"x" * 8192}"}}', "x" * 8192),
        (f'{{"event_id":"{"x" * 8193}"}}', ""),
        ('{"a":' * 5000, ""),
        ("[]", ""),
        ("[DONE]", ""),
        ('{"event_id":"cut', ""),
        ("", ""),
    ],
)
def test_the_events_own_id(data: str, name: str) -> None:
    assert dialect(NAME).event_id(event(data)) == name


def test_the_server_says_that_it_keeps_the_answer() -> None:
    assert told(created(model="models/m"), updated("in_progress")) == [
        About("m", "v1_a"),
        Kept("v1_a"),
    ]
    assert told(updated("queued")) == [About("", "v1_a"), Kept("v1_a")]


def test_an_agent_answers_by_its_name() -> None:
    assert told(created(agent="deep")) == [About("deep", "v1_a"), Kept("v1_a")]


@pytest.mark.parametrize(
    "frame", [created(""), created(5), created("x" * 8193), created("a\x1b"), created(None)]
)
def test_nothing_is_kept_under_no_name(frame: Frame) -> None:
    assert told(frame) == []


def test_what_is_not_stored_is_not_kept() -> None:
    assert told(created(store=False)) == [About("", "v1_a")]


# Ends


@pytest.mark.parametrize(
    ("status", "state", "note"),
    [
        ("completed", EndState.COMPLETE, ""),
        ("requires_action", EndState.COMPLETE, "asks for a tool"),
        ("incomplete", EndState.LENGTH, ""),
        ("budget_exceeded", EndState.LENGTH, "the budget is used up"),
        ("requires_continuation", EndState.LENGTH, "the server wants to be asked to go on"),
        ("cancelled", EndState.STOPPED, "cancelled at the server"),
        ("failed", EndState.FAILED, "the server reports an error"),
    ],
)
def test_a_status_that_ends_may_be_told_before_the_last_event(
    status: str, state: EndState, note: str
) -> None:
    early, late = Verdict(state, note, last=False), Verdict(state, note)
    assert verdicts(updated(status)) == [early]
    assert verdicts(updated(status), completed(status), said("b")) == [early, late]
    assert verdicts(updated(status), DONE, said("b")) == [early, late]
    assert verdicts(sent(f"interaction.{status}", interaction={"id": "v1_a"})) == [late]


def verdicts(*events: Frame) -> list[Delta]:
    return [one for one in told(*events) if not isinstance(one, About | Kept)]


@pytest.mark.parametrize("status", ["in_progress", "queued", "new", None, 5])
def test_any_other_status_is_no_end(status: Any) -> None:
    assert verdicts(updated(status), said("b")) == [Text("b")]


@pytest.mark.parametrize("status", ["in_progress", "queued"])
def test_a_last_event_that_says_that_work_goes_on_is_no_end(status: str) -> None:
    assert told(completed(status), DONE) == []


@pytest.mark.parametrize(
    ("status", "note"), [(None, ""), ("completed", ""), ("new\x1b\nstatus", "new status")]
)
def test_a_last_event_with_an_unknown_status_completes(status: Any, note: str) -> None:
    assert told(completed(status)) == [Verdict(EndState.COMPLETE, note)]


def test_the_end_mark_alone_is_no_end() -> None:
    assert told(said("a"), DONE) == [Text("a")]


def test_a_failure_says_why() -> None:
    why = [{"code": "x", "message": "It\nbroke."}, {"message": "second"}]
    assert told(completed("failed", errors=why)) == [Verdict(EndState.FAILED, "It broke.")]
    assert told(completed("failed", error={"message": "One."})) == [
        Verdict(EndState.FAILED, "One.")
    ]


@pytest.mark.parametrize(
    "failure",
    [
        sent("error", error={"code": "internal", "message": "a\nb"}),
        event('{"error":{"code":500,"message":"a b"}}'),
        event('{"error":{"code":503,"message":"a b"}}', "error"),
        sent("error", code="gateway_timeout", message="a b"),
    ],
)
def test_an_error_fails_a_stream_that_nobody_keeps(failure: Frame) -> None:
    assert told(said("a"), failure, said("b")) == [Text("a"), Verdict(EndState.FAILED, "a b")]


@pytest.mark.parametrize(
    "failure",
    [
        sent("error", error={"code": "gateway_timeout", "message": "Deadline expired."}),
        sent("error", error={"code": 504, "status": "DEADLINE_EXCEEDED"}),
        event('{"error":{"code":503,"message":"Overloaded.","status":"UNAVAILABLE"}}', "error"),
    ],
)
def test_a_timeout_is_no_end_of_an_answer_that_is_kept(failure: Frame) -> None:
    assert verdicts(created(), said("a"), failure, said("b")) == [Text("a"), Text("b")]


def test_any_other_error_fails_an_answer_that_is_kept() -> None:
    failure = sent("error", error={"code": "invalid_request", "message": "No."})
    assert verdicts(created(), failure) == [Verdict(EndState.FAILED, "No.")]


@pytest.mark.parametrize("name", ["message", "step.delta", "interaction.completed"])
def test_an_event_that_is_cut_off_says_nothing(name: str) -> None:
    assert told(said("a"), event('{"delta":{"text":"b', name), said("c")) == [Text("a"), Text("c")]


def test_the_final_text_heals_and_its_end_alone_does_not() -> None:
    whole = [{"type": "model_output", "content": [text("ab"), text("cd")]}]
    assert told(said("ab"), completed(steps=whole))[1:] == [
        Whole("abcd"),
        Verdict(EndState.COMPLETE),
    ]
    assert told(said("abcde"), completed(steps=whole))[1:] == [Verdict(EndState.COMPLETE)]


# What an event is


def test_the_type_in_the_data_decides_over_the_events_name() -> None:
    assert told(event('{"event_type":"ping"}', "interaction.completed")) == []
    named = event('{"index":1,"delta":{"type":"text","text":"a"}}', "step.delta")
    assert told(named) == [Text("a")]


@pytest.mark.parametrize(
    "frame",
    [
        sent("ping"),
        event("", "step.delta"),
        event("null"),
        event("[]"),
        event('{"event_type":5}'),
        sent("step.start", index=0, step=[]),
        sent("step.delta", index=0, delta="x"),
        start(0, "user_input", content=[text("hi")]),
        start(0, "google_search_result", call_id="s"),
        delta(0, "google_search_result", result=[]),
        delta(0, "video", data="YQ==", mime_type="video/mp4"),
        delta(0, "thought_summary", content={"type": "image", "data": "YQ=="}),
        delta(0, "new", text="x"),
        stop(0),
        Frame(FrameKind.COMMENT, "keep-alive"),
    ],
)
def test_it_means_nothing(frame: Frame) -> None:
    assert told(said("a"), frame, said("b")) == [Text("a"), Text("b")]


# Steps


def test_a_signature_seals_its_thought_at_the_steps_stop() -> None:
    events = [
        start(0, "thought", signature=""),
        delta(0, "thought_summary", text="t"),
        delta(0, "thought_signature", signature="a=="),
    ]
    assert told(*events) == [Thinking("t")]
    assert told(*events, stop(0), stop(0)) == [Thinking("t"), Seal("a==")]
    assert told(start(0, "thought", signature="whole"), stop(0)) == [Seal("whole")]


def test_a_call_may_tell_its_arguments_at_once() -> None:
    call = start(2, "function_call", id="c", name="f", arguments={"a": 1})
    assert told(call, stop(2), stop(2)) == [Tool(2, "c", "f"), Tool(2, arguments='{"a": 1}')]
    fragment = delta(2, "arguments_delta", arguments='{"b":2}')
    assert told(call, fragment, stop(2)) == [Tool(2, "c", "f"), Tool(2, arguments='{"b":2}')]


def test_a_completed_answer_that_leaves_a_call_open_asks_for_a_tool() -> None:
    call = start(0, "function_call", id="c", name="f", arguments={})
    result = start(1, "function_result", call_id="c")
    search = start(2, "google_search_call", id="s")
    assert told(call, search, completed())[-1] == ASKS
    assert told(call, result, completed())[-1] == Verdict(EndState.COMPLETE)
    assert told(search, completed())[-1] == Verdict(EndState.COMPLETE)
    assert told(call, completed("incomplete"))[-1] == Verdict(EndState.LENGTH)


def test_steps_without_an_index_are_taken_in_order() -> None:
    events = [
        start(3, "function_call", id="c", name="f", arguments={}),
        sent("step.delta", delta={"type": "arguments_delta", "arguments": "{}"}),
    ]
    assert told(*events) == [Tool(3, "c", "f"), Tool(3, arguments="{}")]


def test_pictures_come_whole_and_sound_in_pieces() -> None:
    sound = {"mime_type": "audio/l16", "sample_rate": 24000, "channels": 1}
    assert told(
        delta(1, "image", data="YQ==", mime_type="image/jpeg"),
        delta(1, "image", uri="https://a.example/b.png"),
        delta(2, "audio", data="YWI=", **sound),
        delta(2, "audio", data="Y2Q=", mime_type="audio/l16;rate=8000"),
        delta(2, "audio", data="%"),
    ) == [
        Media(MediaKind.IMAGE, "1.0", b"a", "image/jpeg", whole=True),
        Media(MediaKind.IMAGE, "1.1", url="https://a.example/b.png", whole=True),
        Media(MediaKind.AUDIO, "2", b"ab", "audio/l16;rate=24000;channels=1"),
        Media(MediaKind.AUDIO, "2", b"cd", "audio/l16;rate=8000"),
    ]


def test_a_source_is_told_once() -> None:
    page = {"type": "url_citation", "url": "https://a.example", "title": "A"}
    place = {"type": "place_citation", "url": "https://b.example", "name": "B"}
    paper = {"type": "file_citation", "document_uri": "gs://c", "file_name": "C"}
    word = {"type": "word_info", "text": "w"}
    assert told(
        delta(1, "text", text="a", annotations=[page]),
        delta(1, "text_annotation_delta", annotations=[page, place, paper, word, 5]),
    ) == [
        Text("a"),
        Citation("A", "https://a.example"),
        Citation("B", "https://b.example"),
        Citation("C"),
    ]


# Usage


def test_counts_stand_in_several_places_and_the_output_counts_the_thoughts() -> None:
    counts = {"total_input_tokens": 5, "total_output_tokens": 2, "total_thought_tokens": 7}
    usage = Usage(5, 9, 7)
    assert told(stop(0, usage=counts, step_usage={"total_input_tokens": 1})) == [usage]
    assert told(delta(0, "new", metadata={}), stop(0, metadata={"total_usage": counts})) == [usage]
    assert told(completed(usage=counts)) == [usage, Verdict(EndState.COMPLETE)]


def test_only_the_counts_told_are_given() -> None:
    assert told(stop(0, usage={"total_input_tokens": 5, "total_tokens": 9})) == [Usage(5)]
    assert told(stop(0, usage={"total_thought_tokens": 7})) == [Usage(None, 7, 7)]
    assert told(stop(0, usage={"total_tokens": 9, "total_output_tokens": "2"})) == []


def test_a_later_count_replaces_the_earlier_one() -> None:
    counts = [stop(0, usage={"total_output_tokens": number}) for number in (1, 9)]
    assert reply(told(*counts)).usage == Usage(output=9)
