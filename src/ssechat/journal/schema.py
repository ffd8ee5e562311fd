"""The tables, as a list of migrations to which one may only append."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

APPLICATION_ID = 0x73736563  # "ssec", in the file's header

Migration = tuple[str, ...]

MIGRATIONS: tuple[Migration, ...] = (
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        """CREATE TABLE conversation (
            rank INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            title TEXT NOT NULL,
            created REAL NOT NULL,
            updated REAL NOT NULL,
            head TEXT NOT NULL,     -- the leaf of the path last shown
            profile TEXT NOT NULL,
            model TEXT NOT NULL,
            system TEXT NOT NULL
        )""",
        "CREATE INDEX conversation_updated ON conversation (updated)",
        """CREATE TABLE message (
            rank INTEGER PRIMARY KEY,   -- orders attempts; above that of the parent
            id TEXT NOT NULL UNIQUE,
            conversation_id TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
            parent_id TEXT REFERENCES message (id),
            role TEXT NOT NULL,
            created REAL NOT NULL,
            state TEXT NOT NULL,
            note TEXT NOT NULL,
            model TEXT NOT NULL,
            tokens_in INTEGER,
            tokens_out INTEGER,
            tokens_reasoning INTEGER,
            estimated INTEGER NOT NULL,
            ttfb_ms REAL,
            ttft_ms REAL,
            tokens_per_second REAL,
            thought_ms REAL,
            resumes INTEGER NOT NULL,
            last_id TEXT NOT NULL,
            text TEXT NOT NULL,
            thinking TEXT NOT NULL,
            thoughts BLOB NOT NULL,     -- JSON: [{text, signature, redacted}]
            parts BLOB NOT NULL         -- JSON: what core.reply.Reply.store gives
        )""",
        "CREATE INDEX message_conversation ON message (conversation_id)",
        "CREATE INDEX message_parent ON message (parent_id)",
        """CREATE TABLE stream (
            rank INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            message_id TEXT NOT NULL UNIQUE REFERENCES message (id) ON DELETE CASCADE,
            profile TEXT NOT NULL,
            dialect TEXT NOT NULL,
            model TEXT NOT NULL,
            idempotency_key TEXT NOT NULL,
            resume_path TEXT NOT NULL,
            remote_id TEXT NOT NULL,
            cursor TEXT NOT NULL,
            rung TEXT NOT NULL,
            state TEXT NOT NULL,
            note TEXT NOT NULL,
            created REAL NOT NULL,
            ended REAL,
            ttfb_ms REAL,
            resumes INTEGER NOT NULL,
            last_seq INTEGER NOT NULL,
            lease TEXT NOT NULL
        )""",
        "CREATE INDEX stream_unfinished ON stream (lease) WHERE state IN ('live', 'stopping')",
        # Apart from the stream, whose row is written anew with every batch of frames.
        """CREATE TABLE request (
            stream_id TEXT PRIMARY KEY REFERENCES stream (id) ON DELETE CASCADE,
            call BLOB NOT NULL          -- MessagePack, with zlib once the stream is packed
        )""",
        """CREATE TABLE frame (
            stream_id TEXT NOT NULL REFERENCES stream (id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            kind TEXT NOT NULL,
            id TEXT NOT NULL,
            own_id INTEGER NOT NULL,
            event TEXT NOT NULL,
            data TEXT NOT NULL,
            retry INTEGER,
            "end" INTEGER NOT NULL,
            wall REAL NOT NULL,
            mono REAL NOT NULL,
            began REAL NOT NULL,
            PRIMARY KEY (stream_id, seq)
        ) WITHOUT ROWID""",
        """CREATE TABLE pack (
            stream_id TEXT NOT NULL REFERENCES stream (id) ON DELETE CASCADE,
            first_seq INTEGER NOT NULL,
            last_seq INTEGER NOT NULL,
            frames BLOB NOT NULL,       -- zlib of MessagePack: [Frame]
            PRIMARY KEY (stream_id, first_seq)
        )""",
        # A lease is held by a process; one row here is its heartbeat for all that it holds.
        """CREATE TABLE owner (
            lease TEXT PRIMARY KEY,
            beat REAL NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE tab (
            lease TEXT NOT NULL,
            position INTEGER NOT NULL,
            conversation_id TEXT REFERENCES conversation (id) ON DELETE SET NULL,
            draft TEXT NOT NULL,
            active INTEGER NOT NULL,
            PRIMARY KEY (lease, position)
        ) WITHOUT ROWID""",
    ),
    (
        # How the server continues the stream (core/schemes.py), and the dialect's options (JSON).
        "ALTER TABLE stream ADD COLUMN scheme TEXT NOT NULL DEFAULT 'location'",
        "ALTER TABLE stream ADD COLUMN options TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE media (
            message_id TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,    -- of the part, as the message's `parts` name it
            mime TEXT NOT NULL,         -- by the content, not as the server declared it
            data BLOB NOT NULL,
            PRIMARY KEY (message_id, number)
        )""",
    ),
    (
        # Long texts pasted into drafts, apart from the tabs, whose rows are written anew and anew.
        """CREATE TABLE paste (
            digest BLOB PRIMARY KEY,    -- SHA-256 of the text
            text BLOB NOT NULL          -- UTF-8
        )""",
        """CREATE TABLE tab_paste (
            lease TEXT NOT NULL,
            position INTEGER NOT NULL,
            number INTEGER NOT NULL,    -- orders the pastes of a draft
            at INTEGER NOT NULL,        -- the character of the draft before which it stands
            digest BLOB NOT NULL REFERENCES paste (digest),
            PRIMARY KEY (lease, position, number),
            FOREIGN KEY (lease, position) REFERENCES tab (lease, position)
                ON DELETE CASCADE ON UPDATE CASCADE
        ) WITHOUT ROWID""",
    ),
)

VERSION = len(MIGRATIONS)


def version(connection: sqlite3.Connection) -> int:
    """The format of an open file; 0 if it is new."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def is_ours(connection: sqlite3.Connection) -> bool:
    """Whether the file is a journal, or empty."""
    if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
        return True
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the file to the newest format, in one transaction; two processes may try at once."""
    if version(connection) >= len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in migrations[version(connection) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
