"""What both of Gemini's dialects ask."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ssechat.core.conversation import Prompt, Role, Thought, Turn
from ssechat.core.dialects import dialect, gemini, gemini_interactions
from ssechat.core.dialects._continue import NUDGE

BOTH = ["gemini", "gemini-interactions"]
ASKED = (Turn(Role.SYSTEM, "be kind"), Turn(Role.USER, "hi"), Turn(Role.ASSISTANT, "ho"))
HI = (Turn(Role.USER, "hi"),)


def prompt(*turns: Turn, model: str = "m", **params: Any) -> Prompt:
    return Prompt(turns or HI, model, params)


def content(*turns: Turn, **params: Any) -> dict[str, Any]:
    fields = json.loads(gemini.request(prompt(*turns, **params)).body)
    assert isinstance(fields, dict)
    return fields


def interaction(*turns: Turn, **params: Any) -> dict[str, Any]:
    fields = json.loads(gemini_interactions.request(prompt(*turns, **params)).body)
    assert isinstance(fields, dict)
    return fields


# gemini


def test_contents_hold_the_path_with_the_system_prompt_apart() -> None:
    assert content(*ASKED) == {
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"text": "ho"}]},
        ],
        "systemInstruction": {"parts": [{"text": "be kind"}]},
    }


def test_no_system_prompt_is_sent_where_there_is_none() -> None:
    assert "systemInstruction" not in content()
    assert "system_instruction" not in interaction()


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        ("gemini-x", "gemini-x"),
        ("models/gemini-x", "gemini-x"),
        ("a/../../b", "a%2F..%2F..%2Fb"),
        ("..", ".."),
        ("x?alt=json#", "x%3Falt%3Djson%23"),
        ("@evil.example:443", "%40evil.example%3A443"),
        ("é \n", "%C3%A9%20%0A"),
        ("\ud83d", "%EF%BF%BD"),
    ],
)
def test_the_model_is_one_segment_of_the_path(model: str, segment: str) -> None:
    call = gemini.request(prompt(model=model))
    assert call.path == f"models/{segment}:streamGenerateContent?alt=sse"
    assert (call.method, call.headers) == ("POST", {"content-type": "application/json"})
    assert call.fallback == b""


def test_params_stand_at_the_top_of_the_body_and_win() -> None:
    config = {"temperature": 0, "thinkingConfig": {"includeThoughts": True}}
    assert content(generationConfig=config, contents=[]) == {
        "contents": [],
        "generationConfig": config,
    }


def test_sealed_thoughts_of_other_apis_stay_at_home() -> None:
    (turn,) = content(Turn(Role.ASSISTANT, "a", (Thought("t", "sig"),)))["contents"]
    assert turn == {"role": "model", "parts": [{"text": "a"}]}


# gemini-interactions


def test_input_holds_the_path_as_steps() -> None:
    assert interaction(*ASKED) == {
        "model": "m",
        "input": [
            {"type": "user_input", "content": [{"type": "text", "text": "hi"}]},
            {"type": "model_output", "content": [{"type": "text", "text": "ho"}]},
        ],
        "system_instruction": "be kind",
        "stream": True,
        "background": True,
        "store": True,
    }


def test_the_fallback_is_the_same_without_background() -> None:
    call = gemini_interactions.request(prompt())
    assert (call.method, call.path) == ("POST", "interactions")
    full, humble = json.loads(call.body), json.loads(call.fallback)
    assert full == {**humble, "background": True}
    assert humble["store"] is True


@pytest.mark.parametrize("params", [{"background": False}, {"background": True}])
def test_no_fallback_is_left_where_the_profile_decides(params: dict[str, Any]) -> None:
    assert gemini_interactions.request(prompt(**params)).fallback == b""


def test_what_is_not_stored_is_not_made_in_the_background() -> None:
    call = gemini_interactions.request(prompt(store=False))
    assert "background" not in json.loads(call.body)
    assert call.fallback == b""


def test_an_agent_takes_the_models_place() -> None:
    fields = interaction(agent="deep-research", agent_config={"type": "deep-research"})
    assert "model" not in fields
    assert fields["agent"] == "deep-research"


def test_thoughts_go_back_before_their_answer_byte_for_byte() -> None:
    thoughts = (Thought("tho\nught é", "EpoG+/=="), Thought("", "c2ln"), Thought("never sealed"))
    assert interaction(Turn(Role.ASSISTANT, "a", thoughts))["input"] == [
        {
            "type": "thought",
            "summary": [{"type": "text", "text": "tho\nught é"}],
            "signature": "EpoG+/==",
        },
        {"type": "thought", "summary": [], "signature": "c2ln"},
        {"type": "model_output", "content": [{"type": "text", "text": "a"}]},
    ]


# Both


@pytest.mark.parametrize("name", BOTH)
def test_the_dialect_is_found_by_its_name(name: str) -> None:
    assert dialect(name).auth("k-1") == {"x-goog-api-key": "k-1"}


def test_only_interactions_are_kept() -> None:
    assert [dialect(name).SCHEME for name in BOTH] == ["", "interactions"]


@pytest.mark.parametrize("name", BOTH)
def test_a_cut_answer_goes_on_by_a_message(name: str) -> None:
    asked = dialect(name).continuation(prompt(), "Half an ans", "google")
    assert asked is not None
    assert (asked.how, asked.trim) == ("by a message", True)
    turns = (*HI, Turn(Role.ASSISTANT, "Half an ans"), Turn(Role.USER, NUDGE))
    assert asked.call == dialect(name).request(prompt(*turns))


@pytest.mark.parametrize("name", BOTH)
def test_half_a_surrogate_pair_is_mended(name: str) -> None:
    turns = (Turn(Role.SYSTEM, "\ud83d"), Turn(Role.USER, "a\ude00"))
    sent = dialect(name).request(prompt(*turns, model="\ud83d")).body.decode()
    assert "a\ufffd" in sent


@pytest.mark.parametrize("name", BOTH)
def test_models_that_generate_are_listed_without_their_prefix(name: str) -> None:
    rows = [
        {"name": "models/b", "supportedGenerationMethods": ["countTokens", "generateContent"]},
        {"name": "models/embed", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/a"},
        {"name": "models/b"},
        {"name": "models/\x1b"},
        {"name": 5},
        5,
    ]
    assert dialect(name).models(json.dumps({"models": rows}).encode()) == ["b", "a"]
    assert dialect(name).models(b"<html>") == []
    assert dialect(name).models(b'{"models":{"name":"a"}}') == []


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b'{"error":{"code":400,"message":"API key not valid.","status":"X"}}',
            "API key not valid.",
        ),
        (b'[{"error":{"code":404,"message":"No such model."}}]', "No such model."),
        (b"<html>", ""),
    ],
)
def test_the_message_in_an_error_body(name: str, answer: bytes, words: str) -> None:
    assert dialect(name).error_text(answer) == words


def test_the_message_in_a_refusal_that_is_an_event() -> None:
    event = b'event: error\r\ndata: {"error":{"message":"Corrupted thought signature."}}\r\n\r\n'
    assert gemini_interactions.error_text(event) == "Corrupted thought signature."
    assert gemini_interactions.error_text(b"data: x") == ""
