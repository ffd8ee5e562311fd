from __future__ import annotations

from typing import Any

import pytest

from core.fixtures.responses import (
    NAME,
    begins,
    calls,
    ends,
    held,
    message,
    reasoning,
    said,
    said_all,
    sent,
    thought,
    told,
)
from core.fixtures.streams import body, cuts, event, read, reply, seen
from ssechat.core.deltas import (
    About,
    Delta,
    EndState,
    Kept,
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

STREAMS = ["text", "tools", "vllm", "llamacpp", "image_failed"]
COMPLETE = Verdict(EndState.COMPLETE)


def verdict(*events: Frame) -> Verdict | None:
    return reply(told(*events)).verdict


def kept(*events: Frame) -> list[Delta]:
    return [delta for delta in told(*events) if isinstance(delta, Kept)]


# Whole streams


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_means_the_same_wherever_its_bytes_are_cut(stream: str) -> None:
    whole = body(f"responses_{stream}")
    expected = seen(read(NAME, [whole]))
    for chunks in cuts(whole):
        assert seen(read(NAME, chunks)) == expected


def test_thinking_text_usage_and_end() -> None:
    folded = read(NAME, [body("responses_text")])
    assert (folded.thinking, folded.answer) == ("Greet.\n\nBe kind.", "Grüße, 傅里叶 👋")
    assert folded.usage == Usage(9, 12, 4)
    assert folded.about == About("gpt-x", "resp_1")
    assert folded.verdict == COMPLETE


def test_a_search_a_source_and_a_call_around_text() -> None:
    folded = read(NAME, [body("responses_tools")])
    assert [(part.kind, part.name, part.text) for part in folded.parts] == [
        (PartKind.TOOL, "web_search_call", "Köln 天气"),
        (PartKind.TEXT, "", "I look."),
        (PartKind.SOURCES, "", "[1] Wetter — https://wetter.example/köln"),
        (PartKind.TOOL, "weather", '{"city":"Köln"}'),
    ]
    assert folded.verdict == Verdict(EndState.COMPLETE, "asks for a tool")


def test_vllms_raw_reasoning_and_its_completed_that_is_incomplete() -> None:
    folded = read(NAME, [body("responses_vllm")])
    assert (folded.thinking, folded.answer) == ("2 plus 2", "It is fo")
    assert folded.usage == Usage(11, 6, 3)
    assert folded.verdict == Verdict(EndState.LENGTH)


def test_llamacpps_events_without_numbers_and_indices() -> None:
    folded = read(NAME, [body("responses_llamacpp")])
    assert [(part.kind, part.name, part.text) for part in folded.parts] == [
        (PartKind.THINKING, "", "Two calls."),
        (PartKind.TEXT, "", "I ask."),
        (PartKind.TOOL, "weather", "{}"),
        (PartKind.TOOL, "time", "[]"),
    ]
    assert folded.about == About("gemma", "resp_l")
    assert folded.verdict == Verdict(EndState.COMPLETE, "asks for a tool")


def test_a_failure_keeps_what_came() -> None:
    folded = read(NAME, [body("responses_image_failed")])
    assert [part.kind for part in folded.parts] == [PartKind.IMAGE, PartKind.TEXT]
    assert folded.answer == "Half an ans"
    assert folded.verdict == Verdict(EndState.FAILED, "The model failed.")


# What the server says of itself


def test_an_answer_in_the_background_is_kept_with_its_stream() -> None:
    created = sent("created", response={"id": "resp_1", "background": True, "store": True})
    assert told(created) == [About(remote_id="resp_1"), Kept("resp_1", streams=True)]


def test_an_answer_that_is_only_stored_can_only_be_fetched() -> None:
    created = sent("created", response={"id": "resp_1", "background": False, "store": True})
    assert kept(created) == [Kept("resp_1", streams=False)]


@pytest.mark.parametrize(
    "response",
    [
        {"id": "resp_1"},
        {"id": "resp_1", "background": False, "store": False},
        {"id": "resp_1", "background": "true", "store": 1},
        {"background": True},
        {"id": "", "background": True},
        {"id": 5, "background": True},
        {"id": "a\nb", "background": True},
        {"id": "a\ud800", "background": True},
        {"id": "a" * 600, "background": True},
    ],
)
def test_nothing_is_kept_under_no_usable_name_or_unless_the_server_says_so(response: Any) -> None:
    assert kept(sent("created", response=response)) == []


def test_what_is_kept_is_said_once_by_whichever_event_names_it_first() -> None:
    response = held("in_progress", background=True)
    events = [said("a"), sent("queued", response={}), sent("in_progress", response=response)]
    assert kept(*events, sent("in_progress", response=response), ends(background=True)) == [
        Kept("resp_1")
    ]


# Ends


@pytest.mark.parametrize(
    ("end", "state", "note"),
    [
        (ends(), EndState.COMPLETE, ""),
        (sent("completed"), EndState.COMPLETE, ""),
        (sent("completed", response=held("incomplete")), EndState.LENGTH, ""),
        (sent("completed", response=held("in_progress")), EndState.COMPLETE, ""),
        (ends("cancelled"), EndState.STOPPED, "stopped at the server"),
        (ends("failed"), EndState.FAILED, "the server reports an error"),
        (ends("failed", error={"code": "server_error", "message": "a\nb"}), EndState.FAILED, "a b"),
        (ends("failed", error={"code": "server_error"}), EndState.FAILED, "server_error"),
        (ends("completed", {"type": "function_call"}), EndState.COMPLETE, "asks for a tool"),
        (ends("completed", {"type": "mcp_call"}), EndState.COMPLETE, ""),
    ],
)
def test_the_last_event_ends_the_stream(end: Frame, state: EndState, note: str) -> None:
    assert told(said("a"), end, said("b"), ends("failed"))[-1] == Verdict(state, note)


@pytest.mark.parametrize(
    ("reason", "state", "note"),
    [
        ("max_output_tokens", EndState.LENGTH, ""),
        ("content_filter", EndState.REFUSED, "content filter"),
        ("max_messages", EndState.LENGTH, "max_messages"),
        ("new\x1breason", EndState.LENGTH, "new reason"),
        (None, EndState.LENGTH, ""),
    ],
)
def test_an_incomplete_answer_says_why(reason: Any, state: EndState, note: str) -> None:
    assert verdict(ends("incomplete", incomplete_details={"reason": reason})) == Verdict(
        state, note
    )


def test_a_refusal_is_text_and_the_verdict() -> None:
    refusal = sent("refusal.delta", output_index=0, content_index=0, delta="I will not.")
    folded = reply(told(refusal, ends()))
    assert (folded.answer, folded.verdict) == ("I will not.", Verdict(EndState.REFUSED))


def test_a_refusal_shows_in_the_final_object_alone() -> None:
    refused = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
    assert told(ends("completed", refused))[1:] == [Whole("No."), Verdict(EndState.REFUSED)]


def test_a_call_that_streamed_asks_for_a_tool_though_the_object_lists_nothing() -> None:
    assert verdict(begins(0, "function_call", name="f"), ends()) == Verdict(
        EndState.COMPLETE, "asks for a tool"
    )


@pytest.mark.parametrize(
    ("failure", "note"),
    [
        (event('{"type":"error","code":"ERR","message":"Went wrong","param":null}'), "Went wrong"),
        (event('{"type":"error","code":"ERR"}', "error"), "ERR"),
        (event('{"type":"error","error":{"type":"x","message":"nested"}}'), "nested"),
        (event('{"error":{"message":"by field"}}'), "by field"),
        (event('{"error":"text"}', "error"), "text"),
        (event('{"type":"error"}'), "the server reports an error"),
        (event("not json", "error"), "not json"),
        (event("{x", "response.completed"), "the server sent an event that is not JSON: {x"),
    ],
)
def test_an_error_in_any_shape_fails_the_stream(failure: Frame, note: str) -> None:
    assert told(said("a"), failure, said("b")) == [Text("a"), Verdict(EndState.FAILED, note)]


def test_a_stream_without_its_last_event_has_no_verdict() -> None:
    assert verdict(said("a"), said_all("a"), event("[DONE]")) is None


@pytest.mark.parametrize(
    "frame",
    [
        sent("output_text.logprobs", delta="x"),
        sent("web_search_call.searching", output_index=0),
        sent("content_part.done", part={"type": "output_text", "text": "x"}),
        sent("created", response=[]),
        sent("output_item.added", output_index=0),
        event('{"type":"keepalive","sequence_number":3}', "keepalive"),
        event("pong", "ping"),
        event("[DONE]"),
        event("null"),
        Frame(FrameKind.COMMENT, "keep-alive"),
        Frame(FrameKind.MARK, "{", "resumed"),
    ],
)
def test_it_means_nothing(frame: Frame) -> None:
    assert told(said("a"), frame, said("b")) == [Text("a"), Text("b")]


# The final object


def test_the_whole_and_the_usage_come_before_the_verdict() -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {}}
    end = ends("completed", reasoning("r", "s"), message("t", "u"), usage=usage)
    assert told(end)[1:] == [Whole("tu", "r\n\ns"), Usage(1, 2), COMPLETE]


