"""Open tabs with their drafts, so that the next start opens them again.

What was pasted into a draft is kept by its content, and not written again when the draft changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256

from ssechat.core.draft import Draft, Pasted
from ssechat.journal import ownership
from ssechat.journal.lease import Lease
from ssechat.journal.records import TabRow
from ssechat.journal.rows import storable


def save(connection: sqlite3.Connection, lease: str, tabs: Sequence[TabRow], now: float) -> None:
    """Replace this process' tabs. A conversation that was deleted leaves its tab and draft."""
    ownership.claim(connection, lease, now)
    connection.execute("DELETE FROM tab WHERE lease = ?", (lease,))
    for position, tab in enumerate(tabs):
        connection.execute(
            "INSERT INTO tab (lease, position, conversation_id, draft, active)"
            " VALUES (?, ?, (SELECT id FROM conversation WHERE id = ?), ?, ?)",
            (lease, position, tab.conversation_id, storable(tab.draft.typed), tab.active),
        )
        for number, paste in enumerate(tab.draft.pastes):
            connection.execute(
                "INSERT INTO tab_paste (lease, position, number, at, digest)"
                " VALUES (?, ?, ?, ?, ?)",
                (lease, position, number, paste.at, _keep(connection, paste.text)),
            )
    connection.execute("DELETE FROM paste WHERE digest NOT IN (SELECT digest FROM tab_paste)")


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
        "SELECT position, conversation_id, draft, active FROM tab"
        " WHERE lease = ? ORDER BY position",
        (lease,),
    )
    return [
        TabRow(conversation, Draft(typed, _pastes(connection, lease, position)), bool(active))
        for position, conversation, typed, active in rows.fetchall()
    ]


def _keep(connection: sqlite3.Connection, text: str) -> bytes:
    """The digest by which a pasted text is kept; it is written only if it is new."""
    data = text.encode("utf-8", "surrogatepass")
    digest = sha256(data).digest()
    known = connection.execute("SELECT 1 FROM paste WHERE digest = ?", (digest,)).fetchone()
    if known is None:
        connection.execute("INSERT INTO paste (digest, text) VALUES (?, ?)", (digest, data))
    return digest


def _pastes(connection: sqlite3.Connection, lease: str, position: int) -> tuple[Pasted, ...]:
    rows = connection.execute(
        "SELECT at, text FROM tab_paste JOIN paste USING (digest)"
        " WHERE lease = ? AND position = ? ORDER BY number",
        (lease, position),
    )
    return tuple(Pasted(at, data.decode("utf-8", "surrogatepass")) for at, data in rows)


def _hand_over(connection: sqlite3.Connection, old: str, new: str) -> None:
    """The tabs of `old` come after those of `new`."""
    (offset,) = connection.execute(
        "SELECT COALESCE(MAX(position) + 1, 0) FROM tab WHERE lease = ?", (new,)
    ).fetchone()
    connection.execute(
        "UPDATE tab SET lease = ?, position = position + ? WHERE lease = ?", (new, offset, old)
    )
