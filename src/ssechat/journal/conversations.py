"""Conversations: trees of messages, of which one path is shown."""

from __future__ import annotations

import sqlite3
from typing import Any

from ssechat.core.conversation import Role
from ssechat.journal.problems import not_found
from ssechat.journal.records import ConversationRow, MessageRow
from ssechat.journal.rows import MESSAGE_COLUMNS, message, storable

MOST_PROMPTS = 16 * 2**20  # characters

_SELECT = """
    SELECT id, title, created, updated, head, profile, model, system,
        (SELECT count(*) FROM message WHERE conversation_id = conversation.id) AS count,
        COALESCE((SELECT state FROM message WHERE id = head), '') AS state
    FROM conversation
"""
_MESSAGE = f"""
    SELECT {", ".join(f"message.{name}" for name in MESSAGE_COLUMNS)}, stream.id AS stream_id,
        stream.dialect AS dialect
    FROM message LEFT JOIN stream ON stream.message_id = message.id
"""


def recent(connection: sqlite3.Connection, limit: int, query: str) -> list[ConversationRow]:
    """The newest first; of those that have `query` in their title or in a message, if given."""
    rows = connection.execute(
        f"""{_SELECT} WHERE :query = '' OR holds(title, :query) OR EXISTS (
            SELECT 1 FROM message WHERE conversation_id = conversation.id AND holds(text, :query)
        ) ORDER BY updated DESC, rank DESC LIMIT :limit""",
        {"query": storable(query.casefold()), "limit": limit},
    )
    return [_conversation(row) for row in rows]


def get(connection: sqlite3.Connection, conversation_id: str) -> ConversationRow:
    """The conversation. Raises NotFound."""
    row = connection.execute(f"{_SELECT} WHERE id = ?", (conversation_id,)).fetchone()
    if row is None:
        raise not_found("conversation", conversation_id)
    return _conversation(row)


def _conversation(row: tuple[Any, ...]) -> ConversationRow:
    return ConversationRow(**dict(zip(ConversationRow.__struct_fields__, row, strict=True)))


def path(
    connection: sqlite3.Connection, conversation_id: str, leaf: str | None
) -> list[MessageRow]:
    """The messages from the root to `leaf`, or to the head; empty if there is none."""
    return _messages(
        connection,
        f"""WITH RECURSIVE up (id, depth) AS (
            SELECT id, 0 FROM message WHERE conversation_id = :conversation
                AND id = COALESCE(:leaf, (SELECT head FROM conversation WHERE id = :conversation))
            UNION ALL
            SELECT message.parent_id, depth + 1 FROM up JOIN message USING (id)
                WHERE message.parent_id IS NOT NULL
        ) {_MESSAGE} JOIN up ON up.id = message.id ORDER BY depth DESC""",
        {"conversation": conversation_id, "leaf": leaf},
    )


def attempts(connection: sqlite3.Connection, message_id: str) -> list[MessageRow]:
    """The message and its siblings, in the order in which they were tried."""
    return _messages(
        connection,
        f"""{_MESSAGE} JOIN message AS one ON one.id = ?
            AND message.conversation_id = one.conversation_id
            AND message.parent_id IS one.parent_id
        ORDER BY message.rank""",
        (message_id,),
    )


def parent(connection: sqlite3.Connection, message_id: str) -> str | None:
    """The id of the message before, None for a first one. Raises NotFound."""
    row = connection.execute("SELECT parent_id FROM message WHERE id = ?", (message_id,)).fetchone()
    if row is None:
        raise not_found("message", message_id)
    found: str | None = row[0]
    return found


def _messages(
    connection: sqlite3.Connection, query: str, values: tuple[object, ...] | dict[str, object]
) -> list[MessageRow]:
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return [message(row) for row in cursor.execute(query, values)]


def set_head(connection: sqlite3.Connection, conversation_id: str, message_id: str) -> str:
    """Show the path through this message, to the newest leaf under it. Returns that leaf."""
    found = connection.execute(
        """WITH RECURSIVE under (rank, id) AS (
            SELECT rank, id FROM message WHERE id = ? AND conversation_id = ?
            UNION ALL
            SELECT message.rank, message.id FROM under JOIN message ON parent_id = under.id
        ) SELECT id FROM under ORDER BY rank DESC LIMIT 1""",
        (message_id, conversation_id),
    ).fetchone()
    if found is None:
        raise not_found("message", message_id)
    leaf: str = found[0]
    connection.execute("UPDATE conversation SET head = ? WHERE id = ?", (leaf, conversation_id))
    return leaf


def rename(connection: sqlite3.Connection, conversation_id: str, title: str) -> None:
    """Raises NotFound."""
    renamed = connection.execute(
        "UPDATE conversation SET title = ? WHERE id = ?", (storable(title), conversation_id)
    )
    if renamed.rowcount == 0:
        raise not_found("conversation", conversation_id)


def delete(connection: sqlite3.Connection, conversation_id: str) -> bool:
    """Remove it with all messages, streams, frames and packs; whether it was there."""
    gone = connection.execute("DELETE FROM conversation WHERE id = ?", (conversation_id,))
    return gone.rowcount == 1


def prompts(connection: sqlite3.Connection, limit: int) -> list[str]:
    """What users have sent, the latest first, each text once; no more than `MOST_PROMPTS`."""
    found: dict[str, None] = {}
    room = MOST_PROMPTS
    query = "SELECT text FROM message WHERE role = ? ORDER BY rank DESC"
    for (text,) in connection.execute(query, (Role.USER.value,)):
        room -= len(text)
        if len(found) >= limit or room < 0:
            break
        found[text] = None
    return list(found)
