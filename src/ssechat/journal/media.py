"""The images and sounds of messages. The bytes lie here, the message's `parts` tell of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ssechat.core.blob import MediaFile
from ssechat.journal.problems import NotFound


def store(connection: sqlite3.Connection, message_id: str, files: Iterable[MediaFile]) -> None:
    """Let these be all that belong to the message."""
    connection.execute("DELETE FROM media WHERE message_id = ?", (message_id,))
    connection.executemany(
        "INSERT INTO media (message_id, number, mime, data) VALUES (?, ?, ?, ?)",
        ((message_id, file.number, file.type.mime, file.data) for file in files),
    )


def read(connection: sqlite3.Connection, message_id: str, number: int) -> bytes:
    """The bytes of one. Raises NotFound."""
    row = connection.execute(
        "SELECT data FROM media WHERE message_id = ? AND number = ?", (message_id, number)
    ).fetchone()
    if row is None:
        raise NotFound(
            "this image or sound is not in the journal",
            remedy="ctrl+r asks again, as a new attempt",
        )
    return bytes(row[0])
