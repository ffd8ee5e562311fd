"""Migrations: shipped ones never change, old files come up to date, failures leave no trace."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssechat.journal import schema

SHIPPED = ("c08056bf1711006a", "3498de22d59f3da6", "9dac4773d4dd2583")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(tmp_path / "ssechat.db", isolation_level=None)
    yield opened
    opened.close()


def tables(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def test_shipped_migrations_are_as_they_were_shipped() -> None:
    hashes = [
        hashlib.sha256("\n".join(statements).encode()).hexdigest()[:16]
        for statements in schema.MIGRATIONS
    ]
    assert tuple(hashes) == SHIPPED, "append a migration instead; then add its hash here"


@pytest.mark.parametrize("start", range(schema.VERSION + 1))
def test_every_old_format_becomes_the_newest(connection: sqlite3.Connection, start: int) -> None:
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(fresh)
    schema.migrate(connection, schema.MIGRATIONS[:start])
    assert schema.version(connection) == start
    schema.migrate(connection)
    assert schema.version(connection) == schema.VERSION
    assert tables(connection) == tables(fresh)
    fresh.close()


def test_a_migration_that_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    schema.migrate(connection)
    before = tables(connection)
    broken = (*schema.MIGRATIONS, ("CREATE TABLE extra (x)", "INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, broken)
    assert tables(connection) == before
    assert schema.version(connection) == schema.VERSION
    assert not connection.in_transaction


def test_a_later_migration_keeps_what_was_written(connection: sqlite3.Connection) -> None:
    schema.migrate(connection)
    connection.execute("INSERT INTO owner (lease, beat) VALUES ('a', 1.0)")
    added = (*schema.MIGRATIONS, ("ALTER TABLE owner ADD COLUMN host TEXT NOT NULL DEFAULT ''",))
    schema.migrate(connection, added)
    assert schema.version(connection) == schema.VERSION + 1
    assert connection.execute("SELECT * FROM owner").fetchall() == [("a", 1.0, "")]
