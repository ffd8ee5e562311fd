from __future__ import annotations

from typing import Any

import pytest

from core.fixtures.chat import called, calls, chunk, told
from ssechat.core.deltas import Tool


@pytest.mark.parametrize(
    "second",
    [
        {"index": 0, "function": {"arguments": "}"}},
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}},
        {"index": 0, "id": "random", "function": {"arguments": "}"}},
        {"id": "a", "function": {"arguments": "}"}},
        {"function": {"arguments": "}"}},
        {"index": None, "id": "", "function": {"name": None, "arguments": "}"}},
        {"function": {"name": "f", "arguments": "}"}},
    ],
)
def test_a_fragment_continues_its_call(second: dict[str, Any]) -> None:
    first = called(index=0, id="a", type="function", function={"name": "f", "arguments": "{"})
    assert calls(first, called(**second)) == [("f", "{}")]


@pytest.mark.parametrize(
    "second",
    [
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": "[]"}},
        {"index": 1, "function": {"name": "g", "arguments": "[]"}},
        {"id": "b", "function": {"name": "g", "arguments": "[]"}},
        {"index": 0, "id": "b", "function": {"name": "g", "arguments": "[]"}},
        {"function": {"name": "g", "arguments": "[]"}},
    ],
)
def test_another_call_is_told_apart(second: dict[str, Any]) -> None:
    first = called(index=0, id="a", function={"name": "f", "arguments": "{}"})
    assert calls(first, called(**second)) == [("f", "{}"), ("g", "[]")]


def test_fragments_find_the_call_that_last_used_their_index() -> None:
    first = called(index=0, id="a", function={"name": "f", "arguments": "1"})
    second = called(index=0, id="b", function={"name": "g", "arguments": "2"})
    more = called(index=0, function={"arguments": "3"})
    assert calls(first, second, more) == [("f", "1"), ("g", "23")]


def test_id_and_name_of_a_call_are_told_once() -> None:
    fragment = called(index=0, id="a", function={"name": "f", "arguments": "x"})
    assert told(fragment, fragment) == [Tool(0, "a", "f", "x"), Tool(0, arguments="x")]


def test_the_deprecated_function_call_is_a_tool_call() -> None:
    first = chunk({"function_call": {"name": "f", "arguments": "{"}})
    second = chunk({"function_call": {"arguments": "}"}}, "function_call")
    assert calls(first, second) == [("f", "{}")]
