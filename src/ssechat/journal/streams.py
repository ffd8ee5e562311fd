"""Streams: reading their rows, changing a live one, settling it at its end, reopening it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from ssechat.journal import frames, media, ownership, packs
from ssechat.journal.lease import Lease
from ssechat.journal.problems import NotFound, not_found
from ssechat.journal.records import LIVE, UNFINISHED, Outcome, StreamChange, StreamRow
from ssechat.journal.rows import (
    OUTCOME_COLUMNS,
    call_from_blob,
    options_from_text,
    outcome_values,
    storables,
)

_SELECT = """
    SELECT stream.id, message_id, conversation_id, profile, dialect, stream.model, call,
        idempotency_key, resume_path, remote_id, cursor, rung, stream.state, stream.note,
        stream.created, ended, stream.ttfb_ms, stream.resumes, last_seq, stream.lease,
        COALESCE(owner.beat, 0.0) AS beat, scheme, options
    FROM stream
    JOIN message ON message.id = message_id
    LEFT JOIN request ON request.stream_id = stream.id
    LEFT JOIN owner ON owner.lease = stream.lease
"""
_CHANGEABLE = frozenset(StreamChange.__annotations__)


def get(connection: sqlite3.Connection, stream_id: str) -> StreamRow:
    """The stream. Raises NotFound."""
    for row in _rows(connection, "WHERE stream.id = ?", (stream_id,)):
        return row
    raise not_found("stream", stream_id)


def recent(connection: sqlite3.Connection, states: Iterable[str], limit: int) -> list[StreamRow]:
    """The newest streams first; of all states if none is named."""
    wanted = tuple(states)
    where = f"WHERE stream.state IN ({', '.join('?' * len(wanted))})" if wanted else ""
    order = "ORDER BY stream.rank DESC LIMIT ?"
    return list(_rows(connection, f"{where} {order}", (*wanted, limit)))


def met_relay(connection: sqlite3.Connection, profile: str) -> bool:
    """Whether one of the profile's streams came from a relay of ours."""
    query = "SELECT 1 FROM stream WHERE profile = ? AND scheme = 'relay' LIMIT 1"
    return connection.execute(query, (profile,)).fetchone() is not None


def unfinished(connection: sqlite3.Connection) -> list[StreamRow]:
    """Oldest first."""
    where = "WHERE stream.state IN ('live', 'stopping') ORDER BY stream.rank"
    return list(_rows(connection, where, ()))


def _rows(
    connection: sqlite3.Connection, rest: str, values: Iterable[object]
) -> Iterator[StreamRow]:
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    for row in cursor.execute(_SELECT + rest, tuple(values)):
        fields = dict(zip(row.keys(), row, strict=True))
        fields["call"] = call_from_blob(fields["call"])
        fields["options"] = options_from_text(fields["options"])
        yield StreamRow(**fields)


def by_life(
    connection: sqlite3.Connection, own: Lease, now: float
) -> tuple[list[StreamRow], list[StreamRow]]:
    """Unfinished streams whose owner is dead, and those of living others."""
    dead: list[StreamRow] = []
    living: list[StreamRow] = []
    for row in unfinished(connection):
        if row.lease != str(own):
            (living if own.alive(row.lease, row.beat, now) else dead).append(row)
    return dead, living


def update(
    connection: sqlite3.Connection, lease: str, stream_id: str, change: StreamChange
) -> None:
    """Change a live stream of ours. Raises LeaseLost."""
    if not change or change.keys() - _CHANGEABLE:
        raise ValueError(f"cannot change {sorted(change)}")
    if "state" in change and change["state"] not in UNFINISHED:
        raise ValueError("only settle ends a stream")
    names = ", ".join(f"{name} = ?" for name in change)
    ownership.check(
        connection.execute(
            f"UPDATE stream SET {names} WHERE id = ? AND lease = ?",
            storables((*change.values(), stream_id, lease)),
        )
    )
    if "state" in change:
        _mirror(connection, stream_id, change["state"], change.get("note", ""))


def _mirror(connection: sqlite3.Connection, stream_id: str, state: str, note: str) -> None:
    """Show the stream's state on its message."""
    connection.execute(
        "UPDATE message SET state = ?, note = ?"
        " WHERE id = (SELECT message_id FROM stream WHERE id = ?)",
        storables((state, note, stream_id)),
    )


def settle(
    connection: sqlite3.Connection, lease: str, stream_id: str, outcome: Outcome, now: float
) -> None:
    """End a stream of ours and write its message. Raises LeaseLost; ended already is no error."""
    settled = connection.execute(
        "UPDATE stream SET state = ?, note = ?, ended = ?, lease = '', ttfb_ms = ?, resumes = ?"
        " WHERE id = ? AND lease = ? AND state IN ('live', 'stopping')",
        storables(
            (
                *(outcome.state, outcome.note, now),
                *(outcome.ttfb_ms, outcome.resumes, stream_id, lease),
            )
        ),
    )
    if settled.rowcount:
        _project(connection, stream_id, outcome, now)
    elif get(connection, stream_id).state in UNFINISHED:
        raise ownership.lost()


def _project(connection: sqlite3.Connection, stream_id: str, outcome: Outcome, now: float) -> None:
    """Write what is shown of the stream from now on."""
    message_id, model = connection.execute(
        "SELECT message_id, model FROM stream WHERE id = ?", (stream_id,)
    ).fetchone()
    values = dict(zip(OUTCOME_COLUMNS, outcome_values(outcome), strict=True))
    values["model"] = values["model"] or model
    names = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE message SET {names} WHERE id = ?", (*values.values(), message_id))
    media.store(connection, message_id, outcome.media)
    connection.execute(
        "UPDATE conversation SET updated = ?"
        " WHERE id = (SELECT conversation_id FROM message WHERE id = ?)",
        (now, message_id),
    )


def reopen(connection: sqlite3.Connection, lease: str, stream_id: str, now: float) -> bool:
    """Make an ended stream live again, and ours; False if it is not ended (any more)."""
    ownership.claim(connection, lease, now)
    taken = connection.execute(
        "UPDATE stream SET lease = ?, state = 'live', note = '', ended = NULL"
        " WHERE id = ? AND state NOT IN ('live', 'stopping')",
        (lease, stream_id),
    )
    if taken.rowcount == 0:
        return False
    _mirror(connection, stream_id, LIVE, "")
    packs.unpack(connection, stream_id)
    if get(connection, stream_id).last_seq and not frames.read(connection, stream_id, 0, 1):
        raise NotFound(
            "this stream ended so long ago that it cannot go on",
            remedy="try the answer again, as a new attempt",
        )
    return True
