from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from core.fixtures.responses import (
    begins,
    calls,
    done,
    ends,
    fetched,
    held,
    message,
    reasoning,
    said,
    sent,
    told,
)
from core.fixtures.streams import reply
from ssechat.core.deltas import (
    Citation,
    EndState,
    Media,
    MediaKind,
    Text,
    Tool,
    Usage,
    Verdict,
    Whole,
)
from ssechat.core.frames import Frame

COMPLETE = Verdict(EndState.COMPLETE)
PNG = b64encode(b"pixels").decode()


def called(*events: Frame) -> list[tuple[str, str]]:
    """The name and arguments of each tool call."""
    return [(part.name, part.text) for part in reply(told(*events)).parts]


# Tools


def test_a_call_has_its_name_and_id_once() -> None:
    events = [
        begins(1, "function_call", id="fc_1", call_id="call_1", name="f", arguments=""),
        calls(1, "{}"),
        sent("function_call_arguments.done", output_index=1, arguments="{}"),
        done(1, "function_call", id="fc_1", call_id="call_1", name="f", arguments="{}"),
    ]
    assert told(*events) == [Tool(1, "call_1", "f"), Tool(1, arguments="{}")]


@pytest.mark.parametrize(
    ("kind", "run", "field"),
    [
        ("function_call", "function_call_arguments", "arguments"),
        ("mcp_call", "mcp_call_arguments", "arguments"),
        ("custom_tool_call", "custom_tool_call_input", "input"),
        ("code_interpreter_call", "code_interpreter_call_code", "code"),
    ],
)
def test_what_a_call_is_made_with_is_healed_at_its_end(kind: str, run: str, field: str) -> None:
    start = [begins(0, kind, name="f"), sent(f"{run}.delta", output_index=0, delta="x")]
    assert called(*start, sent(f"{run}.done", output_index=0, **{field: "xyz"})) == [("f", "xyz")]
    assert called(*start, done(0, kind, **{field: "xyz"})) == [("f", "xyz")]
    assert called(*start, done(0, kind, **{field: "abc"})) == [("f", "x")]


def test_a_call_whose_beginning_was_missed_is_named_at_its_end() -> None:
    end = done(0, "function_call", id="fc_1", name="f", arguments="{}")
    assert told(calls(0, "{}"), end) == [Tool(0, arguments="{}"), Tool(0, "fc_1", "f")]


@pytest.mark.parametrize(
    ("kind", "fields", "shown"),
    [
        ("web_search_call", {"action": {"type": "search", "query": "q"}}, "q"),
        ("web_search_call", {"action": {"type": "open_page", "url": "https://h"}}, "https://h"),
        ("web_search_call", {"action": "q"}, ""),
        ("file_search_call", {"queries": ["a", 5, "b"], "results": None}, "a\nb"),
        ("computer_call", {"action": {"type": "click"}}, ""),
    ],
)
def test_what_the_server_does_itself_is_shown_under_its_type(
    kind: str, fields: Any, shown: str
) -> None:
    assert called(begins(0, kind), done(0, kind, **fields)) == [(kind, shown)]


def test_items_without_an_index_are_told_apart_by_their_ids() -> None:
    def item(name: str) -> Frame:
        return sent("output_item.added", item={"type": "function_call", "id": name, "name": name})

    def piece(name: str, text: str) -> Frame:
        return sent("function_call_arguments.delta", item_id=name, delta=text)

    nameless = sent("function_call_arguments.delta", delta="3")
    events = [item("f"), item("g"), piece("f", "1"), piece("g", "2"), nameless, piece("f", "4")]
    assert called(*events) == [("f", "14"), ("g", "23")]


def test_an_item_with_an_index_is_known_by_its_id_too() -> None:
    named = begins(3, "function_call", id="fc_1", name="f")
    piece = sent("function_call_arguments.delta", item_id="fc_1", delta="{}")
    assert called(named, begins(4, "function_call", id="fc_2", name="g"), piece) == [
        ("f", "{}"),
        ("g", ""),
    ]


# Media


