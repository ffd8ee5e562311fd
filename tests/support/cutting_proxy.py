"""A TCP proxy that cuts response bodies at an exact byte, and remembers what it saw.

    async with CuttingProxy("127.0.0.1", port, cuts=[100]) as proxy:
        ... proxy.base_url, proxy.exchanges ...

The n-th response that is an event stream is cut after `cuts[n]` bytes of its body; later ones pass
whole. Bytes of a chunk's frame do not count.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

HOST = "127.0.0.1"
ASIDE = "/v1/streams/lookup"
"""What llama.cpp is asked beside a stream: it is not remembered."""
_ID = re.compile(rb"^id: ?(.*)$", re.MULTILINE)


@dataclass
class Exchange:
    """One request and what was passed on of its answer; `arrivals` are (monotonic, bytes so far)
    of the body as it came from the server, one for each chunk."""

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    body: bytes = b""
    arrivals: list[tuple[float, int]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The ids of the events that were passed on whole."""
        whole, found, _ = self.body.rpartition(b"\n\n")
        return [match.decode() for match in _ID.findall(whole + found)]


class CuttingProxy:
    """Listens on 127.0.0.1, on a free port. With `reset` it cuts by RST instead of FIN."""

    def __init__(self, host: str, port: int, cuts: Sequence[int] = (), reset: bool = False) -> None:
        self.exchanges: list[Exchange] = []
        self._upstream = host, port
        self._cuts = list(cuts)
        self._reset = reset
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, HOST, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            pass  # asyncio's streams complain of a connection whose task was cancelled
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Pass one request and its answer on; whether the connection may be used again."""
        head = await reader.readuntil(b"\r\n\r\n")
        line, headers = _parsed(head)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = line.split(" ", 2)
        exchange = Exchange(method, path, headers)
        if not path.endswith(ASIDE):
            self.exchanges.append(exchange)
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        try:
            up_writer.write(head + body)
            return await self._answer(exchange, up_reader, writer)
        finally:
            up_writer.transport.abort()

    async def _answer(
        self, exchange: Exchange, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = await upstream.readuntil(b"\r\n\r\n")
        line, headers = _parsed(head)
        exchange.status = int(line.split(" ")[1])
        writer.write(head)
        if headers.get("transfer-encoding") != "chunked":
            exchange.body = await upstream.readexactly(int(headers.get("content-length", 0)))
            writer.write(exchange.body)
            return True
        cut = self._cuts.pop(0) if self._cuts else None
        return await self._chunks(exchange, upstream, writer, cut)

    async def _chunks(
        self,
        exchange: Exchange,
        upstream: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        cut: int | None,
    ) -> bool:
        while cut is None or len(exchange.body) < cut:
            size = int(await upstream.readuntil(b"\r\n"), 16)
            data = (await upstream.readexactly(size + 2))[:size]
            exchange.arrivals.append((time.monotonic(), len(exchange.body) + size))
            left = size if cut is None else min(size, cut - len(exchange.body))
            exchange.body += data[:left]
            writer.write(b"%x\r\n%s\r\n" % (left, data[:left]))
            await writer.drain()
            if size == 0:
                return True
        self._break(writer)
        return False

    def _break(self, writer: asyncio.StreamWriter) -> None:
        if self._reset:
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            writer.close()


def _parsed(head: bytes) -> tuple[str, dict[str, str]]:
    """The first line, and the headers by their lower-case names."""
    line, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    pairs = (field.partition(":") for field in fields)
    return line, {name.lower(): value.strip() for name, _, value in pairs}
