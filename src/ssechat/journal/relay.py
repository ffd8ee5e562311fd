"""The relay's journal: a journal of streams, with who owns which, and the tokens of owners."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from ssechat.core.frames import Frame
from ssechat.journal import batches, frames, streams
from ssechat.journal.database import Database
from ssechat.journal.journal import Journal
from ssechat.journal.lease import Lease
from ssechat.journal.owned import Owned, hash_of, new_token
from ssechat.journal.records import UNFINISHED, Outcome, StreamRow

_TABLES = (
    batches.TABLE,
    """CREATE TABLE IF NOT EXISTS relay_token (
        name TEXT PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,      -- SHA-256 of the token
        created REAL NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS relay_stream (
        stream_id TEXT PRIMARY KEY REFERENCES stream (id) ON DELETE CASCADE,
        owner TEXT NOT NULL,
        upstream TEXT NOT NULL,
        idempotency_key TEXT,           -- NULL if the client sent none
        digest BLOB NOT NULL,           -- SHA-256 of path and body
        UNIQUE (owner, idempotency_key)
    )""",
    # Keys that were cancelled before they came, and streams that have been forgotten.
    """CREATE TABLE IF NOT EXISTS relay_past (
        owner TEXT NOT NULL,
        name TEXT NOT NULL,             -- a stream's id, or "key:" and a key
        until REAL NOT NULL,
        PRIMARY KEY (owner, name)
    )""",
    # What an upstream keeps for an owner, such as a response that can be asked for again.
    """CREATE TABLE IF NOT EXISTS relay_object (
        upstream TEXT NOT NULL,
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        created REAL NOT NULL,
        PRIMARY KEY (upstream, id)
    )""",
)
_STREAM = """
    SELECT stream_id, owner, upstream, relay_stream.idempotency_key, digest, stream.dialect,
        stream.state, stream.note, stream.created, stream.ended, conversation_id, stream.profile
    FROM relay_stream
    JOIN stream ON stream.id = stream_id
    JOIN message ON message.id = stream.message_id
"""


class RelayJournal(Journal):
    """`OwnedStreams` in one file, which one relay has open at a time."""

    def __init__(self, database: Database, lease: Lease) -> None:
        super().__init__(database, lease)
        self.last_event: Callable[[str, Outcome], Frame | None] = lambda stream_id, outcome: None
        self.written: Callable[[str, Frame], object] = lambda stream_id, frame: None
        self.stop_asked: Callable[[str, str], object] = lambda stream_id, why: None

    @classmethod
    async def open(cls, path: Path, lease: Lease | None = None) -> RelayJournal:
        """As for any journal; what is committed survives a loss of power, too."""
        if lease is None:
            lease = await asyncio.to_thread(Lease.current)
        journal = cls(await Database.open(path, durable=True), lease)
        await journal._write(_make_tables)
        return journal

    async def settle(self, stream_id: str, outcome: Outcome) -> None:
        """End a stream, with a last event if it needs one. Its text is not kept beside its events:
        nobody looks for it here."""
        last = self.last_event(stream_id, outcome)
        bare = Outcome(state=outcome.state, note=outcome.note, resumes=outcome.resumes)
        await self._write(lambda c: _settle(c, self._own, stream_id, bare, last))
        if last is not None:
            self.written(stream_id, last)

    def append(self, stream_id: str, batch: Sequence[Frame], cursor: str) -> Awaitable[int]:
        own = self._own
        return self._database.write(lambda c: batches.append(c, own, stream_id, batch, cursor))

    async def stream(self, stream_id: str) -> StreamRow:
        return await self._read(lambda c: batches.told(c, streams.get(c, stream_id)))

    async def frames(
        self, stream_id: str, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, Frame]]:
        return await self._read(lambda c: _read(c, stream_id, after, limit))

    async def pack(self, stream_id: str) -> bool:
        """Nothing is packed: it is forgotten soon, and to be replayed as it came until then."""
        return False

    # Tokens.

    async def add_token(self, name: str) -> str | None:
        token = new_token()
        values = (name, hash_of(token), time.time())
        insert = "INSERT INTO relay_token VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING"
        added = await self._write(lambda c: c.execute(insert, values).rowcount)
        return token if added else None

    async def tokens(self) -> list[tuple[str, float]]:
        query = "SELECT name, created FROM relay_token ORDER BY created"
        return await self._read(lambda c: c.execute(query).fetchall())

    async def revoke_token(self, name: str) -> bool:
        delete = "DELETE FROM relay_token WHERE name = ?"
        return await self._write(lambda c: c.execute(delete, (name,)).rowcount == 1)

    async def owner_of(self, token: str) -> str | None:
        query = "SELECT name FROM relay_token WHERE hash = ?"
        found = await self._read(lambda c: c.execute(query, (hash_of(token),)).fetchone())
        return found[0] if found else None

    # Streams and their owners.

    async def ready(self) -> None:
        await self._write(lambda c: None)

    async def register(self, owned: Owned) -> bool:
        values = (
            *(owned.stream_id, owned.owner, owned.upstream),
            *(owned.idempotency_key, owned.digest),
        )
        insert = "INSERT INTO relay_stream VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        return await self._write(lambda c: c.execute(insert, values).rowcount == 1)

    async def owned(self, owner: str, stream_id: str) -> Owned | None:
        found = await self._owned("WHERE stream_id = ? AND owner = ?", (stream_id, owner))
        return found[0] if found else None

    async def owner_of_stream(self, stream_id: str) -> str:
        query = "SELECT owner FROM relay_stream WHERE stream_id = ?"
        found = await self._read(lambda c: c.execute(query, (stream_id,)).fetchone())
        return found[0] if found else ""

    async def by_key(self, owner: str, key: str) -> Owned | None:
        rest = "WHERE owner = ? AND relay_stream.idempotency_key = ?"
        found = await self._owned(rest, (owner, key))
        return found[0] if found else None

    async def all_of(self, owner: str, states: tuple[str, ...], limit: int) -> list[Owned]:
        chosen = f"AND stream.state IN ({', '.join('?' * len(states))})" if states else ""
        rest = f"WHERE owner = ? {chosen} ORDER BY stream.rank DESC LIMIT ?"
        return await self._owned(rest, (owner, *states, limit))

    async def live_of(self, owner: str, most: int) -> int:
        return len(await self.all_of(owner, UNFINISHED, most + 1))

    async def _owned(self, rest: str, values: tuple[object, ...]) -> list[Owned]:
        found = await self._read(lambda c: c.execute(_STREAM + rest, values).fetchall())
        return [Owned(*row) for row in found]

    async def forget(self, owned: Owned, until: float) -> None:
        await self._write(lambda c: _forget(c, owned, until))

    async def old(self, before: float) -> list[Owned]:
        return await self._owned("WHERE stream.ended < ?", (before,))

    async def call_off(self, owner: str, key: str, until: float) -> None:
        await self._write(lambda c: _remember(c, owner, f"key:{key}", until))

    async def past(self, owner: str, name: str) -> bool:
        query = "SELECT 1 FROM relay_past WHERE owner = ? AND name = ? AND until > ?"
        values = (owner, name, time.time())
        return await self._read(lambda c: c.execute(query, values).fetchone() is not None)

    async def tidy(self) -> None:
        await self._write(
            lambda c: c.execute("DELETE FROM relay_past WHERE until < ?", (time.time(),))
        )

    # No other process has a part in these streams.

    async def confirm(self, stream_id: str) -> None:
        return None

    async def begun(self, stream_id: str) -> bool:
        return True

    async def ask_stop(self, stream_id: str, why: str) -> bool:
        return False

    async def note_read(self, stream_ids: Iterable[str]) -> None:
        return None

    async def read_elsewhere(self, stream_ids: Iterable[str]) -> set[str]:
        return set()

    # What upstreams keep.

    async def keep_object(self, upstream: str, id: str, owner: str) -> None:
        insert = "INSERT INTO relay_object VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        values = (upstream, id, owner, time.time())
        await self._write(lambda c: c.execute(insert, values))

    async def owns_object(self, upstream: str, id: str, owner: str) -> bool:
        query = "SELECT 1 FROM relay_object WHERE upstream = ? AND id = ? AND owner = ?"
        values = (upstream, id, owner)
        return await self._read(lambda c: c.execute(query, values).fetchone() is not None)


def _read(
    connection: sqlite3.Connection, stream_id: str, after: int, limit: int
) -> list[tuple[int, Frame]]:
    """An earlier version wrote a row for each frame; what came later stands in batches."""
    rows = frames.read(connection, stream_id, after, limit)
    return rows or batches.read(connection, stream_id, after, limit)


def _make_tables(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


def _settle(
    connection: sqlite3.Connection, lease: str, stream_id: str, outcome: Outcome, last: Frame | None
) -> None:
    if last is not None:
        cursor = batches.told(connection, streams.get(connection, stream_id)).cursor
        batches.append(connection, lease, stream_id, [last], cursor)
    streams.settle(connection, lease, stream_id, outcome, time.time())


def _forget(connection: sqlite3.Connection, owned: Owned, until: float) -> None:
    connection.execute("DELETE FROM conversation WHERE id = ?", (owned.conversation_id,))
    _remember(connection, owned.owner, owned.stream_id, until)


def _remember(connection: sqlite3.Connection, owner: str, name: str, until: float) -> None:
    connection.execute(
        "INSERT INTO relay_past VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = excluded.until",
        (owner, name, until),
    )