def test_an_image_takes_the_place_of_the_first_sights_of_it() -> None:
    events = [
        begins(0, "image_generation_call", id="ig_1"),
        sent(
            "image_generation_call.partial_image",
            item_id="ig_1",
            output_index=0,
            partial_image_b64=PNG,
            output_format="webp",
        ),
        done(0, "image_generation_call", id="ig_1", result=PNG),
    ]
    assert told(*events) == [
        Media(MediaKind.IMAGE, "ig_1", b"pixels", "image/webp", whole=True),
        Media(MediaKind.IMAGE, "ig_1", b"pixels", whole=True),
    ]


def test_an_image_without_an_id_goes_by_its_index() -> None:
    (image,) = told(done(4, "image_generation_call", result=PNG))
    assert image == Media(MediaKind.IMAGE, "4", b"pixels", whole=True)


@pytest.mark.parametrize("result", ["*", "", None, 5, {"b64": PNG}])
def test_what_is_no_base64_is_no_image(result: Any) -> None:
    assert told(done(0, "image_generation_call", id="ig_1", result=result)) == []


def test_audio_is_appended_and_its_transcript_is_the_text() -> None:
    piece = sent("audio.delta", delta=PNG)
    spoken = sent("audio.transcript.delta", delta="Hi")
    sound = Media(MediaKind.AUDIO, "0", b"pixels", "audio/pcm")
    assert told(piece, spoken, piece) == [sound, Text("Hi"), sound]


# Sources


@pytest.mark.parametrize(
    ("annotation", "citation"),
    [
        (
            {"type": "url_citation", "url": "https://h/p", "title": "T"},
            Citation("T", "https://h/p"),
        ),
        ({"type": "file_citation", "file_id": "file-1", "filename": "a.pdf"}, Citation("a.pdf")),
        ({"type": "url_citation", "url": "javascript:x", "title": "T"}, Citation("T")),
    ],
)
def test_an_annotation_is_a_citation(annotation: Any, citation: Citation) -> None:
    assert told(sent("output_text.annotation.added", annotation=annotation)) == [citation]


@pytest.mark.parametrize("annotation", [None, [], {}, {"type": "file_path", "file_id": "f"}])
def test_an_annotation_that_names_nothing_is_none(annotation: Any) -> None:
    assert told(sent("output_text.annotation.added", annotation=annotation)) == []


# The final object, fetched


def test_a_fetched_answer_is_whole_and_ends_the_stream() -> None:
    answer = held(
        "completed", reasoning("t"), message("Hello"), usage={"input_tokens": 1, "output_tokens": 2}
    )
    assert fetched(answer, said("Hel")) == [Whole("Hello", "t"), Usage(1, 2), COMPLETE]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (held("incomplete", incomplete_details={"reason": "content_filter"}), "content filter"),
        (held("failed", error={"message": "broke"}), "broke"),
        (held("cancelled"), "stopped at the server"),
    ],
)
def test_a_fetched_end_keeps_its_text_whatever_it_is(answer: Any, verdict: str) -> None:
    whole, end = fetched({**answer, "output": [message("a")]})
    assert whole == Whole("a")
    assert isinstance(end, Verdict)
    assert end.note == verdict


@pytest.mark.parametrize(
    "body",
    [
        held("queued"),
        held("in_progress", message("so far")),
        held("expired"),
        {"status": 5},
        {"error": {"message": "no such response"}},
        [],
        "null",
        "<html>",
        "",
        "[" * 100_000,
        "\ud800",
    ],
)
def test_what_is_no_finished_response_means_nothing(body: Any) -> None:
    assert fetched(body) == []


def test_what_the_stream_did_not_bring_is_in_the_fetched_answer() -> None:
    source = {"type": "url_citation", "url": "https://h", "title": "T"}
    answer = held(
        "completed",
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "d", "name": "g", "arguments": "[]"},
        {"type": "image_generation_call", "id": "ig_1", "result": PNG},
        message("t", annotations=[source]),
    )
    streamed = [begins(0, "function_call", call_id="c", name="f"), calls(0, "{")]
    assert fetched(answer, *streamed) == [
        Whole("t"),
        Tool(0, arguments="}"),
        Tool(1, "d", "g"),
        Tool(1, arguments="[]"),
        Media(MediaKind.IMAGE, "ig_1", b"pixels", whole=True),
        Citation("T", "https://h"),
        Verdict(EndState.COMPLETE, "asks for a tool"),
    ]


def test_nothing_follows_the_end() -> None:
    assert fetched(held("completed", message("a")), ends()) == []
