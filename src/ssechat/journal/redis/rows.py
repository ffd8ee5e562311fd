"""Between hashes in Redis and structs."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ssechat.journal.owned import Owned
from ssechat.journal.records import LIVE, NewStream, Outcome, StreamChange, StreamRow
from ssechat.journal.redis.writer import Value
from ssechat.journal.rows import call_from_blob, options_from_text, to_json

Hash = Mapping[bytes, bytes]


def fresh(new: NewStream, lease: str, now: float) -> dict[str, Value]:
    """The hash of a stream that begins."""
    return {
        "profile": text(new.profile),
        "dialect": new.dialect,
        "model": text(new.model),
        "upstream_key": new.idempotency_key,
        "options": to_json(new.options) if new.options else b"",
        "state": LIVE,
        "created": now,
        "lease": lease,
        "epoch": 1,
        "last_seq": 0,
    }


def owner_fields(owned: Owned) -> dict[str, Value]:
    return {
        "owner": text(owned.owner),
        "upstream": owned.upstream,
        "has_key": int(owned.idempotency_key is not None),
        "client_key": text(owned.idempotency_key or ""),
        "digest": owned.digest,
    }


def changed(change: StreamChange) -> list[Value]:
    """Fields and values in turn. What is None is left out."""
    return _flat({name: value for name, value in change.items() if value is not None})


def ended(outcome: Outcome, now: float) -> list[Value]:
    values = {"state": outcome.state, "note": outcome.note, "resumes": outcome.resumes}
    return _flat({**values, "ttfb_ms": outcome.ttfb_ms or 0.0, "ended": now})


def stream_row(stream_id: str, found: Hash, call: bytes | None) -> StreamRow:
    return StreamRow(
        id=stream_id,
        message_id=stream_id,
        conversation_id=stream_id,
        profile=_str(found, "profile"),
        dialect=_str(found, "dialect"),
        model=_str(found, "model"),
        call=call_from_blob(call),
        idempotency_key=_str(found, "upstream_key"),
        resume_path=_str(found, "resume_path"),
        remote_id=_str(found, "remote_id"),
        cursor=_str(found, "cursor"),
        rung=_str(found, "rung"),
        state=_str(found, "state"),
        note=_str(found, "note"),
        created=_float(found, "created") or 0.0,
        ended=_float(found, "ended"),
        ttfb_ms=_float(found, "ttfb_ms"),
        resumes=int(_str(found, "resumes") or 0),
        last_seq=int(_str(found, "last_seq") or 0),
        lease=_str(found, "lease"),
        beat=0.0,
        scheme=_str(found, "scheme"),
        options=options_from_text(_str(found, "options")),
    )


def owned_row(stream_id: str, found: Hash) -> Owned | None:
    """None if it was never registered."""
    if b"owner" not in found:
        return None
    return Owned(
        stream_id=stream_id,
        owner=_str(found, "owner"),
        upstream=_str(found, "upstream"),
        idempotency_key=_str(found, "client_key") if _str(found, "has_key") == "1" else None,
        digest=found.get(b"digest", b""),
        dialect=_str(found, "dialect"),
        state=_str(found, "state"),
        note=_str(found, "note"),
        created=_float(found, "created") or 0.0,
        ended=_float(found, "ended"),
        conversation_id=stream_id,
        profile=_str(found, "profile"),
    )


def text(value: str) -> bytes:
    return value.encode("utf-8", "replace")


def _flat(values: Mapping[str, object]) -> list[Value]:
    flat: list[Value] = []
    for name, value in values.items():
        flat += [name, text(value) if isinstance(value, str) else _number(value)]
    return flat


def _number(value: object) -> Value:
    return value if isinstance(value, bytes | int | float) else msgspec.json.encode(value)


def _str(found: Hash, name: str) -> str:
    return found.get(name.encode(), b"").decode("utf-8", "replace")


def _float(found: Hash, name: str) -> float | None:
    value = found.get(name.encode())
    return float(value) if value else None
