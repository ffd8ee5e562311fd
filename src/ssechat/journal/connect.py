"""Opening the file: created if missing, checked, migrated, its connections set up."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ssechat.journal import problems, schema

BUSY_TIMEOUT = 10.0  # s that a statement waits for another process' lock

_ROOM = 4_200_000  # bytes: 1,000 pages, after which the log is begun anew

T = TypeVar("T")


def connect(path: Path, durable: bool = False) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """A connection that writes and one that only reads. Blocks. Raises JournalProblem.

    `durable`: what is committed survives a loss of power, not only of the process.
    """
    try:
        _create(path)
    except OSError as error:
        raise problems.from_os(error, path) from None
    try:
        _check(path)
        writer = _patiently(lambda: _writer(path, durable))
        try:
            return writer, _reader(path)
        except sqlite3.Error:
            writer.close()
            raise
    except sqlite3.Error as error:
        raise problems.from_sqlite(error, path) from error


def _create(path: Path) -> None:
    """An existing file is not opened here: closing it would drop SQLite's locks on it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        for needed in (path, path.parent):
            if not os.access(needed, os.W_OK):
                raise problems.read_only(needed, "no permission to write") from None


def _check(path: Path) -> None:
    """Look, without changing anything, whether the file is one that we may change."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT
    )
    try:
        found, ours = schema.version(connection), schema.is_ours(connection)
    finally:
        connection.close()
    if not ours:
        raise problems.damaged(path, "a database of another program")
    if found > schema.VERSION:
        raise problems.too_new(path, found, schema.VERSION)


def _open(path: Path) -> sqlite3.Connection:
    """Transactions are begun by us alone; each connection is used by one thread at a time."""
    return sqlite3.connect(
        path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
    )


def _writer(path: Path, durable: bool) -> sqlite3.Connection:
    connection = _open(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        schema.migrate(connection)
        if durable:
            _make_room(connection, path.with_name(f"{path.name}-wal"))
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _make_room(connection: sqlite3.Connection, log: Path) -> None:
    """Let the write-ahead log grow before there is need: a commit that makes it longer waits for
    the disk to note its length, too. Its contents stay as they are."""
    try:
        if log.exists() and log.stat().st_size >= _ROOM:
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE room (bytes BLOB)")
        connection.execute("INSERT INTO room VALUES (zeroblob(?))", (_ROOM,))
        connection.execute("DROP TABLE room")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
    except (OSError, sqlite3.Error):  # it is slower then; what is really wrong shows soon enough
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _reader(path: Path) -> sqlite3.Connection:
    connection = _open(path)
    connection.create_function("holds", 2, _holds, deterministic=True)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _holds(text: str, folded: str) -> bool:
    """SQL: whether `text` contains `folded`, which is case-folded already."""
    return folded in text.casefold()


def _patiently(attempt: Callable[[], T]) -> T:
    """Repeat while the file is busy: the change to WAL does not heed the busy timeout."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
