"""Who owns which stream: leases taken, kept by a heartbeat, lost and given back."""

from __future__ import annotations

import sqlite3

from ssechat.journal.problems import LeaseLost

_OWNER_KEPT = 86400.0  # s


def claim(connection: sqlite3.Connection, lease: str, now: float) -> None:
    """The owner named by `lease` is alive `now`."""
    connection.execute(
        "INSERT INTO owner (lease, beat) VALUES (?, ?)"
        " ON CONFLICT (lease) DO UPDATE SET beat = excluded.beat",
        (lease, now),
    )


def check(changed: sqlite3.Cursor) -> None:
    """Raise LeaseLost if an UPDATE that asked for our lease found no row."""
    if changed.rowcount == 0:
        raise lost()


def lost() -> LeaseLost:
    return LeaseLost(
        "another ssechat has taken this stream over, or its conversation was deleted",
        remedy="look at it where it was taken over",
    )


def adopt(connection: sqlite3.Connection, lease: str, stream_id: str, old: str, now: float) -> bool:
    """Take an unfinished stream from the owner `old`; False if somebody else was faster."""
    claim(connection, lease, now)
    taken = connection.execute(
        "UPDATE stream SET lease = ? WHERE id = ? AND lease = ? AND state IN ('live', 'stopping')",
        (lease, stream_id, old),
    )
    return taken.rowcount == 1


def release(connection: sqlite3.Connection, lease: str) -> None:
    """Give up the lease on all streams, so that any process may adopt them at once."""
    connection.execute(
        "UPDATE stream SET lease = '' WHERE lease = ? AND state IN ('live', 'stopping')", (lease,)
    )


def forget_owners(connection: sqlite3.Connection, now: float) -> None:
    """Drop the heartbeats of processes that are long gone and own nothing."""
    connection.execute(
        "DELETE FROM owner WHERE beat < ? AND lease NOT IN (SELECT lease FROM tab)"
        " AND lease NOT IN (SELECT lease FROM stream WHERE state IN ('live', 'stopping'))",
        (now - _OWNER_KEPT,),
    )
