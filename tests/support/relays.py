"""A relay in this process, on a real socket, with a client of its own."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from ssechat.journal.relay import RelayJournal
from ssechat.relay.bodies import Bodies
from ssechat.relay.config import RelayConfig, Upstream
from ssechat.relay.connections import Connection
from ssechat.relay.relay import Relay
from ssechat.relay.server import application
from ssechat.sockets import address, bind

CHAT = "/up/v1/chat/completions"
ASKED: dict[str, Any] = {"model": "m", "stream": True, "messages": []}
_ID = re.compile(r"^id: (\S+)$", re.MULTILINE)


class Relaying:
    """`client` carries the token of `owner`; `upstream` is configured under the name `up`."""

    def __init__(self, relay: Relay, bodies: Bodies, base_url: str, token: str) -> None:
        self.relay = relay
        self.bodies = bodies
        self.base_url = base_url
        self.token = token
        self.client = self.client_of(token)

    def client_of(self, token: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=10
        )

    async def other_owner(self, name: str = "other") -> httpx.AsyncClient:
        token = await self.relay.journal.add_token(name)
        assert token
        return self.client_of(token)

    async def ask(self, path: str = CHAT, *, body: Any = None, **headers: str) -> httpx.Response:
        """The whole answer, however it ends."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, json=ASKED if body is None else body, headers=sent)

    @asynccontextmanager
    async def asking(
        self, path: str = CHAT, *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The answer while it comes."""
        async with self.client.stream(
            "POST", path, json=ASKED if body is None else body, headers=dict(headers or {})
        ) as response:
            yield response

    async def ended(self, stream_id: str) -> None:
        """Wait until the stream has ended."""
        live = self.relay.streams.held(stream_id)
        if live is not None:
            async with asyncio.timeout(10):
                await live.ended.wait()


@asynccontextmanager
async def relaying(
    folder: Path, base_url: str, *, upstream: Mapping[str, Any] | None = None, **more: Any
) -> AsyncIterator[Relaying]:
    """A relay on `folder`'s journal. Fails if one of its tasks ended in an error of nobody's."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: unhandled.append(what))
    up = Upstream(name="up", base_url=base_url, **(upstream or {}))
    config = RelayConfig(upstreams={"up": up}, **more)
    relay = await Relay.open(config, await RelayJournal.open(folder / "relay.db"))
    listener = bind("127.0.0.1", 0)
    app = application(relay)
    settings = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(settings)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.ensure_future(server._serve([listener]))
    token = await relay.journal.add_token("me") or ""
    running = Relaying(relay, app.state.bodies, address(listener), token)
    try:
        yield running
    finally:
        await running.client.aclose()
        relay.feeds.hang_up()
        server.should_exit = True
        await serving
        await relay.close()
        listener.close()
    gc.collect()
    assert not unhandled, unhandled


def stream_of(response: httpx.Response) -> str:
    return response.headers["ssechat-stream-id"]


def ids(text: str) -> list[str]:
    """The ids of the events in a body."""
    return _ID.findall(text)


def numbers(text: str) -> list[int]:
    return [int(id.rpartition("-")[2]) for id in ids(text)]


class Body:
    """A body that comes bit by bit; `text` is what has come."""

    def __init__(self, response: httpx.Response) -> None:
        self.text = ""
        self.parts = response.aiter_text()

    async def until(self, number: int) -> str:
        """What has come once event `number` has."""
        while number not in numbers(self.text) or not self.text.endswith("\n\n"):
            self.text += await anext(self.parts)
        return self.text

    async def whole(self) -> str:
        """All of it, once it has ended."""
        async for part in self.parts:
            self.text += part
        return self.text


def data_of(text: str) -> list[str]:
    """The data lines in a body."""
    lines = text.splitlines()
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
