from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.conversation import Continuation, Prompt, Role, Thought, Turn
from ssechat.core.dialects import anthropic, openai_chat
from ssechat.core.dialects._claude import takes_prefill
from ssechat.core.dialects._continue import NUDGE, by_message, prefilled

PARTIAL = "Once upon a"
QUESTION = Turn(Role.USER, "Tell me a tale")
PREFILL = [
    {"role": "user", "content": QUESTION.text},
    {"role": "assistant", "content": PARTIAL},
]
BY_MESSAGE = [*PREFILL, {"role": "user", "content": NUDGE}]


def prompt(model: str = "m", **params: Any) -> Prompt:
    return Prompt((QUESTION,), model, params)


def chat(server: str, **params: Any) -> Continuation:
    return openai_chat.continuation(prompt(**params), PARTIAL, server)


def messages(model: str, server: str = "", **params: Any) -> Continuation:
    return anthropic.continuation(prompt(model, **params), PARTIAL, server)


def said(call: bytes) -> Any:
    return json.loads(call)["messages"]


# What is asked for


def test_the_path_that_was_asked_stands_before_the_partial_answer() -> None:
    turns = (Turn(Role.SYSTEM, "be kind"), QUESTION)
    before = Prompt(turns, "m", {"max_tokens": 5})
    partial = Turn(Role.ASSISTANT, PARTIAL)
    assert prefilled(before, PARTIAL) == Prompt((*turns, partial), "m", {"max_tokens": 5})
    asked = (*turns, partial, Turn(Role.USER, NUDGE))
    assert by_message(before, PARTIAL) == Prompt(asked, "m", {"max_tokens": 5})


def test_earlier_thoughts_go_along_and_none_is_put_before_the_partial() -> None:
    earlier = Turn(Role.ASSISTANT, "hi", (Thought("hm", "sig"),))
    before = Prompt((QUESTION, earlier, QUESTION), "claude-sonnet-4-5")
    sent = said(anthropic.continuation(before, PARTIAL, "").call.body)
    assert sent[1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "sig"}
    assert sent[-1] == PREFILL[-1]


# Chat Completions


@pytest.mark.parametrize("server", ["vllm", "sglang", "SGLang"])
def test_vllm_and_sglang_are_told_to_go_on_from_the_last_message(server: str) -> None:
    asked = chat(server)
    assert (asked.how, asked.trim) == ("prefill", False)
    assert said(asked.call.fallback) == BY_MESSAGE
    assert json.loads(asked.call.body) == {
        "model": "m",
        "messages": PREFILL,
        "stream": True,
        "stream_options": {"include_usage": True},
        "add_generation_prompt": False,
        "continue_final_message": True,
    }


def test_llamacpp_goes_on_from_the_last_message_or_is_asked_by_a_message() -> None:
    asked = chat("llamacpp")
    assert (asked.how, asked.trim) == ("prefill", True)
    assert said(asked.call.body) == PREFILL
    assert said(asked.call.fallback) == BY_MESSAGE


@pytest.mark.parametrize("server", ["api.deepseek.com", "deepseek"])
def test_deepseek_takes_a_prefix_under_its_beta_path(server: str) -> None:
    asked = chat(server)
    assert (asked.how, asked.trim) == ("prefix", False)
    assert said(asked.call.fallback) == BY_MESSAGE
    assert asked.call.path == "/beta/chat/completions"
    assert said(asked.call.body) == [PREFILL[0], {**PREFILL[1], "prefix": True}]


@pytest.mark.parametrize(
    "server", ["", "api.openai.com", "api.deepseek.com.evil.example", "ollama"]
)
def test_any_other_server_is_asked_by_a_message(server: str) -> None:
    asked = chat(server)
    assert (asked.how, asked.trim) == ("by a message", True)
    assert asked.call == openai_chat.request(by_message(prompt(), PARTIAL))
    assert said(asked.call.body) == said(asked.call.fallback) == BY_MESSAGE


@pytest.mark.parametrize("server", ["vllm", "llamacpp", "deepseek", ""])
def test_the_profiles_params_hold_for_every_form(server: str) -> None:
    call = chat(server, temperature=0.5).call
    for form in filter(None, (call.body, call.fallback)):
        assert json.loads(form)["temperature"] == 0.5
    assert call.headers == openai_chat.request(prompt()).headers


# Messages


@pytest.mark.parametrize(
    "model",
    [
        "claude-2.1",
        "claude-instant-1.2",
        "claude-3-opus-20240229",
        "claude-3-5-sonnet-latest",
        "claude-3.7-sonnet",
        "claude-sonnet-4-20250514",
        "claude-opus-4-0",
        "claude-opus-4-1-20250805",
        "claude-4-sonnet",
        "claude-haiku-4-5",
        "claude-opus-4-5-20251101",
        "Claude-Sonnet-4-5@20250929",
        "anthropic/claude-sonnet-4",
        "anthropic/claude-opus-4.5",
        "anthropic.claude-v2:1",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ],
)
def test_claude_up_to_4_5_takes_a_prefill(model: str) -> None:
    asked = messages(model)
    assert (asked.how, asked.trim) == ("prefill", False)
    assert said(asked.call.body) == PREFILL
    assert said(asked.call.fallback) == BY_MESSAGE


@pytest.mark.parametrize(
    "model",
    [
        "",
        "m",
        "claude",
        "claude-sonnet-latest",
        "claude-opus-4-6",
        "claude-sonnet-4-6-20260301",
        "anthropic/claude-opus-4.6",
        "claude-opus-4-10",
        "claude-opus-5",
        "claude-5-haiku",
        "claude-20250101",
        "notclaude-3",
    ],
)
def test_a_later_or_unknown_model_is_asked_by_a_message(model: str) -> None:
    asked = messages(model)
    assert (asked.how, asked.trim, asked.call.fallback) == ("by a message", True, b"")
    assert said(asked.call.body) == BY_MESSAGE


def test_llamacpp_takes_a_prefill_whatever_the_model_is_called() -> None:
    asked = messages("gemma", "llamacpp")
    assert asked.how == "prefill"
    assert said(asked.call.body) == PREFILL
    assert said(asked.call.fallback) == BY_MESSAGE


@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 1024}, {}, "on"])
def test_no_prefill_where_thinking_is_asked_for(thinking: Any) -> None:
    wanted = "by a message" if thinking else "prefill"
    assert messages("claude-sonnet-4-5", thinking=thinking).how == wanted
    assert messages("gemma", "llamacpp", thinking=thinking).how == wanted


def test_thinking_that_is_turned_off_does_not_stand_in_the_way() -> None:
    assert messages("claude-sonnet-4-5", thinking={"type": "disabled"}).how == "prefill"


@given(st.text(max_size=30), st.text(max_size=30), st.text(min_size=1, max_size=30))
def test_any_name_and_partial_makes_a_request(model: str, server: str, partial: str) -> None:
    asked = Prompt((QUESTION,), model)
    for dialect in (openai_chat, anthropic):
        json.loads(dialect.continuation(asked, partial, server).call.body)


@given(st.from_regex(r"claude(-[a-z]{1,6}){0,3}-\d{1,3}([-.]\d{1,9}){0,3}", fullmatch=True))
def test_a_vendors_prefix_changes_nothing(name: str) -> None:
    assert takes_prefill(name) == takes_prefill(f"anthropic/{name}") == takes_prefill(name.upper())
