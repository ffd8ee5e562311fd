"""What the hub's tests share: a hub with its journal, profiles, and the state of its streams."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ssechat.core.frames import Frame
from ssechat.hub import Hub, Live, Question
from ssechat.journal import Journal, Lease, MessageRow
from ssechat.link import Clients
from ssechat.settings import Profile
from support.fault_server import Wire


def profile(base_url: str, dialect: str = "openai-chat", **more: Any) -> Profile:
    return Profile(more.pop("name", "test"), dialect, base_url, "a-model", **more)


@asynccontextmanager
async def opened(folder: Path, *known: Profile, lease: Lease | None = None) -> AsyncIterator[Hub]:
    """A hub on `folder`'s journal that finds the profiles `known` again. All is closed after.

    Fails if a task of the hub ended in an exception that nobody took.
    """
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: unhandled.append(what))
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
    gc.collect()
    assert not unhandled, unhandled


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


# What the fault server says in the dialect openai-chat.


def words(text: str) -> str:
    """The data of an event with a piece of the answer."""
    return json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]})


def thoughts(text: str) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": {"reasoning_content": text}}]})


FINISH = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
DONE = "[DONE]"
HERE = {"Location": "/streams/1"}
"""What a server answers with that can resume: `GET /streams/1`."""
RELAY = {"Location": "/v1/streams/st_a/events", "Ssechat-Stream-Id": "st_a"}
"""The same of a server that numbers its events and can be told to stop, as our relay does."""


async def say(wire: Wire, *texts: str, first: int = 1, ids: str = "e{}") -> None:
    """Pieces of the answer as events, numbered from `first`; without ids if `ids` is ""."""
    for number, text in enumerate(texts, first):
        await wire.event(words(text), id=ids.format(number) if ids else None)


async def finish(wire: Wire, number: int = 0, ids: str = "e{}") -> None:
    """The end of the answer and of the body; the events are numbered from `number`, if given."""
    named = [ids.format(number + n) if number else None for n in range(2)]
    await wire.event(FINISH, id=named[0])
    await wire.event(DONE, id=named[1])
    await wire.end()
