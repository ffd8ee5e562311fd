"""Whatever Gemini's servers, or others in their place, send."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.fixtures import gemini_chunks, gemini_steps
from core.fixtures.hostile import JSON, check, nested
from core.fixtures.streams import event, reply
from ssechat.core.deltas import Verdict
from ssechat.core.dialects import dialect, gemini, gemini_interactions
from ssechat.core.frames import Frame

DATA = [event("x"), *map(gemini_chunks.said, "ab"), gemini_chunks.chunk(finish="STOP")]
CHUNKS: list[tuple[str | int, ...]] = [
    (),
    ("error",),
    ("error", "message"),
    ("modelVersion",),
    ("promptFeedback", "blockReason"),
    ("usageMetadata",),
    ("usageMetadata", "thoughtsTokenCount"),
    ("candidates",),
    ("candidates", 0),
    ("candidates", 0, "index"),
    ("candidates", 0, "finishReason"),
    ("candidates", 0, "finishMessage"),
    ("candidates", 0, "groundingMetadata", "groundingChunks"),
    ("candidates", 0, "groundingMetadata", "groundingChunks", 0, "web", "uri"),
    *(
        ("candidates", 0, "content", "parts", 0, *path)
        for path in [
            (),
            ("text",),
            ("thought",),
            ("functionCall", "args"),
            ("executableCode", "code"),
            ("inlineData", "data"),
        ]
    ),
]
KINDS = [
    *("interaction.created", "interaction.status_update", "interaction.completed", "error"),
    *("step.start", "step.delta", "step.stop", "ping"),
]
FIELDS: list[tuple[str | int, ...]] = [
    (),
    ("index",),
    ("usage",),
    ("usage", "total_output_tokens"),
    ("metadata", "total_usage"),
    ("error", "code"),
    ("status",),
    ("interaction_id",),
    ("event_id",),
    *(("interaction", key) for key in ("id", "model", "status", "errors", "steps", "outputs")),
    ("interaction", "steps", 0, "content"),
]
TYPED = {
    "step": [
        ("thought", ("summary", 0, "text")),
        ("thought", ("signature",)),
        ("model_output", ("content", 0)),
        ("function_call", ("arguments",)),
        ("function_call", ("name",)),
    ],
    "delta": [
        ("text", ("text",)),
        ("text", ("annotations", 0)),
        ("thought_summary", ("content",)),
        ("thought_signature", ("signature",)),
        ("arguments_delta", ("arguments",)),
        ("image", ("data",)),
        ("audio", ("sample_rate",)),
    ],
}


@st.composite
def chunks(draw: st.DrawFn) -> Frame:
    value = nested(draw(st.sampled_from(CHUNKS)), draw(JSON))
    return event(json.dumps(value), draw(st.sampled_from(["message", "error"])))


@st.composite
def steps(draw: st.DrawFn) -> Frame:
    kind = draw(st.sampled_from(KINDS))
    fields = nested(draw(st.sampled_from(FIELDS)), draw(JSON))
    if draw(st.booleans()):
        holder = draw(st.sampled_from(sorted(TYPED)))
        of_type, path = draw(st.sampled_from(TYPED[holder]))
        fields = {holder: {**nested(path, draw(JSON)), "type": of_type}, "index": draw(JSON)}
    if isinstance(fields, dict):
        fields = {"event_type": kind, **fields}
    return event(json.dumps(fields), kind)


@given(st.lists(chunks() | st.sampled_from(DATA), max_size=6))
@settings(max_examples=100)
def test_any_value_in_any_field_of_a_chunk_is_survived(events: list[Frame]) -> None:
    check(gemini_chunks.told(*events))


@given(st.lists(steps(), max_size=6))
@settings(max_examples=150)
def test_any_value_in_any_field_of_an_event_is_survived(events: list[Frame]) -> None:
    check(gemini_steps.told(*events))
    for one in events:
        gemini_interactions.event_id(one).encode()


@given(steps(), st.sampled_from(["completed", "failed", "in_progress"]), JSON)
@settings(max_examples=100)
def test_any_final_object_is_survived(came: Frame, status: str, value: Any) -> None:
    for path in [("steps",), ("steps", 0, "content", 0), ("errors",), ("usage",), ("outputs",)]:
        found = gemini_steps.fetched({**nested(path, value), "status": status}, came)
        check(found)
        last = [one for one in found if isinstance(one, Verdict)]
        assert bool(last) == (status != "in_progress")


@given(st.lists(st.binary(max_size=40), max_size=4), st.sampled_from([*KINDS, "message"]))
def test_any_bytes_as_data_are_survived(data: list[bytes], name: str) -> None:
    events = [event(piece.decode("utf-8", "replace"), name) for piece in data]
    check(gemini_chunks.told(*events))
    check(gemini_steps.told(*events))


@given(JSON)
def test_any_json_as_a_list_of_models_is_survived(value: Any) -> None:
    answer = json.dumps({"models": [value, {"name": value, "supportedGenerationMethods": value}]})
    assert all(gemini.models(answer.encode()))


def test_surrogate_halves_join_across_deltas() -> None:
    for module in (gemini_chunks, gemini_steps):
        halves = [module.said("a\ud83d"), module.said("\udc4b")]
        assert reply(module.told(*halves)).answer == "a👋"
        assert dialect(module.NAME).decoder().close() == []
