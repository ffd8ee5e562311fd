"""Streams of relays, by the names that those gave them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from ssechat.journal.journal import Journal
from ssechat.journal.rows import storables


async def conversations_of(journal: Journal, ids: Collection[str]) -> dict[str, str]:
    """The ids of the conversations in which these streams answer, ended or not."""
    return await journal._read(lambda c: _find(c, ids)) if ids else {}


def _find(connection: sqlite3.Connection, ids: Collection[str]) -> dict[str, str]:
    query = f"""
        SELECT remote_id, conversation_id FROM stream JOIN message ON message.id = message_id
        WHERE scheme = 'relay' AND remote_id IN ({", ".join("?" * len(ids))})
    """
    return dict(connection.execute(query, storables(ids)).fetchall())
