"""An event that is taken for a piece of text is nothing else, whatever a server sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.deltas import Text, Thinking
from ssechat.core.dialects import DIALECTS, dialect
from ssechat.core.fold import Fold, Watch
from ssechat.core.frames import Frame, FrameKind

FIRST = {
    "openai-chat": {"id": "c", "model": "m", "choices": [{"delta": {"content": "Hi"}}]},
    "openai-responses": {
        "type": "response.output_text.delta",
        "sequence_number": 4,
        "item_id": "i",
        "output_index": 0,
        "content_index": 0,
        "delta": "Hi",
    },
    "anthropic": {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "Hi"},
    },
    "ollama": {"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": False},
}
"""A piece, in each dialect that has a shape for it."""
NAMES = (
    *("annotations", "audio", "choices", "code", "content", "content_index", "created", "delta"),
    *("done", "done_reason", "error", "event", "finish_reason", "function_call", "id", "images"),
    *("index", "item_id", "logprobs", "message", "model", "object", "obfuscation", "output_index"),
    *("partial_json", "reasoning", "reasoning_content", "reasoning_details", "refusal", "response"),
    *("role", "sequence_number", "signature", "ssechat", "status", "stop_reason", "summary_index"),
    *("text", "thinking", "tool_calls", "type", "usage"),
)
WORDS = [
    *("", "x", "stop", "error", "assistant", "chat.completion.chunk", "text_delta"),
    *("thinking_delta", "input_json_delta", "signature_delta", "content_block_delta"),
    *("message_stop", "response.output_text.delta", "response.reasoning_text.delta"),
    *("response.completed", "response.refusal.delta", "upstream_interrupted", "<think>"),
]
LEAVES = st.sampled_from([*WORDS, None, True, False, 0, 1, -1, 2.5])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)
EVENTS = st.sampled_from(["message", "error", "content_block_delta", "ping"])


def event(value: Any, name: str = "message") -> Frame:
    return Frame(FrameKind.EVENT, json.dumps(value), name)


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """The value with something else in some place."""
    if isinstance(value, dict):
        made = {
            name: draw(changed(inner)) for name, inner in value.items() if draw(st.integers(0, 9))
        }
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=1)):
            made[name] = draw(VALUES)
        return made
    if isinstance(value, list):
        made = [draw(changed(inner)) for inner in value]
        return made if draw(st.integers(0, 9)) else [*made, draw(VALUES)]
    return value if draw(st.integers(0, 5)) else draw(VALUES)


@pytest.mark.parametrize("name", FIRST)
@given(data=st.data())
def test_what_looks_like_a_piece_means_text_and_nothing_else(
    name: str, data: st.DataObject
) -> None:
    decoder = dialect(name).decoder()
    decoder.decode(event(FIRST[name]))
    frame = event(data.draw(changed(FIRST[name])), data.draw(EVENTS))
    if decoder.is_piece(frame):
        meant = decoder.decode(frame)
        assert meant
        assert all(isinstance(delta, Text | Thinking) for delta in meant)


@pytest.mark.parametrize("name", FIRST)
def test_a_piece_is_known_after_the_first_one(name: str) -> None:
    decoder = dialect(name).decoder()
    assert not decoder.is_piece(event(FIRST[name]))
    decoder.decode(event(FIRST[name]))
    assert decoder.is_piece(event(FIRST[name]))
    assert decoder.is_piece(event(FIRST[name] | {"obfuscation": "x"}))
    assert not decoder.is_piece(event(FIRST[name], "error"))


@pytest.mark.parametrize("name", DIALECTS)
@given(data=st.data())
def test_a_watch_comes_to_the_same_end_as_a_fold(name: str, data: st.DataObject) -> None:
    fold, watch = Fold(dialect(name).decoder()), Watch(dialect(name).decoder())
    first = FIRST.get(name, {})
    for value in data.draw(st.lists(changed(first), max_size=8)):
        frame = event(value, data.draw(EVENTS))
        watch.take(frame)
        fold.take(frame)
        assert watch.last_id == fold.last_id
    told, known = watch.reply.verdict, fold.reply.verdict
    assert (told and (told.state, told.last)) == (known and (known.state, known.last))