def test_the_whole_continues_what_came_of_it() -> None:
    answer = [message("one"), {"type": "web_search_call"}, message("two"), message("three")]
    events = [said("one", 0), said("tw", 2)]
    folded = reply(told(*events))
    (whole,) = [d for d in told(*events, ends("completed", *answer)) if isinstance(d, Whole)]
    assert folded.answer == "one\n\ntw"
    assert whole.text == "one\n\ntwo\n\nthree"


@pytest.mark.parametrize("index", [0, 7])
def test_text_that_came_whole_is_not_told_again_however_it_was_numbered(index: int) -> None:
    events = [said("one", 0), said("two", index), ends("completed", message("one"), message("two"))]
    assert not [delta for delta in told(*events) if isinstance(delta, Whole)]


@pytest.mark.parametrize("output", [[], [{"type": "function_call"}], [reasoning()], [message("")]])
def test_an_object_without_text_says_nothing_of_it(output: list[Any]) -> None:
    assert not [d for d in told(said("a"), ends("completed", *output)) if isinstance(d, Whole)]


def test_the_whole_is_mended_and_holds_what_was_spoken() -> None:
    spoken = {"type": "message", "content": [{"type": "output_audio", "transcript": "a\ud83d"}]}
    assert Whole("a\ufffd", "b\ufffd") in told(ends("completed", spoken, reasoning("b\ud83d")))


