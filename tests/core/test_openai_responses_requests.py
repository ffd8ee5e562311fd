from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.fixtures.hostile import JSON
from core.fixtures.responses import NAME, said
from core.fixtures.streams import event
from ssechat.core.conversation import Prompt, Role, Thought, Turn
from ssechat.core.dialects import dialect
from ssechat.core.dialects._continue import NUDGE
from ssechat.core.frames import Frame, FrameKind

RESPONSES = dialect(NAME)
HI = Turn(Role.USER, "hi")


def request(*turns: Turn, **params: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The body and the humbler one."""
    call = RESPONSES.request(Prompt(turns, "m", params))
    return json.loads(call.body), json.loads(call.fallback) if call.fallback else None


def test_the_request_asks_for_an_answer_that_is_kept() -> None:
    turns = (Turn(Role.SYSTEM, "be kind"), HI, Turn(Role.ASSISTANT, "ho", (Thought("t", "s"),)))
    fields, _ = request(*turns)
    assert fields == {
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": "hi"},
            {"type": "message", "role": "assistant", "content": "ho"},
        ],
        "instructions": "be kind",
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "background": True,
        "store": True,
    }


def test_the_humbler_request_leaves_out_what_a_server_may_refuse() -> None:
    fields, humbler = request(HI, max_output_tokens=7, reasoning={"summary": "auto"})
    assert humbler is not None
    assert fields == {**humbler, "background": True, "store": True}
    assert humbler["max_output_tokens"] == 7
    assert humbler["reasoning"] == {"summary": "auto"}


def test_there_are_no_instructions_without_a_system_turn() -> None:
    assert "instructions" not in request(HI)[0]


@pytest.mark.parametrize(
    ("params", "background", "store"),
    [
        ({"background": False}, False, None),
        ({"background": None}, None, None),
        ({"background": True}, True, True),
        ({"store": False}, None, False),
        ({"store": False, "background": True}, True, False),
    ],
)
def test_what_the_user_says_of_it_is_sent_and_has_no_fallback(
    params: Any, background: Any, store: Any
) -> None:
    fields, humbler = request(HI, **params)
    assert (fields.get("background"), fields.get("store"), humbler) == (background, store, None)


def test_the_call_names_its_path() -> None:
    call = RESPONSES.request(Prompt((HI,), "m"))
    assert (call.method, call.path) == ("POST", "responses")
    assert call.headers == {"content-type": "application/json"}


def test_a_cut_answer_goes_on_by_a_message() -> None:
    more = RESPONSES.continuation(Prompt((HI,), "m"), "Once upon a", "vllm")
    assert more is not None
    assert (more.how, more.trim) == ("by a message", True)
    assert json.loads(more.call.body)["input"][1:] == [
        {"type": "message", "role": "assistant", "content": "Once upon a"},
        {"type": "message", "role": "user", "content": NUDGE},
    ]


@pytest.mark.parametrize("params", [{}, {"background": False}])
def test_llamacpp_goes_on_from_the_last_message_or_is_asked_by_a_message(params: Any) -> None:
    more = RESPONSES.continuation(Prompt((HI,), "m", params), "Once upon a", "llamacpp")
    assert more is not None
    assert (more.how, more.trim, more.echoes) == ("prefill", True, True)
    prefill, humbler = json.loads(more.call.body), json.loads(more.call.fallback)
    said = {"type": "message", "role": "assistant", "content": "Once upon a"}
    assert prefill["input"][1:] == [said]
    assert humbler["input"][1:] == [said, {"type": "message", "role": "user", "content": NUDGE}]
    assert not humbler.get("background")


# The names of events


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ('{"sequence_number":0}', "0"),
        ('{"type":"response.created","response":{"sequence_number":9},"sequence_number":12}', "12"),
        (f'{{"sequence_number":{2**53}}}', str(2**53)),
        (' {"sequence_number":7}\n', "7"),
        ('{"delta":"\\ud83d","sequence_number":7}', "7"),
        ('{"delta":"\\ud83d","sequence_number":true}', ""),
        ('{"sequence_number":-1}', ""),
        (f'{{"sequence_number":{2**53 + 1}}}', ""),
        ('{"sequence_number":' + "9" * 5000 + "}", ""),
        ('{"sequence_number":1e999}', ""),
        ('{"sequence_number":"7"}', ""),
        ('{"sequence_number":null}', ""),
        ('{"response":{"sequence_number":9}}', ""),
        ('{"sequence_number":7', ""),
        ('{"sequence_number":7,"a":' + "[" * 100_000, ""),
        ("\ud800", ""),
        ("[DONE]", ""),
        ("", ""),
    ],
)
def test_an_event_is_named_by_its_number(data: str, name: str) -> None:
    assert RESPONSES.event_id(event(data)) == name


def test_only_events_have_a_number() -> None:
    assert RESPONSES.event_id(Frame(FrameKind.COMMENT, '{"sequence_number":1}')) == ""
    assert RESPONSES.event_id(said("a")) == ""


@given(JSON, JSON)
def test_any_json_has_a_number_or_none(value: Any, number: Any) -> None:
    assert RESPONSES.event_id(event(json.dumps(value))) == ""
    counted = RESPONSES.event_id(event(json.dumps({"sequence_number": number, "x": value})))
    assert counted == "" or (counted.isascii() and counted.isdecimal())


@given(st.text(max_size=40))
def test_any_text_has_a_number_or_none(data: str) -> None:
    RESPONSES.event_id(event(data))
