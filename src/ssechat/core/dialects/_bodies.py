"""What the JSON APIs share outside their streams: request bodies, errors, lists of models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ssechat.core.dialects._json import parse, sequence, string
from ssechat.core.dialects._text import brief

MAX_MESSAGE = 500
MAX_MODEL_NAME = 200
_MESSAGE_KEYS = ("error", "message", "detail", "msg")
_DEPTH = 4


def body(fields: dict[str, Any], params: dict[str, Any]) -> bytes:
    """`fields` as JSON. `params` win, as they are; one that is None takes its field away."""
    merged = {**fields, **params}
    return msgspec.json.encode({key: value for key, value in merged.items() if value is not None})


def error_text(body: bytes) -> str:
    """The message inside an error body, in any shape known to us, or ""."""
    try:
        return message_in(parse(body))
    except ValueError:
        return ""


def message_in(value: Any, depth: int = _DEPTH) -> str:
    """The first message in an error: a string, or what lies under the usual keys; else ""."""
    if isinstance(value, str):
        return brief(value, MAX_MESSAGE)
    if depth == 0:
        return ""
    if isinstance(value, list):
        return message_in(value[0], depth - 1) if value else ""
    if isinstance(value, dict):
        found = (message_in(value.get(key), depth - 1) for key in _MESSAGE_KEYS)
        return next((text for text in found if text), "")
    return ""


def models(body: bytes, rows_key: str = "data", name_key: str = "id") -> list[str]:
    """The ids in `{"data": [{"id": …}]}` or in the bare list, in order, each once."""
    try:
        answer = parse(body)
    except ValueError:
        return []
    rows = answer if isinstance(answer, list) else sequence(answer, rows_key)
    return usable(string(row, name_key) for row in rows)


def usable(names: Iterable[str]) -> list[str]:
    """The names that can be shown and chosen, in order, each once."""
    fit = (name for name in names if 0 < len(name) <= MAX_MODEL_NAME and name.isprintable())
    return list(dict.fromkeys(fit))
