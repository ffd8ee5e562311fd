"""All conversations, newest first, and before them what runs at relays; one is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from ssechat.core.safe import clean_line
from ssechat.hub.joining import UNKNOWN, Elsewhere
from ssechat.journal import ConversationRow, Journal
from ssechat.tui.screens.picker import Choice, Picker

Found = str | Elsewhere
"""The id of a conversation, or an answer that runs at a relay."""
_LIMIT = 200
_LOOK = 1.0  # s between looks at what became of them


class History(Picker[Found]):
    """Gives what was chosen. `elsewhere` gives what runs, of one relay after the other; nobody
    waits for it."""

    def __init__(self, journal: Journal, elsewhere: AsyncIterator[list[Elsewhere]]) -> None:
        super().__init__(
            "Conversations",
            "enter opens · escape closes",
            "search titles and messages",
            "nothing found",
        )
        self._journal = journal
        self._elsewhere = elsewhere
        self._joinable: list[Elsewhere] = []

    async def on_mount(self) -> None:
        await super().on_mount()
        self.set_interval(_LOOK, self._look_again)
        self.run_worker(self._gather())

    async def _gather(self) -> None:
        """Take in what runs at relays."""
        async for found in self._elsewhere:
            self._joinable += found
            self._joinable.sort(key=lambda one: one.started, reverse=True)
            await self.renew()

    async def _look_again(self) -> None:
        """Streams go on meanwhile. A search reads every message, so that waits for the user."""
        if not self.typed:
            await self.renew()

    async def find(self, query: str) -> Sequence[Choice[Found]]:
        rows = await self._journal.conversations(limit=_LIMIT, query=query)
        now = datetime.now()
        joinable = [one for one in self._joinable if query.casefold() in _question(one).casefold()]
        return [
            *(Choice[Found](one, _question(one), _where(one, now)) for one in joinable),
            *(Choice[Found](row.id, clean_line(row.title, 100), _aside(row, now)) for row in rows),
        ]


def _question(one: Elsewhere) -> str:
    return clean_line(one.prompt, 100) or UNKNOWN


def _where(one: Elsewhere, now: datetime) -> str:
    name, dialect = clean_line(one.profile.name, 20), clean_line(one.dialect, 20)
    started = _when(datetime.fromtimestamp(one.started), now)
    return f"live at {name} · {dialect} · started {started}"


def _aside(row: ConversationRow, now: datetime) -> str:
    state = "" if row.state in ("complete", "") else f"{row.state} · "
    return f"{state}{row.count} msg · {_when(datetime.fromtimestamp(row.updated), now)}"


def _when(then: datetime, now: datetime) -> str:
    if then.date() == now.date():
        return f"{then:%H:%M}"
    return f"{then:%d %b}" if then.year == now.year else f"{then:%Y-%m}"
