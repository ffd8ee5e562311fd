"""Open tabs with their drafts, so that the next start opens them again."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ssechat.journal import ownership
from ssechat.journal.lease import Lease
from ssechat.journal.records import TabRow
from ssechat.journal.rows import storable


def save(connection: sqlite3.Connection, lease: str, tabs: Sequence[TabRow], now: float) -> None:
    """Replace this process' tabs. A conversation that was deleted leaves its tab and draft."""
    ownership.claim(connection, lease, now)
    connection.execute("DELETE FROM tab WHERE lease = ?", (lease,))
    connection.executemany(
        "INSERT INTO tab (lease, position, conversation_id, draft, active)"
        " VALUES (?, ?, (SELECT id FROM conversation WHERE id = ?), ?, ?)",
        (
            (lease, position, tab.conversation_id, storable(tab.draft), tab.active)
            for position, tab in enumerate(tabs)
        ),
    )


def take(connection: sqlite3.Connection, own: Lease, now: float) -> list[TabRow]:
    """The tabs of processes that have ended, in order; they are this process' now."""
    ownership.claim(connection, str(own), now)
    owners = connection.execute(
        "SELECT DISTINCT tab.lease, COALESCE(owner.beat, 0.0)"
        " FROM tab LEFT JOIN owner USING (lease) ORDER BY 2, 1"
    ).fetchall()
    taken: list[TabRow] = []
    for lease, beat in owners:
        if lease != str(own) and not own.alive(lease, beat, now):
            taken += _of(connection, lease)
            _hand_over(connection, lease, str(own))
    return taken


def release(connection: sqlite3.Connection, lease: str) -> None:
    """Leave this process' tabs to whoever starts next."""
    _hand_over(connection, lease, "")


def _of(connection: sqlite3.Connection, lease: str) -> list[TabRow]:
    rows = connection.execute(
        "SELECT conversation_id, draft, active FROM tab WHERE lease = ? ORDER BY position",
        (lease,),
    )
    return [TabRow(conversation, draft, bool(active)) for conversation, draft, active in rows]


def _hand_over(connection: sqlite3.Connection, old: str, new: str) -> None:
    """The tabs of `old` come after those of `new`."""
    (offset,) = connection.execute(
        "SELECT COALESCE(MAX(position) + 1, 0) FROM tab WHERE lease = ?", (new,)
    ).fetchone()
    connection.execute(
        "UPDATE tab SET lease = ?, position = position + ? WHERE lease = ?", (new, offset, old)
    )
