"""All conversations, newest first; one is opened again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ssechat.core.safe import clean_line
from ssechat.journal import ConversationRow, Journal
from ssechat.tui.screens.picker import Choice, Picker

_LIMIT = 200
_LOOK = 1.0  # s between looks at what became of them


class History(Picker[str]):
    """Gives the id of a conversation."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(
            "Conversations",
            "enter opens · escape closes",
            "search titles and messages",
            "nothing found",
        )
        self._journal = journal

    async def on_mount(self) -> None:
        await super().on_mount()
        self.set_interval(_LOOK, self._look_again)

    async def _look_again(self) -> None:
        """Streams go on meanwhile. A search reads every message, so that waits for the user."""
        if not self.typed:
            await self.renew()

    async def find(self, query: str) -> Sequence[Choice[str]]:
        rows = await self._journal.conversations(limit=_LIMIT, query=query)
        now = datetime.now()
        return [Choice(row.id, clean_line(row.title, 100), _aside(row, now)) for row in rows]


def _aside(row: ConversationRow, now: datetime) -> str:
    state = "" if row.state in ("complete", "") else f"{row.state} · "
    return f"{state}{row.count} msg · {_when(datetime.fromtimestamp(row.updated), now)}"


def _when(then: datetime, now: datetime) -> str:
    if then.date() == now.date():
        return f"{then:%H:%M}"
    return f"{then:%d %b}" if then.year == now.year else f"{then:%Y-%m}"
