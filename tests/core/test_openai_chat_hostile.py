from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fixtures.chat import DONE, called, calls, chunk, said, told
from core.fixtures.hostile import JSON, check, nested
from core.fixtures.streams import event, reply, spoken
from ssechat.core.deltas import Text, Thinking

FIELDS = [
    (),
    ("id",),
    ("model",),
    ("error",),
    ("error", "message"),
    ("object",),
    ("usage",),
    ("usage", "prompt_tokens"),
    ("usage", "completion_tokens_details"),
    ("choices",),
    ("choices", 0),
    ("choices", 0, "index"),
    ("choices", 0, "finish_reason"),
    ("choices", 0, "delta"),
    *(("choices", 0, "delta", name) for name in ("content", "refusal", "reasoning", "tool_calls")),
    ("choices", 0, "delta", "reasoning_content"),
    ("choices", 0, "delta", "reasoning_details"),
    ("choices", 0, "delta", "content", 0, "thinking", 0, "text"),
    ("choices", 0, "delta", "reasoning_details", 0, "text"),
    ("choices", 0, "message"),
    ("choices", 0, "error"),
    ("choices", 0, "delta", "audio"),
    *(("choices", 0, "delta", "audio", name) for name in ("id", "data", "transcript")),
    ("choices", 0, "delta", "images"),
    ("choices", 0, "delta", "images", 0, "image_url"),
    ("choices", 0, "delta", "images", 0, "image_url", "url"),
    ("choices", 0, "delta", "annotations", 0, "url_citation"),
    ("choices", 0, "delta", "annotations", 0, "url_citation", "title"),
    ("choices", 0, "delta", "annotations", 0, "url_citation", "url"),
    ("choices", 0, "delta", "function_call"),
    ("choices", 0, "delta", "tool_calls", 0),
    *(("choices", 0, "delta", "tool_calls", 0, name) for name in ("index", "id", "function")),
    ("choices", 0, "delta", "tool_calls", 0, "function", "name"),
    ("choices", 0, "delta", "tool_calls", 0, "function", "arguments"),
]


@given(st.lists(st.tuples(st.sampled_from(FIELDS), JSON), max_size=6))
@settings(max_examples=300)
def test_any_value_in_any_field_is_survived(splices: list[tuple[Any, Any]]) -> None:
    check(told(*[event(json.dumps(nested(path, value))) for path, value in splices], DONE))


@given(st.lists(st.binary(max_size=40), max_size=4), st.sampled_from(["message", "error", "x"]))
def test_any_bytes_as_data_are_survived(data: list[bytes], name: str) -> None:
    check(told(*[event(piece.decode("utf-8", "replace"), name) for piece in data]))


@pytest.mark.parametrize(
    "data",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"choices":' * 50_000 + "1" + "}" * 50_000,
        '{"usage":{"prompt_tokens":' + "9" * 5000 + "}}",
        '{"usage":{"prompt_tokens":' + "9" * 500 + "}}",
        '{"choices":[{"index":1e999,"delta":{"content":"a"}}]}',
        '{"choices":[{"index":' + "9" * 30 + "}]}",
        '{"choices":[{"index":NaN}]}',
        "\ud800",
    ],
)
def test_extreme_json_is_survived(data: str) -> None:
    check(told(event(data), said("a"), DONE))


@given(st.text(alphabet="a\ud83d\ud83e\udc4b\ude00", max_size=12), st.data())
def test_surrogates_come_out_alike_wherever_they_are_cut(answer: str, data: st.DataObject) -> None:
    pieces, rest = [], answer
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        pieces.append(rest[:size])
        rest = rest[size:]
    expected = answer.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert reply(told(*map(said, pieces))).answer == expected


def test_a_half_does_not_join_across_another_kind() -> None:
    thought = chunk({"reasoning": "a\ud83d"})
    assert spoken(told(thought, said("\ude00b"))) == [
        (Thinking, -1, "a\ufffd"),
        (Text, -1, "\ufffdb"),
    ]


def test_halves_join_within_the_arguments_of_a_call() -> None:
    first = called(index=0, id="a", function={"name": "f", "arguments": "\ud83d"})
    second = called(index=0, function={"arguments": "\ude00"})
    assert calls(first, second) == [("f", "😀")]
