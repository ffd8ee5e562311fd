"""Conversations, messages, prompts and open tabs, behind the event loop."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ssechat.journal import conversations, media, tabs
from ssechat.journal.database import Database
from ssechat.journal.lease import Lease
from ssechat.journal.records import ConversationRow, MessageRow, TabRow


class Library:
    """What people look at: projections, never frames. Everything may raise JournalProblem."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self.lease = lease
        self._own = str(lease)
        self._read = database.read
        self._write = database.write

    async def conversations(self, limit: int = 100, query: str = "") -> list[ConversationRow]:
        """The newest first; with `query`, those that hold it, in any case, in title or text."""
        return await self._read(lambda c: conversations.recent(c, limit, query))

    async def conversation(self, conversation_id: str) -> ConversationRow:
        """May be NotFound."""
        return await self._read(lambda c: conversations.get(c, conversation_id))

    async def path(self, conversation_id: str, leaf: str | None = None) -> list[MessageRow]:
        """The messages from the first to `leaf`, or to the head."""
        return await self._read(lambda c: conversations.path(c, conversation_id, leaf))

    async def attempts(self, message_id: str) -> list[MessageRow]:
        """The message and its siblings, in the order in which they were tried."""
        return await self._read(lambda c: conversations.attempts(c, message_id))

    async def parent(self, message_id: str) -> str | None:
        """The id of the message before, None for a first one. May be NotFound."""
        return await self._read(lambda c: conversations.parent(c, message_id))

    async def media(self, message_id: str, number: int) -> bytes:
        """An image or sound, by the index of its part in the message. May be NotFound."""
        return await self._read(lambda c: media.read(c, message_id, number))

    async def set_head(self, conversation_id: str, message_id: str) -> str:
        """Show the path through a message, to the newest leaf under it, which is returned."""
        return await self._write(lambda c: conversations.set_head(c, conversation_id, message_id))

    async def rename(self, conversation_id: str, title: str) -> None:
        """May be NotFound."""
        await self._write(lambda c: conversations.rename(c, conversation_id, title))

    async def delete(self, conversation_id: str) -> bool:
        """Remove a conversation with all that belongs to it; whether it was there."""
        return await self._write(lambda c: conversations.delete(c, conversation_id))

    async def prompts(self, limit: int = 200) -> list[str]:
        """What users have sent, the latest first, each text once."""
        return await self._read(lambda c: conversations.prompts(c, limit))

    async def save_tabs(self, rows: Sequence[TabRow]) -> None:
        """Replace what is kept of this process' tabs, in their order."""
        await self._write(lambda c: tabs.save(c, self._own, rows, time.time()))

    async def take_tabs(self) -> list[TabRow]:
        """The tabs of processes that have ended; they are this process' now."""
        return await self._write(lambda c: tabs.take(c, self.lease, time.time()))
