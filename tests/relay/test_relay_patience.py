"""Clients that send their requests slowly, or never whole, take nothing from the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ssechat.relay import bodies, connections
from support.relays import CHAT, Relaying, relaying

NOWHERE = "http://127.0.0.1:9"


class Peer:
    """A client that speaks for itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def says(self, text: str) -> None:
        self._writer.write(text.encode())
        await self._writer.drain()

    async def asks(self, relay: Relaying, length: int) -> None:
        """The lines of a request whose body has `length` bytes."""
        await self.says(
            f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {relay.token}\r\nContent-Length: {length}\r\n\r\n"
        )

    async def whole(self) -> str:
        """All that comes until the relay closes the connection."""
        async with asyncio.timeout(10):
            try:
                return (await self._reader.read()).decode()
            except ConnectionError:
                return ""


@asynccontextmanager
async def talking(relay: Relaying) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection(*relay.base_url.rpartition("/")[2].split(":"))
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()


async def trickle(peer: Peer, text: str) -> None:
    """A byte now and then, for ever."""
    try:
        while True:
            await peer.says(text)
            await asyncio.sleep(0.02)
    except ConnectionError:
        pass


async def test_a_body_that_trickles_is_refused_and_the_connection_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.3)
    async with relaying(tmp_path, NOWHERE) as relay, talking(relay) as peer:
        await peer.asks(relay, 1000)
        trickling = asyncio.create_task(trickle(peer, "x"))
        answer = await peer.whole()
        trickling.cancel()
        assert answer.startswith("HTTP/1.1 408 ")
        assert "takes too long" in answer


async def test_a_body_that_comes_fast_enough_may_take_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.05)
    monkeypatch.setattr(bodies, "PACE", 1)
    async with relaying(tmp_path, NOWHERE) as relay, talking(relay) as peer:
        await peer.asks(relay, 10)
        await peer.says("x" * 9)
        await asyncio.sleep(0.1)
        await peer.says("x\r\n")
        assert (await peer.whole()).startswith("HTTP/1.1 400 ")  # read, and no JSON


async def test_bodies_under_way_are_bounded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "TOGETHER", 100_000)
    async with relaying(tmp_path, NOWHERE) as relay:
        async with talking(relay) as first, talking(relay) as second:
            await first.asks(relay, 90_001)
            await first.says("x" * 90_000)
            async with asyncio.timeout(10):
                while relay.bodies.held < 90_000:  # noqa: ASYNC110 - another task reads
                    await asyncio.sleep(0.01)
            await second.asks(relay, 90_000)
            await second.says("x" * 20_000)
            answer = await second.whole()
            assert answer.startswith("HTTP/1.1 503 ")
            assert "retry-after: 5" in answer.lower()
            await first.says("x")
        answer = await relay.ask()
        assert answer.status_code == 502
        assert relay.bodies.held == 0


@pytest.mark.parametrize("beginning", ["", "GET /healthz HTT", "GET / HTTP/1.1\r\nHost: loc"])
async def test_a_request_that_does_not_end_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beginning: str
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.3)
    async with relaying(tmp_path, NOWHERE) as relay, talking(relay) as peer:
        await peer.says(beginning)
        trickling = asyncio.create_task(trickle(peer, "x" if beginning else ""))
        assert await peer.whole() == ""
        trickling.cancel()


async def test_what_follows_an_answered_request_is_not_waited_for_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.3)
    async with relaying(tmp_path, NOWHERE) as relay, talking(relay) as peer:
        await peer.says("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n")
        trickling = asyncio.create_task(trickle(peer, "x"))
        assert (await peer.whole()).startswith("HTTP/1.1 200 ")
        trickling.cancel()


async def test_an_answer_may_take_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.05)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.2)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    upstream = await asyncio.start_server(slow, "127.0.0.1", 0)
    port = upstream.sockets[0].getsockname()[1]
    async with upstream, relaying(tmp_path, f"http://127.0.0.1:{port}") as relay:
        assert (await relay.ask()).text == "{}"
