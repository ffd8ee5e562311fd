from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fixtures.hostile import JSON, check, nested
from core.fixtures.responses import NAME, ends, fetched, message, said, said_all, told
from core.fixtures.streams import body, event, frames, read, reply, seen
from ssechat.core.deltas import Whole
from ssechat.core.dialects import dialect, openai_responses
from ssechat.core.dialects._json import sequence
from ssechat.core.frames import Frame

STREAMS = ["text", "tools", "vllm", "llamacpp", "image_failed"]
OTHERS = [
    "error",
    "response.audio.delta",
    "response.image_generation_call.partial_image",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.annotation.added",
]
TYPES = st.sampled_from([*sorted(openai_responses.ResponsesDecoder.KNOWN), *OTHERS])
PART = ("output", 0, "content", 0)
RESPONSE = [
    (),
    *((name,) for name in ("id", "model", "background", "store", "status", "error", "usage")),
    ("usage", "input_tokens"),
    ("usage", "output_tokens_details", "reasoning_tokens"),
    ("incomplete_details", "reason"),
    ("output",),
    ("output", 0),
    *(("output", 0, name) for name in ("type", "content", "summary", "result", "arguments")),
    *(("output", 0, name) for name in ("name", "call_id", "action", "queries")),
    PART,
    *((*PART, name) for name in ("type", "text", "refusal", "annotations")),
    (*PART, "annotations", 0),
    (*PART, "annotations", 0, "url"),
]
ITEM = [path[2:] for path in RESPONSE if path[:2] == ("output", 0)]
EVENT = [
    (),
    *((name,) for name in ("output_index", "content_index", "summary_index", "item_id")),
    *((name,) for name in ("delta", "text", "arguments", "refusal", "error", "message", "code")),
    *((name,) for name in ("annotation", "partial_image_b64", "output_format")),
    *(("response", *path) for path in RESPONSE),
    *(("item", *path) for path in ITEM),
]
ITEM_TYPES = st.sampled_from(
    ["message", "reasoning", "function_call", "web_search_call", "image_generation_call"]
)


@st.composite
def objects(draw: st.DrawFn, paths: list[Any]) -> dict[str, Any]:
    """A few hostile fields; items get a type that gives them a meaning."""
    made: dict[str, Any] = {}
    for path, value in draw(st.lists(st.tuples(st.sampled_from(paths), JSON), max_size=3)):
        field = nested(path, value)
        made.update(field if isinstance(field, dict) else {})
    for item in items(made):
        item.setdefault("type", draw(ITEM_TYPES))
    return made


def items(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    outputs = [sequence(made, "output"), sequence(made.get("response"), "output")]
    yield from (item for item in chain([made.get("item")], *outputs) if isinstance(item, dict))


@st.composite
def hostile(draw: st.DrawFn) -> Frame:
    kind = draw(TYPES)
    return event(json.dumps({"type": kind, **draw(objects(EVENT))}), kind)


@given(st.lists(hostile(), max_size=6))
@settings(max_examples=120)
def test_any_value_in_any_field_is_survived(events: list[Frame]) -> None:
    check(told(*events))


@given(st.sampled_from(["completed", "incomplete", "failed", "cancelled"]), objects(RESPONSE))
@settings(max_examples=100)
def test_any_value_in_the_final_object_is_survived(status: str, fields: Any) -> None:
    check(fetched({"status": status, **fields}))


@given(st.lists(st.binary(max_size=40), max_size=4), TYPES)
def test_any_bytes_as_data_are_survived(data: list[bytes], name: str) -> None:
    check(told(*[event(piece.decode("utf-8", "replace"), name) for piece in data]))


@pytest.mark.parametrize(
    "data",
    [
        "[" * 100_000,
        '{"response":' * 50_000 + "1" + "}" * 50_000,
        '{"type":"response.completed","response":{"usage":{"input_tokens":' + "9" * 500 + "}}}",
        '{"type":"response.output_text.delta","output_index":1e999,"delta":"a"}',
        '{"type":"response.output_text.delta","output_index":-1,"content_index":-1,"delta":"a"}',
        '{"type":"response.audio.delta","delta":"' + "A" * (17 * 2**20) + '"}',
    ],
)
def test_extreme_json_is_survived(data: str) -> None:
    check(told(event(data), said("a"), ends()))


@given(st.sampled_from(STREAMS), st.data())
@settings(max_examples=30)
def test_any_chunking_equals_one_feed(stream: str, data: st.DataObject) -> None:
    whole = body(f"responses_{stream}")
    marks = data.draw(st.lists(st.integers(0, len(whole)), max_size=20).map(sorted))
    edges = [0, *marks, len(whole)]
    chunks = [whole[a:b] for a, b in pairwise(edges)]
    assert seen(read(NAME, chunks)) == seen(read(NAME, [whole]))


@pytest.mark.parametrize("stream", ["text", "vllm", "llamacpp"])
def test_a_stream_from_anywhere_on_ends_alike_and_tells_the_whole(stream: str) -> None:
    events = frames([body(f"responses_{stream}")], "")
    full = reply(told(*events))
    end = next(at for at, frame in enumerate(events) if frame.event == "response.completed")
    for at in range(1, end + 1):
        suffix = told(*events[at:])
        assert reply(suffix).verdict == full.verdict
        wholes = [delta for delta in suffix if isinstance(delta, Whole)]
        assert full.answer in {reply(suffix).answer, *(whole.text for whole in wholes)}


@given(st.text(alphabet="ab\ud83d\udc4b👋", max_size=12), st.data())
def test_text_that_came_in_part_is_healed_wherever_it_was_lost(
    answer: str, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(answer)))
    mended = answer.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert reply(told(said(answer[:cut]), said_all(answer))).answer == mended


@given(st.lists(st.text(alphabet="ab \n", max_size=3), max_size=4), st.data())
def test_the_whole_begins_with_all_that_came_of_it(texts: list[str], data: st.DataObject) -> None:
    """Else the answer would be restated at every end."""
    pieces = [(index, char) for index, text in enumerate(texts) for char in text]
    came = pieces[: data.draw(st.integers(0, len(pieces)))]
    streamed = [said(char, index) for index, char in came]
    end = ends("completed", *[message(text) for text in texts])
    shown = reply(told(*streamed)).answer
    wholes = [delta.text for delta in told(*streamed, end) if isinstance(delta, Whole)]
    assert not wholes or len(came) < len(pieces)
    assert all(text is not None and text.startswith(shown) for text in wholes)


def test_a_decoder_gives_nothing_back_after_its_end() -> None:
    decoder = dialect(NAME).decoder()
    decoder.decode(ends())
    assert decoder.close() == decoder.decode(said("a")) == []
