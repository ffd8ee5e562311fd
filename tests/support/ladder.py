"""A question put to a server that breaks, through a hub: what the history says of it afterwards.

async with opened(tmp_path) as hub, RESPONSES.serve(legs=[Leg(events=3, how="cut")]) as server:
    told = await answered(hub, RESPONSES.profile(server))
    assert told.content == ("complete", server.text, server.thinking)
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

from ssechat.core.deltas import Text, Thinking
from ssechat.core.frames import FrameKind
from ssechat.core.resume import State
from ssechat.hub import Hub, Live
from ssechat.settings import Profile
from support.hubs import ask, frames, profile, stored
from support.interactions_server import InteractionsServer
from support.kept_server import KeptServer
from support.responses_server import ResponsesServer

PIECES = [
    *(Thinking(piece) for piece in ("Hm, ", "so: ")),
    *(Text(piece) for piece in ("Grüße, ", "Grüße, ", "liebe ", "Welt\n\n", "— 👋 ", "!")),
]
"""Two pieces are alike, so that to drop one of them would show."""
TOGETHER = 16
"""Streams at once: as many as keep the machine busy while some of them wait."""
_PAUSES = (State.BACKOFF, State.POLLING)

T = TypeVar("T")
K = TypeVar("K")


class Api(NamedTuple):
    """An API that keeps answers, and its server."""

    dialect: str
    server: type[KeptServer]

    def serve(self, **knobs: Any) -> KeptServer:
        return self.server(PIECES, **knobs)

    def profile(self, server: KeptServer, **more: Any) -> Profile:
        return profile(server.base_url, self.dialect, **more)


RESPONSES = Api("openai-responses", ResponsesServer)
INTERACTIONS = Api("gemini-interactions", InteractionsServer)
BOTH = pytest.mark.parametrize("api", [RESPONSES, INTERACTIONS], ids=lambda api: api.dialect)


class Told(NamedTuple):
    """What the history and the journal hold of an answer. `ways` is how it went on after each cut:
    "" on its stream, else a word of `Mended`; `events` are the data, as they came."""

    state: str
    note: str
    text: str
    thinking: str
    resumes: int
    ways: list[str]
    marks: list[str]
    events: list[str]

    @property
    def content(self) -> tuple[str, str, str]:
        return self.state, self.text, self.thinking


async def told(hub: Hub, live: Live) -> Told:
    """What is written of a stream that has ended."""
    row, all_frames = await stored(hub, live), await frames(hub, live)
    ways = [seam["how"] for part in row.parts for seam in part["seams"]]
    marks = [one.event for one in all_frames if one.kind is FrameKind.MARK]
    events = [one.data for one in all_frames if one.kind is FrameKind.EVENT]
    events = [data for data in events if data != "[DONE]"]  # it may be left out
    return Told(row.state, row.note, row.text, row.thinking, row.resumes, ways, marks, events)


async def answered(hub: Hub, asked: Profile, *, within: float = 20.0) -> Told:
    """A question's answer at its end. No pause is waited for."""
    return await told(hub, await hurried(hub, await ask(hub, asked), within=within))


async def hurried(hub: Hub, live: Live, *, within: float = 20.0) -> Live:
    """The stream at its end; every pause before another try is cut short."""
    async with asyncio.timeout(within):
        while not live.ended.is_set():
            version = live.version
            if live.due is not None and _pauses(live):
                hub.wake(live)
            else:
                await live.change(version)
    return live


def _pauses(live: Live) -> bool:
    machine = live.machine
    return machine.state in _PAUSES or (live.stopping and machine.stoppable)


async def uncut(hub: Hub, api: Api, **knobs: Any) -> tuple[Told, list[int]]:
    """A faultless run, and where its events end in the body, in bytes."""
    async with api.serve(**knobs) as server:
        whole = await answered(hub, api.profile(server))
        (answer,) = server.answers.values()
        assert whole.content == ("complete", server.text, server.thinking)
        return whole, list(accumulate(map(len, server.on_the_wire(answer))))


async def together(run: Callable[[K], Awaitable[T]], cases: Iterable[K]) -> list[tuple[K, T]]:
    """Each case with what `run` makes of it, several at once."""
    gate = asyncio.Semaphore(TOGETHER)

    async def one(case: K) -> tuple[K, T]:
        async with gate:
            return case, await run(case)

    return await asyncio.gather(*map(one, cases))


def on_disk(folder: Path, column: str = "state") -> str:
    """A column of the only stream, as another process would read it now."""
    with sqlite3.connect(folder / "ssechat.db") as other:
        ((value,),) = other.execute(f"SELECT {column} FROM stream").fetchall()
    other.close()
    return str(value)
