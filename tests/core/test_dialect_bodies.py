from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from core.fixtures.hostile import JSON
from ssechat.core.dialects import openai_chat


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b'{"error":{"message":"no such model","code":404}}', "no such model"),
        (b'{"error":"model \\"x\\" not found"}', 'model "x" not found'),
        (b'{"message":"Unauthorized"}', "Unauthorized"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b'{"detail":[{"loc":["body"],"msg":"field required"}]}', "field required"),
        (b'[{"error":{"message":"bad key"}}]', "bad key"),
        (b'{"error":{"message":"a\\u001b[31mb\\nc"}}', "a [31mb c"),
        (b'{"error":{"message":"' + b"x" * 600 + b'"}}', "x" * 499 + "…"),
        (b'{"error":{"message":5}}', ""),
        (b"<html>502</html>", ""),
        (b"", ""),
        (b"\xff\xfe{", ""),
        (b"[" * 100_000, ""),
        (b'{"error":' * 900 + b'"too deep"' + b"}" * 900, ""),
    ],
)
def test_the_message_in_an_error_body(answer: bytes, text: str) -> None:
    assert openai_chat.error_text(answer) == text


@given(JSON)
def test_any_json_as_error_or_list_of_models_is_survived(value: Any) -> None:
    answer = json.dumps(value).encode()
    assert len(openai_chat.error_text(answer)) <= 500
    assert all(openai_chat.models(answer))


def test_the_models_are_listed_in_order_each_once() -> None:
    answer = b'{"data":[{"id":"b"},{"id":"a"},{"id":"b"},{"id":7},{},5,{"id":"x\\u001b"}]}'
    assert openai_chat.models(answer) == ["b", "a"]
    assert openai_chat.models(b'[{"id":"bare"}]') == ["bare"]
    assert openai_chat.models(b"<html>") == []
    assert openai_chat.models(b'{"data":{"id":"a"}}') == []
