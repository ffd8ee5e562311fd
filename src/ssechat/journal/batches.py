"""Frames as the relay's journal keeps them: one row for each commit, for they are read in order.

A commit waits for the disk, and longer for each page that it touches. So the stream's own row is
left alone: how far it has come is told by its last batch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from ssechat.core.frames import Frame
from ssechat.journal import ownership
from ssechat.journal.codec import decoded, encoded
from ssechat.journal.records import StreamRow
from ssechat.journal.rows import insert, storable

TABLE = """CREATE TABLE IF NOT EXISTS batch (
    stream_id TEXT NOT NULL REFERENCES stream (id) ON DELETE CASCADE,
    last_seq INTEGER NOT NULL,
    cursor TEXT NOT NULL,           -- behind the batch
    frames BLOB NOT NULL,           -- as in codec.py
    PRIMARY KEY (stream_id, last_seq)
) WITHOUT ROWID"""
_INSERT = insert("batch", ("stream_id", "last_seq", "cursor", "frames"))
_LAST = """SELECT COALESCE(
        (SELECT last_seq FROM batch WHERE stream_id = id ORDER BY last_seq DESC LIMIT 1), last_seq)
    FROM stream WHERE id = ? AND lease = ?"""


def append(
    connection: sqlite3.Connection, lease: str, stream_id: str, batch: Sequence[Frame], cursor: str
) -> int:
    """As `frames.append`."""
    found = connection.execute(_LAST, (stream_id, lease)).fetchone()
    if found is None:
        raise ownership.lost()
    last: int = found[0] + len(batch)
    connection.execute(_INSERT, (stream_id, last, storable(cursor), encoded(batch)))
    return last


def told(connection: sqlite3.Connection, row: StreamRow) -> StreamRow:
    """The row with the number of its last frame and its cursor."""
    found = connection.execute(
        "SELECT last_seq, cursor FROM batch WHERE stream_id = ? ORDER BY last_seq DESC LIMIT 1",
        (row.id,),
    ).fetchone()
    if found is None:
        return row
    return msgspec.structs.replace(row, last_seq=found[0], cursor=found[1])


def read(
    connection: sqlite3.Connection, stream_id: str, after: int, limit: int
) -> list[tuple[int, Frame]]:
    """Up to `limit` frames that follow number `after`, with their numbers."""
    found: list[tuple[int, Frame]] = []
    for last, batch in connection.execute(
        "SELECT last_seq, frames FROM batch WHERE stream_id = ? AND last_seq > ? ORDER BY last_seq",
        (stream_id, after),
    ):
        frames = decoded(batch)
        numbered = enumerate(frames, last - len(frames) + 1)
        found += [(seq, frame) for seq, frame in numbered if seq > after]
        if len(found) >= limit:
            break
    return found[:limit]
