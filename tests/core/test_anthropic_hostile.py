from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from core.fixtures.hostile import JSON, check, nested
from core.fixtures.messages import STOP, said, sent, told
from core.fixtures.streams import event, reply
from ssechat.core.dialects import anthropic
from ssechat.core.frames import Frame

TYPES = st.sampled_from(
    [*sorted(anthropic.MessagesDecoder.KNOWN - {"message_stop"}), "error", "ping", "message_stop"]
)
PATHS = [
    (),
    ("index",),
    ("message",),
    ("message", "id"),
    ("message", "usage"),
    ("usage", "input_tokens"),
    ("error",),
    ("error", "type"),
    ("delta",),
    ("delta", "stop_reason"),
    ("delta", "stop_details"),
    ("delta", "stop_details", "explanation"),
    ("content_block",),
    ("usage", "output_tokens_details", "thinking_tokens"),
]
KINDED = {
    "content_block": {
        "text": "text",
        "thinking": "thinking",
        "redacted_thinking": "data",
        "tool_use": "name",
        "web_search_tool_result": "content",
        "image": "source",
    },
    "delta": {
        "text_delta": "text",
        "thinking_delta": "thinking",
        "signature_delta": "signature",
        "input_json_delta": "partial_json",
        "citations_delta": "citation",
    },
}


@st.composite
def hostile(draw: st.DrawFn) -> Frame:
    kind, value = draw(TYPES), draw(JSON)
    fields = nested(draw(st.sampled_from(PATHS)), value)
    for holder, kinds in KINDED.items():
        if draw(st.booleans()):
            of_kind = draw(st.sampled_from(sorted(kinds)))
            fields = {holder: {"type": of_kind, kinds[of_kind]: value}, "index": draw(JSON)}
    if isinstance(fields, dict):
        fields = {"type": kind, **fields}
    return event(json.dumps(fields), kind)


@given(st.lists(hostile(), max_size=6))
@settings(max_examples=300)
def test_any_value_in_any_field_is_survived(events: list[Frame]) -> None:
    check(told(*events))


@given(st.lists(st.binary(max_size=40), max_size=4), TYPES)
def test_any_bytes_as_data_are_survived(data: list[bytes], name: str) -> None:
    check(told(*[event(piece.decode("utf-8", "replace"), name) for piece in data]))


@given(st.sampled_from(["title", "url", "cited_text"]), JSON)
def test_any_value_in_a_citation_is_survived(field: str, value: object) -> None:
    cited = {"type": "citations_delta", "citation": {field: value}}
    check(told(sent("content_block_delta", index=0, delta=cited)))


@given(st.sampled_from(["data", "url", "media_type"]), JSON)
def test_any_value_in_an_image_is_survived(field: str, value: object) -> None:
    source = {"data": "QQ==", field: value}
    block = {"type": "image", "source": source}
    check(told(sent("content_block_start", index=0, content_block=block)))


def test_surrogate_halves_join_across_deltas() -> None:
    assert reply(told(said("a\ud83d"), sent("ping"), said("\udc4b"))).answer == "a👋"
    assert reply(told(said("a\ud83d"), STOP)).answer == "a\ufffd"