def test_a_failure_does_not_take_back_text() -> None:
    end = ends("failed", message("a"), error={"message": "m"})
    assert told(said("a"), said("b"), end)[2:] == [
        About(remote_id="resp_1"),
        Verdict(EndState.FAILED, "m"),
    ]


# Runs


def test_messages_and_parts_of_the_thinking_stand_apart() -> None:
    events = [thought("a"), thought("b"), thought("c", 0, 1), said("d", 1), said("e", 1, 1)]
    events += [said("f", 2), thought("g", 3), thought("h", 4)]
    folded = reply(told(*events))
    assert [part.text for part in folded.parts] == ["ab\n\nc", "de\n\nf", "g\n\nh"]


def test_thinking_that_comes_twice_is_shown_once() -> None:
    raw = sent("reasoning_text.delta", output_index=0, content_index=0, delta="a")
    again = sent("reasoning_summary_text.done", output_index=0, summary_index=0, text="a")
    end = ends("completed", reasoning("a short one", raw=("a",)))
    events = [raw, thought("a"), again, thought("b", 1)]
    assert told(*events) == [Thinking("a"), Thinking("\n\nb")]
    assert Whole(None, "a") in told(raw, thought("a"), end)
    assert Whole(None, "a short one") in told(thought("a short"), end)


def test_a_done_event_adds_what_lacks() -> None:
    assert told(said("Hel"), said_all("Hello")) == [Text("Hel"), Text("lo")]
    assert told(said_all("Hello")) == [Text("Hello")]


@pytest.mark.parametrize("whole", ["Hallo", "He", "", "lo"])
def test_a_done_event_that_contradicts_adds_nothing(whole: str) -> None:
    assert told(said("Hel"), said_all(whole)) == [Text("Hel")]


def test_a_second_done_event_adds_nothing() -> None:
    assert told(said("a"), said_all("ab"), said_all("ab"), said_all("abc")) == [
        Text("a"),
        Text("b"),
    ]


def test_what_comes_after_a_done_event_begins_a_new_run() -> None:
    events = [said("a"), said_all("a"), said("b"), said_all("bc")]
    assert reply(told(*events)).answer == "abc"


def test_a_done_event_completes_a_surrogate_pair() -> None:
    assert reply(told(said("a\ud83d"), said_all("a👋b"))).answer == "a👋b"


def test_the_whole_takes_the_place_of_half_a_surrogate_pair() -> None:
    assert reply(told(said("a\ud83d"), ends())).answer == "a\ufffd"
    completed = told(said("a\ud83d"), ends("completed", message("a👋")))
    assert [d for d in completed if isinstance(d, Text | Whole)] == [Text("a"), Whole("a👋")]


def test_runs_do_not_mix() -> None:
    events = [said("a", 0), thought("t", 1), calls(2, "{"), said("b", 0), calls(2, "}")]
    folded = reply(told(*events))
    assert (folded.answer, folded.thinking) == ("ab", "t")
    assert [delta for delta in told(*events) if isinstance(delta, Tool)] == [
        Tool(2, arguments="{"),
        Tool(2, arguments="}"),
    ]


def test_the_dialect_is_found_by_its_name() -> None:
    known = dialect(NAME)
    assert (known.MODELS_PATH, known.SCHEME, known.END_MARK) == ("models", "responses", "")
    assert known.models(b'{"data":[{"id":"a"}]}') == ["a"]
    assert known.auth("sk-1") == {"Authorization": "Bearer sk-1"}
    assert known.error_text(b'{"error":{"message":"no such model"}}') == "no such model"
