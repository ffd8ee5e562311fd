from __future__ import annotations

import json
from typing import Any

import pytest

from core.fixtures.gemini_chunks import NAME, called, chunk, counted, said, told
from core.fixtures.streams import body, cuts, event, frames, read, reply, seen
from ssechat.core.deltas import (
    About,
    Citation,
    EndState,
    Media,
    MediaKind,
    Text,
    Thinking,
    Tool,
    Usage,
    Verdict,
)
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.reply import PartKind

STREAMS = ["gemini_blocked", "gemini_search", "gemini_stray", "gemini_text", "gemini_tool"]
STOP = Verdict(EndState.COMPLETE, last=False)


# Whole streams


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_means_the_same_wherever_its_bytes_are_cut(stream: str) -> None:
    whole = body(stream)
    expected = seen(read(NAME, [whole]))
    for chunks in cuts(whole):
        assert seen(read(NAME, chunks)) == expected


def test_thinking_text_usage_and_end() -> None:
    folded = read(NAME, [body("gemini_text")])
    assert (folded.thinking, folded.answer) == ("**Greeting**\n\n", "Grüße 👋!")
    assert folded.usage == Usage(6, 15, 11)
    assert folded.about == About("gemini-x", "r-1")
    assert folded.verdict == STOP
    assert folded.thoughts == []


def test_a_tool_call_in_a_chunk_before_the_end() -> None:
    folded = read(NAME, [body("gemini_tool")])
    assert [(part.kind, part.name, json.loads(part.text)) for part in folded.parts[1:]] == [
        (PartKind.TOOL, "weather", {"city": "Köln"})
    ]
    assert folded.verdict == Verdict(EndState.COMPLETE, "asks for a tool", last=False)


def test_a_search_that_says_stop_with_every_chunk() -> None:
    deltas = told(*frames([body("gemini_search")], ""))
    assert [one for one in deltas if not isinstance(one, About)] == [
        Text("Rain"),
        STOP,
        Text(" tomorrow."),
        Media(MediaKind.IMAGE, "image 0", b"\x89PNG\r\n\x1a\n", "image/png", whole=True),
        Citation("a.example", "https://a.example/w"),
        Citation("b.example", "https://b.example/"),
        Usage(5, 3),
    ]


def test_an_error_between_the_lines_fails_the_stream_and_keeps_the_text() -> None:
    folded = read(NAME, [body("gemini_stray")])
    assert folded.answer == "Half"
    assert folded.verdict == Verdict(EndState.FAILED, "UNAVAILABLE: The model is overloaded.")


def test_a_blocked_prompt_is_refused() -> None:
    folded = read(NAME, [body("gemini_blocked")])
    assert folded.usage == Usage(5)
    note = "the prompt was blocked: prohibited content"
    assert folded.verdict == Verdict(EndState.REFUSED, note, last=False)


# Ends


@pytest.mark.parametrize(
    ("reason", "state", "note"),
    [
        ("STOP", EndState.COMPLETE, ""),
        ("MAX_TOKENS", EndState.LENGTH, ""),
        ("CONTINUATION", EndState.LENGTH, "the server wants to be asked to go on"),
        ("SAFETY", EndState.REFUSED, "safety"),
        ("RECITATION", EndState.REFUSED, "recitation"),
        ("LANGUAGE", EndState.REFUSED, "language"),
        ("BLOCKLIST", EndState.REFUSED, "blocklist"),
        ("PROHIBITED_CONTENT", EndState.REFUSED, "prohibited content"),
        ("SPII", EndState.REFUSED, "spii"),
        ("IMAGE_SAFETY", EndState.REFUSED, "image safety"),
        ("IMAGE_RECITATION", EndState.REFUSED, "image recitation"),
        ("OTHER", EndState.FAILED, "the model stopped: other"),
        ("MALFORMED_FUNCTION_CALL", EndState.FAILED, "the model stopped: malformed function call"),
        ("NEW\x1b\nREASON", EndState.FAILED, "the model stopped: new reason"),
    ],
)
def test_the_finish_reason_is_the_verdict_and_more_may_follow(
    reason: str, state: EndState, note: str
) -> None:
    ends = chunk({"text": "a"}, finish=reason)
    assert told(ends, said("b")) == [Text("a"), Verdict(state, note, last=False), Text("b")]


@pytest.mark.parametrize("reason", ["", "FINISH_REASON_UNSPECIFIED", 1, {}])
def test_no_finish_reason_is_no_end(reason: Any) -> None:
    assert told(chunk({"text": "a"}, finish=reason)) == [Text("a")]


def test_the_end_of_the_body_is_no_verdict() -> None:
    assert told(said("a")) == [Text("a")]


def test_the_last_reason_wins_and_the_same_one_is_told_once() -> None:
    ends = [chunk(finish=reason) for reason in ("STOP", "STOP", "MAX_TOKENS")]
    assert told(*ends) == [STOP, Verdict(EndState.LENGTH, last=False)]


def test_the_servers_words_explain_an_end() -> None:
    stopped = chunk(finish="SAFETY", candidate={"finishMessage": "It could\ndo harm."})
    assert told(stopped) == [Verdict(EndState.REFUSED, "safety: It could do harm.", last=False)]
    blocked = event('{"promptFeedback":{"blockReason":"OTHER","blockReasonMessage":"No."}}')
    note = "the prompt was blocked: other: No."
    assert told(blocked) == [Verdict(EndState.REFUSED, note, last=False)]


def test_a_prompt_that_was_not_blocked_is_none() -> None:
    rated = '{"promptFeedback":{"blockReason":"BLOCK_REASON_UNSPECIFIED","safetyRatings":[]}}'
    assert told(event(rated)) == []


