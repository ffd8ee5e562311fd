"""The append-only log: frames as rows, by stream and sequence number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from ssechat.core.frames import Frame, FrameKind
from ssechat.journal import ownership
from ssechat.journal.rows import insert, storable, storables

_COLUMNS = ("kind", "data", "event", "id", "own_id", "retry", '"end"', "wall", "mono", "began")
_INSERT = insert("frame", ("stream_id", "seq", *_COLUMNS))
_SELECT = f"SELECT seq, {', '.join(_COLUMNS)} FROM frame"
_KINDS = {kind.value: kind for kind in FrameKind}


def append(
    connection: sqlite3.Connection,
    lease: str,
    stream_id: str,
    frames: Sequence[Frame],
    cursor: str,
) -> int:
    """Append to a live stream of ours and move its cursor. Returns the last sequence number.

    Numbers run from 1 without a gap. Raises LeaseLost.
    """
    found = connection.execute(
        "SELECT last_seq FROM stream WHERE id = ? AND lease = ?", (stream_id, lease)
    ).fetchone()
    if found is None:
        raise ownership.lost()
    first: int = found[0] + 1
    write(connection, stream_id, first, frames)
    last = first + len(frames) - 1
    connection.execute(
        "UPDATE stream SET last_seq = ?, cursor = ? WHERE id = ?",
        (last, storable(cursor), stream_id),
    )
    return last


def write(
    connection: sqlite3.Connection, stream_id: str, first: int, frames: Iterable[Frame]
) -> None:
    """Write rows numbered from `first`."""
    rows = ((stream_id, seq, *_values(frame)) for seq, frame in enumerate(frames, first))
    connection.executemany(_INSERT, rows)


def read(
    connection: sqlite3.Connection, stream_id: str, after: int, limit: int
) -> list[tuple[int, Frame]]:
    """Up to `limit` frames that follow number `after`, with their numbers."""
    rows = connection.execute(
        f"{_SELECT} WHERE stream_id = ? AND seq > ? ORDER BY seq LIMIT ?", (stream_id, after, limit)
    )
    return [(seq, _frame(values)) for seq, *values in rows]


def _values(frame: Frame) -> list[Any]:
    return storables(
        (
            *(frame.kind, frame.data, frame.event, frame.id, frame.own_id, frame.retry),
            *(frame.end, frame.wall, frame.mono, frame.began),
        )
    )


def _frame(values: list[Any]) -> Frame:
    kind, data, event, id_, own_id, *rest = values
    return Frame(_KINDS[kind], data, event, id_, bool(own_id), *rest)
