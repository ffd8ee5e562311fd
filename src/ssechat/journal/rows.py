"""Between structs and rows. Whatever text or number a server sent can be stored."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import zlib
from base64 import b32encode
from collections.abc import Iterable
from typing import Any

import msgspec

from ssechat.core.conversation import Call, Thought
from ssechat.journal.problems import Damaged
from ssechat.journal.records import MessageRow, Outcome

INTEGERS = range(-(2**63), 2**63)
_ZLIB = b"x"  # how a zlib stream starts, and no MessagePack map
_SURROGATES = re.compile("[\ud800-\udfff]")

_ELSEWHERE = ("media", "stream_id", "dialect")  # in tables of their own
OUTCOME_COLUMNS = tuple(name for name in Outcome.__struct_fields__ if name not in _ELSEWHERE)
MESSAGE_COLUMNS = tuple(name for name in MessageRow.__struct_fields__ if name not in _ELSEWHERE)


def new_id(prefix: str) -> str:
    """`prefix`, then 128 random bits in lower-case base32."""
    return prefix + b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


def storable(value: Any) -> Any:
    """`value` as SQLite can take it: lone surrogates become U+FFFD, huge integers the nearest."""
    if isinstance(value, str):
        return _scrubbed(value)
    if isinstance(value, int) and value not in INTEGERS:
        return INTEGERS[-1] if value > 0 else INTEGERS[0]
    return value


def storables(values: Iterable[Any]) -> list[Any]:
    return [storable(value) for value in values]


def insert(table: str, columns: Iterable[str]) -> str:
    """The INSERT for these columns of a table of ours."""
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


def outcome_values(outcome: Outcome) -> list[Any]:
    """In the order of OUTCOME_COLUMNS."""
    values = {name: getattr(outcome, name) for name in OUTCOME_COLUMNS}
    values["thoughts"] = to_json(outcome.thoughts)
    values["parts"] = to_json(outcome.parts)
    return storables(values.values())


def message(row: sqlite3.Row) -> MessageRow:
    """A row with MESSAGE_COLUMNS and stream_id."""
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row iterates values
    values["estimated"] = bool(values["estimated"])
    values["thoughts"] = _from_json(values["thoughts"], tuple[Thought, ...])
    values["parts"] = _from_json(values["parts"], list[dict[str, Any]])
    return MessageRow(**values)


def to_json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
        return _scrubbed(text).encode()


def call_to_blob(call: Call) -> bytes:
    return msgspec.msgpack.encode(call)


def packed_call(blob: bytes) -> bytes:
    return blob if blob[:1] == _ZLIB else zlib.compress(blob)


def call_from_blob(blob: bytes | None) -> Call:
    """Packed or not; an empty request if it is no longer kept."""
    if blob is None:
        return Call("", "", {})
    try:
        plain = zlib.decompress(blob) if blob[:1] == _ZLIB else blob
        return msgspec.msgpack.decode(plain, type=Call)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise unreadable(error) from None


def options_from_text(text: str) -> dict[str, Any]:
    """A dialect's options, as `begin` wrote them."""
    return dict(_from_json(text.encode(), dict[str, Any])) if text else {}


def unreadable(error: Exception) -> Damaged:
    return Damaged(
        "a part of the journal cannot be read",
        detail=str(error),
        remedy="restore a copy of the file, or delete the conversation that it is in",
    )


def _scrubbed(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
    return str(text)


def _from_json(data: bytes, shape: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.MsgspecError as error:
        raise unreadable(error) from None
