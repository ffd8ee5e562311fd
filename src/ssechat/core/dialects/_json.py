"""Reading JSON from a server that may send anything.

The accessors never raise: a field that is absent or of another type reads as empty.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

MAX_ITEMS = 2_000
MAX_COUNT = 2**53
"""The largest integer that every JSON reader agrees on (RFC 8259, section 6)."""


def parse(data: str | bytes) -> Any:
    """The value in `data`. Raises ValueError if it is no JSON, or nested beyond reason.

    Halves of surrogate pairs (which msgspec refuses) stay in the strings; `Mender` joins them.
    """
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def mapping(holder: Any, key: str) -> dict[str, Any]:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def sequence(holder: Any, key: str) -> list[Any]:
    """At most `MAX_ITEMS` of a list: nobody reads on, and each costs time on the event loop."""
    value = holder.get(key) if isinstance(holder, dict) else None
    return value[:MAX_ITEMS] if isinstance(value, list) else []


def string(holder: Any, key: str) -> str:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""


def count(holder: Any, key: str) -> int | None:
    """A whole number from 0 to `MAX_COUNT`, else None. `12.0` is whole, `true` is no number."""
    value = holder.get(key) if isinstance(holder, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MAX_COUNT and value == int(value) else None
