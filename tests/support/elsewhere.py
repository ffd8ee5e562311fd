"""A relay that gets an answer for a client which has gone, and one that says what a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ssechat.settings import Profile
from support.fault_server import FaultServer, Request, Wire
from support.hubs import finish, profile, say
from support.relays import Relaying, relaying, stream_of

ASKED = {
    "model": "m-1",
    "stream": True,
    "messages": [{"role": "user", "content": "why is the sky blue?"}],
}
LISTING = "/v1/streams?state=unfinished"


class Upstream:
    """Says "one ", then the rest once it may. `cut` is set when its client has gone."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.cut = asyncio.Event()

    async def __call__(self, request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "one ", ids="")
        going = asyncio.ensure_future(self.go_on.wait())
        gone = asyncio.ensure_future(wire.peer_closed.wait())
        await asyncio.wait([going, gone], return_when=asyncio.FIRST_COMPLETED)
        for waiting in (going, gone):
            waiting.cancel()
        if wire.peer_closed.is_set():
            self.cut.set()
            return
        await say(wire, "two ", "three", ids="")
        await finish(wire)


@asynccontextmanager
async def asked_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Relaying, Upstream, str]]:
    """A relay that gets an answer for another client, which has gone; the stream's id."""
    upstream = Upstream()
    async with FaultServer(upstream) as server, relaying(folder, server.base_url) as relay:
        monkeypatch.setenv("RELAY_TOKEN", relay.token)
        async with relay.asking(body=ASKED) as response:
            stream = stream_of(response)
        yield relay, upstream, stream


def at(relay: Relaying, path: str = "/up/v1", **more: Any) -> Profile:
    return profile(f"{relay.base_url}{path}", api_key_env="RELAY_TOKEN", **more)


def told(**more: object) -> dict[str, object]:
    usual = {"id": "st_" + "a" * 26, "dialect": "openai-chat", "upstream": "up", "created_at": 1e9}
    return usual | more


def listing(*streams: object, status: int = 200) -> Callable[[Request, Wire], Any]:
    """A relay that lists this, and answers everything else with `status`."""

    async def answer(request: Request, wire: Wire) -> None:
        if request.target == "/healthz":
            await wire.reply(200, json.dumps({"server": "ssechat-relay"}))
        elif request.target == LISTING:
            await wire.reply(200, json.dumps({"streams": streams}))
        else:
            await wire.reply(status, "{}")

    return answer
