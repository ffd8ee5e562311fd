"""What a relay tells of a stored request: the model, and the user's last words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ssechat.core.conversation import Call, Prompt, Role, Turn
from ssechat.core.dialects import dialect
from ssechat.relay.questions import LONGEST, Question, question

API = [
    "openai-chat",
    "openai-responses",
    "anthropic",
    "gemini",
    "gemini-interactions",
    "ollama",
]


def asked(path: str = "v1/chat/completions", **body: Any) -> Question:
    return question(Call("POST", path, {}, json.dumps(body).encode()))


@pytest.mark.parametrize("api", API)
def test_the_last_words_of_a_conversation_are_told_in_every_dialect(api: str) -> None:
    turns = (
        Turn(Role.SYSTEM, "be brief"),
        Turn(Role.USER, "first"),
        Turn(Role.ASSISTANT, "one"),
        Turn(Role.USER, "second, with é"),
    )
    call = dialect(api).request(Prompt(turns, "m-1"))
    assert question(call) == Question("m-1", "second, with é")


@pytest.mark.parametrize(
    "body",
    [
        {"input": "why?"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "why?"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "why?"}]}]},
        {"input": [{"type": "text", "text": "why?"}]},
        {"contents": [{"parts": [{"text": "why?"}, {"inlineData": {"data": "AAAA"}}]}]},
        {
            "messages": [
                {"role": "user", "content": "why?"},
                {"role": "assistant", "content": None, "tool_calls": []},
                {"role": "tool", "content": "21 °C"},
                {"role": "user", "content": [{"type": "tool_result", "content": "21 °C"}]},
            ]
        },
        {
            "input": [
                {"type": "user_input", "content": "why?"},
                {"type": "model_output", "content": "because"},
                {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]},
                {"type": "function_call_output", "call_id": "c", "output": "21 °C"},
            ]
        },
    ],
)
def test_other_forms_of_a_turn_are_read_and_what_the_user_did_not_say_is_passed_over(
    body: dict[str, Any],
) -> None:
    assert asked(**body).prompt == "why?"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"\xff", b"[" * 100_000, b'{"messages":5,"model":7}', b'{"input":[5,null,[]]}'],
)
def test_a_body_that_cannot_be_read_tells_nothing(body: bytes) -> None:
    assert question(Call("POST", "v1/chat/completions", {}, body)) == Question()


def test_the_model_is_taken_from_a_path_that_names_it_and_long_words_are_visibly_cut() -> None:
    path = "v1beta/models/gemini-1:streamGenerateContent?alt=sse"
    told = asked(path, contents=[{"parts": [{"text": "é" * 300}]}])
    assert told == Question("gemini-1", "é" * (LONGEST - 1) + "…")
