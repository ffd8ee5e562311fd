"""A TCP proxy that passes bytes both ways, cuts connections, and counts what it did.

    async with TcpProxy("127.0.0.1", port, cuts=at_random(random.Random(1), 10, 5000)) as proxy:
        ... proxy.base_url, proxy.cut(), proxy.requests, proxy.cut_count ...

It knows nothing of HTTP but that a request begins with its method, which begins a new count.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

HOST = "127.0.0.1"
_REQUEST = re.compile(rb"((?:GET|POST|DELETE) \S+) HTTP/1\.1\r\n")
ASIDE = "/v1/streams/lookup"
"""What llama.cpp is asked beside a stream: it is neither remembered nor cut."""


def at_random(dice: random.Random, times: int, most: int) -> Iterator[int]:
    """`times` byte counts up to `most`."""
    return (dice.randint(1, most) for _ in range(times))


@dataclass(eq=False)
class _Pair:
    """A connection and the one that it is passed on to. `left`: bytes until it is cut."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    left: int | None = None


class TcpProxy:
    """Listens on 127.0.0.1, on a free port.

    The answer to the n-th request is cut after the n-th number of `cuts`, in bytes from its status
    line on; None is not cut, nor are those that follow. With `reset` it cuts by RST instead of FIN.
    `requests` are methods and targets in the order of arrival; `cut_count` connections were cut.
    """

    def __init__(
        self, host: str, port: int, cuts: Iterable[int | None] = (), reset: bool = False
    ) -> None:
        self.requests: list[str] = []
        self.cut_count = 0
        self._upstream = host, port
        self._cuts = iter(cuts)
        self._reset = reset
        self._pairs: list[_Pair] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    def count(self, beginning: str) -> int:
        """How many requests began with this."""
        return sum(request.startswith(beginning) for request in self.requests)

    def cut(self) -> int:
        """Cut all connections now; how many there were."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._break(pair)
        return len(pairs)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, HOST, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        waits = (writer.wait_closed() for writer in self._writers)
        await asyncio.gather(*waits, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        try:
            await self._pass(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # asyncio's streams complain of a connection whose task was cancelled
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_connection(*self._upstream)
        self._writers.append(server)
        pair = _Pair(writer, server)
        self._pairs.append(pair)
        ways = [
            asyncio.create_task(self._asking(reader, pair)),
            asyncio.create_task(self._answering(answers, pair)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server.transport.abort()
            if pair in self._pairs:
                self._pairs.remove(pair)

    async def _asking(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        while data := await reader.read(65536):
            found = _REQUEST.match(data)
            if found and not found[1].decode().endswith(ASIDE):
                self.requests.append(found[1].decode())
                pair.left = next(self._cuts, None)
            pair.server.write(data)
            await pair.server.drain()

    async def _answering(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        while data := await reader.read(65536):
            if pair.left is not None:
                data = data[: pair.left]
                pair.left -= len(data)
            pair.client.write(data)
            await pair.client.drain()
            if pair.left == 0:
                self._break(pair)
                return

    def _break(self, pair: _Pair) -> None:
        self.cut_count += 1
        if self._reset:
            sock: socket.socket = pair.client.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            pair.client.transport.abort()
        else:
            pair.client.close()
        pair.server.transport.abort()
