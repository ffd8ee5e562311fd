"""An answer that was cut must not make every later request of its conversation fail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.fixtures.messages import NAME, block, delta, stopped
from core.fixtures.streams import body, deltas, frames, reply
from ssechat.core.conversation import Prompt, Role, Turn, history
from ssechat.core.dialects import anthropic
from ssechat.core.frames import Frame

ASKED, NEXT = Turn(Role.USER, "q"), Turn(Role.USER, "go on")
ANSWER = block(3, "text", text="an answer")
EVENTS = [
    block(0, "thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="t"),
    delta(0, "signature_delta", signature="half "),
    delta(0, "signature_delta", signature="whole"),
    stopped(0),
    block(1, "redacted_thinking", data="EmwK"),
    stopped(1),
    block(2, "tool_use", id="t", name="f", input={}),
    delta(2, "input_json_delta", partial_json='{"a":'),
    stopped(2),
    ANSWER,
    stopped(3),
]


def sent_after(events: list[Frame]) -> list[dict[str, Any]]:
    """The messages of the request that follows an answer of these events."""
    folded = reply(deltas(NAME, events))
    answer = Turn(Role.ASSISTANT, folded.answer, tuple(folded.thoughts))
    turns = history([ASKED, answer, NEXT])
    messages = json.loads(anthropic.request(Prompt(turns, "m")).body)["messages"]
    assert isinstance(messages, list)
    return messages


def sealed(messages: list[dict[str, Any]]) -> list[str]:
    """The seals sent back, once every message is seen to hold them and text alone."""
    seals = []
    for message in messages:
        content = message["content"]
        *thoughts, text = [{"text": content}] if isinstance(content, str) else content
        assert text["text"].strip()
        seals += [part.get("signature") or part["data"] for part in thoughts]
        assert all(part["type"] in ("thinking", "redacted_thinking") for part in thoughts)
    return seals


def test_an_answer_cut_after_any_event_leaves_whole_blocks_only() -> None:
    for cut in range(len(EVENTS) + 1):
        answered = cut > EVENTS.index(ANSWER)
        assert sealed(sent_after(EVENTS[:cut])) == (["half whole", "EmwK"] if answered else [])


@given(st.lists(st.sampled_from(EVENTS), max_size=16))
def test_events_in_any_order_leave_no_thinking_without_a_seal(events: list[Frame]) -> None:
    assert all(sealed(sent_after(events)))


@pytest.mark.parametrize("stream", ["anthropic_thinking", "anthropic_tool", "anthropic_search"])
def test_a_stream_cut_after_any_event_can_be_followed(stream: str) -> None:
    events = frames([body(stream)], anthropic.END_MARK)
    uncut = json.dumps(sent_after(events))
    for cut in range(len(events)):
        *_, last = messages = sent_after(events[:cut])
        assert last["role"] == "user"
        assert all(seal in uncut for seal in sealed(messages))
