"""What the hub's tests share: a hub with its journal, profiles, and the state of its streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ssechat.core.frames import Frame
from ssechat.hub import Hub, Live, Question
from ssechat.journal import Journal, Lease, MessageRow
from ssechat.link import Clients
from ssechat.settings import Profile


def profile(base_url: str, dialect: str = "openai-chat", **more: Any) -> Profile:
    return Profile(more.pop("name", "test"), dialect, base_url, "a-model", **more)


@asynccontextmanager
async def opened(folder: Path, *known: Profile, lease: Lease | None = None) -> AsyncIterator[Hub]:
    """A hub on `folder`'s journal that finds the profiles `known` again. All is closed after."""
    journal = await Journal.open(folder / "ssechat.db", lease)
    clients = Clients()

    async def find(name: str) -> Profile | None:
        return next((one for one in known if one.name == name), None)

    hub = Hub(journal, clients, find)
    try:
        yield hub
    finally:
        await hub.close()
        await clients.close()
        await journal.close()


async def ask(hub: Hub, profile: Profile, text: str = "why?", **more: Any) -> Live:
    return await hub.submit(Question(profile, text=text, **more))


async def ended(live: Live, within: float = 10.0) -> Live:
    """The stream, once its end is written."""
    async with asyncio.timeout(within):
        await live.ended.wait()
    return live


async def until(live: Live, holds: Callable[[Live], object], within: float = 10.0) -> Live:
    """The stream, once `holds` of it."""
    async with asyncio.timeout(within):
        while not holds(live):
            await live.change(live.version)
    return live


async def stored(hub: Hub, live: Live) -> MessageRow:
    """The message as the history has it."""
    path = await hub.journal.path(live.conversation_id, live.message_id)
    return path[-1]


async def frames(hub: Hub, live: Live) -> list[Frame]:
    return [frame for _, frame in await hub.journal.frames(live.stream_id, 0, 100_000)]