def test_only_the_first_candidate_speaks() -> None:
    one, two = (
        {"index": at, "content": {"parts": [{"text": text}]}, "finishReason": reason}
        for at, text, reason in ((1, "no", "SAFETY"), (0, "yes", "STOP"))
    )
    assert told(event(json.dumps({"candidates": [one, two]}))) == [Text("yes"), STOP]
    assert told(event(json.dumps({"candidates": [one]}))) == []


@pytest.mark.parametrize(
    ("failure", "note"),
    [
        ('{"error":{"code":503,"message":"Busy.","status":"UNAVAILABLE"}}', "UNAVAILABLE: Busy."),
        ('{"error":{"code":500,"status":"INTERNAL"}}', "INTERNAL"),
        ('{"error":{"code":500}}', "the server reports error 500"),
        ('{"error":"text"}', "text"),
        ("{x", "the server sent an event that is not JSON: {x"),
    ],
)
def test_an_error_in_any_shape_fails_the_stream(failure: str, note: str) -> None:
    last = Verdict(EndState.FAILED, note)
    assert told(said("a"), event(failure), said("b")) == [Text("a"), last]


def test_an_error_named_so_fails_the_stream() -> None:
    assert told(event('{"message":"by name"}', "error")) == [Verdict(EndState.FAILED, "by name")]


def test_a_gateways_end_mark_after_the_end_means_nothing() -> None:
    assert told(chunk(finish="STOP"), event("[DONE]")) == [STOP]


# Parts


def test_calls_are_numbered_and_their_arguments_come_whole() -> None:
    one, two = called(id="i\x1b", name="f", args={"a": [1, "é"]}), called(name="g")
    assert told(one, two) == [Tool(0, "i", "f", '{"a": [1, "é"]}'), Tool(1, "", "g")]


def test_code_that_the_server_runs_is_shown_and_asks_for_nothing() -> None:
    code = chunk({"executableCode": {"language": "PYTHON", "code": "print(1)"}}, finish="STOP")
    assert told(code) == [Tool(0, "", "code_execution", "print(1)"), STOP]


def test_pictures_are_things_of_their_own_and_sound_comes_in_pieces() -> None:
    def media(mime: str, data: str) -> dict[str, Any]:
        return {"inlineData": {"mimeType": mime, "data": data}}

    pcm = "audio/L16;codec=pcm;rate=24000"
    pictures = chunk(media("image/png", "YQ=="), media("image/webp", "Yg"))
    assert told(pictures, chunk(media(pcm, "YWI=")), chunk(media(pcm, "Y2Q="))) == [
        Media(MediaKind.IMAGE, "image 0", b"a", "image/png", whole=True),
        Media(MediaKind.IMAGE, "image 1", b"b", "image/webp", whole=True),
        Media(MediaKind.AUDIO, "audio", b"ab", pcm),
        Media(MediaKind.AUDIO, "audio", b"cd", pcm),
    ]


def test_other_files_drafts_and_broken_base64_are_left_out() -> None:
    data = {"mimeType": "image/png", "data": "YQ=="}
    draft = {"inlineData": data, "thought": True}
    pdf = {"inlineData": {**data, "mimeType": "application/pdf"}}
    broken = {"inlineData": {**data, "data": "%"}}
    assert told(chunk(draft, pdf, broken)) == []


def test_a_source_is_told_once_in_however_many_chunks_it_comes() -> None:
    def found(*chunks: Any) -> Frame:
        return chunk(candidate={"groundingMetadata": {"groundingChunks": list(chunks)}})

    web = {"web": {"uri": "https://a.example", "title": "A"}}
    other = {"retrievedContext": {"uri": "gs://b/c", "title": "B"}}
    assert told(found(web), found(web, other, web, {"web": {}}, 5)) == [
        Citation("A", "https://a.example"),
        Citation("B"),
    ]


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt": 5}, Usage(5)),
        ({"prompt": 5, "candidates": 2}, Usage(5, 2)),
        ({"prompt": 5, "thoughts": 7, "total": 12}, Usage(5, 7, 7)),
        ({"prompt": 5, "candidates": 2, "thoughts": 7, "total": 14}, Usage(5, 9, 7)),
        ({"prompt": 5, "candidates": 9, "thoughts": 7, "total": 14}, Usage(5, 9, 7)),
        ({"prompt": 5, "candidates": 0, "thoughts": 0, "total": 5}, Usage(5, 0, 0)),
        ({"prompt": "5", "candidates": -1, "thoughts": True}, None),
        ({}, None),
    ],
)
def test_the_output_counts_the_thoughts(counts: dict[str, Any], usage: Usage | None) -> None:
    assert told(counted(**counts)) == ([] if usage is None else [usage])


def test_a_later_count_replaces_the_earlier_one() -> None:
    counts = [counted(prompt=5, candidates=number) for number in (1, 9)]
    assert reply(told(*counts)).usage == Usage(5, 9)


@pytest.mark.parametrize(
    "frame",
    [
        event(""),
        event("null"),
        event("[]"),
        event("{}"),
        event('{"candidates":[]}'),
        event('{"candidates":{"0":{}}}'),
        chunk(),
        chunk({"thoughtSignature": "c2ln"}),
        chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}),
        chunk(5, None, {"text": 5}, {"inlineData": []}, {"functionCall": {}}),
        Frame(FrameKind.COMMENT, "keep-alive"),
    ],
)
def test_it_means_nothing(frame: Frame) -> None:
    assert told(said("a"), frame, said("b")) == [Text("a"), Text("b")]


def test_thoughts_are_told_apart_by_their_mark() -> None:
    thought = chunk({"text": "t", "thought": True}, {"text": "a", "thought": "yes"})
    assert told(thought) == [Thinking("t"), Text("a")]
