"""Several relays, real processes, that share one real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from support.redis_server import RedisServer, redis_server
from support.relay_process import RelayProcess, relay_process
from support.relays import CHAT, data_of, ids

LEASE = 3.0
"""Seconds; short, so that tests need not wait."""


class Fleet:
    """The token of the first one is good at all of them."""

    def __init__(self, redis: RedisServer, relays: list[RelayProcess]) -> None:
        self.redis = redis
        self.relays = relays
        for relay in relays[1:]:
            relay.token = relays[0].token

    def client(self, number: int) -> httpx.AsyncClient:
        return self.relays[number].client()


@contextmanager
def fleet(
    folder: Path, base_url: str, count: int = 3, more: str = "", lease: float = LEASE
) -> Iterator[Fleet]:
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(folder / "redis"))
        toml = f'journal = "{redis.url}"\nlease = "{lease:g}s"\n{more}'
        relays = [
            stack.enter_context(relay_process(folder / f"relay{n}", base_url, more=toml))
            for n in range(count)
        ]
        yield Fleet(redis, relays)


def asked(name: str) -> dict[str, Any]:
    return {"model": "m", "stream": True, "messages": [{"role": "user", "content": name}]}


class Reader:
    """Reads one stream, from whichever relay; `seen` are its events' ids and data."""

    def __init__(self) -> None:
        self.stream = ""
        self.seen: list[tuple[str, str]] = []

    @property
    def data(self) -> list[str]:
        return [data for _, data in self.seen]

    async def ask(
        self, client: httpx.AsyncClient, name: str, events: int = 10**9, **more: str
    ) -> None:
        """Start a stream and read so many events of it."""
        async with client.stream("POST", CHAT, json=asked(name), headers=more) as response:
            await self._some(response, events)

    async def go_on(self, client: httpx.AsyncClient, events: int = 10**9) -> int:
        """Read on from where it was, at this relay; the status."""
        path = f"/v1/streams/{self.stream}/events"
        headers = {"Last-Event-ID": self.seen[-1][0]} if self.seen else {}
        async with client.stream("GET", path, headers=headers) as response:
            if response.status_code == 200:
                await self._some(response, events)
            return response.status_code

    async def to_the_end(self, *clients: httpx.AsyncClient, within: float = 40.0) -> None:
        """Read on, at one relay after the other, until there is no more."""
        async with asyncio.timeout(within):
            while True:
                for client in clients:
                    try:
                        status = await self.go_on(client)
                        if status == 204:
                            return
                        assert status in (200, 502, 503), status
                    except httpx.TransportError:
                        pass
                    await asyncio.sleep(0.02)

    async def _some(self, response: httpx.Response, events: int) -> None:
        assert response.status_code == 200, (response.status_code, await response.aread())
        self.stream = response.headers["ssechat-stream-id"]
        text, before, base = "", len(self.seen), list(self.seen)
        async for piece in response.aiter_text():
            text += piece
            whole = text[: text.rfind("\n\n") + 2]
            self.seen = base + list(zip(ids(whole), data_of(whole), strict=True))
            if len(self.seen) - before >= events:
                self.seen = self.seen[: before + events]
                return


def order(event_id: str) -> tuple[int, int]:
    """The epoch and the number that an id tells."""
    epoch, _, seq = event_id.rpartition(".")[2].partition("-")
    return int(epoch), int(seq)


def in_order(reader: Reader) -> bool:
    """Whether ids go up, and from 1 without a gap in each epoch."""
    places = [order(id) for id, _ in reader.seen]
    expected = [
        (epoch, 1 if at == 0 or places[at - 1][0] != epoch else places[at - 1][1] + 1)
        for at, (epoch, _) in enumerate(places)
    ]
    return places == expected and places == sorted(places)
