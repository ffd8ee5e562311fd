"""The simple view, read back: what it tells is what the upstream said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.fixtures.streams import body, frames, read
from ssechat.core.deltas import Delta, EndState, Verdict
from ssechat.core.dialects import dialect
from ssechat.core.dialects.sse import SIMPLE_VIEW
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.reply import Reply
from ssechat.relay.simple import VIEW, View, encoded, end_mark


def decoded(*events: Any) -> list[Delta]:
    decoder = dialect("sse", {"view": SIMPLE_VIEW}).decoder()
    told = [
        delta
        for event in events
        for delta in decoder.decode(
            Frame(FrameKind.EVENT, event if isinstance(event, str) else json.dumps(event))
        )
    ]
    return told + decoder.close()


@pytest.mark.parametrize(
    ("api", "file"),
    [
        ("openai-chat", "openai_plain"),
        ("openai-chat", "vllm_reasoning"),
        ("openai-chat", "openai_surrogates"),
        ("openai-chat", "openai_audio"),
        ("openai-responses", "responses_text"),
        ("anthropic", "anthropic_thinking"),
        ("gemini", "gemini_text"),
        ("gemini", "gemini_blocked"),
    ],
)
def test_an_answer_comes_through_the_view_as_it_was(api: str, file: str) -> None:
    direct, codec = read(api, [body(file)]), dialect(api)
    assert direct.verdict is not None
    view = View(codec)
    seen = [*frames([body(file)], codec.END_MARK), end_mark(direct.verdict.state, "")]
    through = Reply()
    for delta in decoded(*(encoded(event) for frame in seen for event in view.take(frame))):
        through.apply(delta, 0.0)
    assert (through.answer, through.thinking) == (direct.answer, direct.thinking)
    assert [one.data for one in through.media()] == [one.data for one in direct.media()]
    assert through.verdict is not None
    assert through.verdict.state is direct.verdict.state
    assert through.usage.output == direct.usage.output


def test_the_name_of_the_view_is_the_relays() -> None:
    assert SIMPLE_VIEW == VIEW


@pytest.mark.parametrize("state", list(EndState))
def test_the_end_is_the_one_that_is_told(state: EndState) -> None:
    end = {"type": "end", "state": state, "content": "why\n"}
    assert decoded(end) == [Verdict(state, "why")]


@pytest.mark.parametrize(
    "event", ["", "5", "[]", "{", "[" * 100_000, '{"type":5}', '{"type":"image","content":7}']
)
def test_what_is_no_event_of_the_view_means_nothing(event: str) -> None:
    assert decoded(event) == []
