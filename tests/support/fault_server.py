"""A server on a raw socket that misbehaves exactly as a test tells it to.

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event("one", id="1")
        wire.reset()

    async with FaultServer(handler) as server:
        ... server.base_url, server.requests, await server.received(1) ...

The handler is called for each request. If it returns before the response is complete, the
connection is cut. A handler that fails makes the `async with` fail.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """What came. `headers` have lower-case names, `target` is as it stood in the request line,
    `connection` counts the server's TCP connections from 0."""

    method: str
    target: str
    headers: dict[str, str]
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes
    connection: int

    def json(self) -> Any:
        return json.loads(self.body)


class Certificate(NamedTuple):
    """PEM files of a certificate for 127.0.0.1 and localhost that signs itself, and of its key."""

    cert: Path
    key: Path


Handler = Callable[[Request, "Wire"], Awaitable[None]]


class Wire(asyncio.Protocol):
    """The server's end of one TCP connection.

    `peer_closed` is set when the client has closed or reset it. `finished` says whether the
    response under way is complete. To send after the peer has gone ends the handler quietly.
    """

    def __init__(self, server: FaultServer, number: int) -> None:
        self.peer_closed = asyncio.Event()
        self.finished = False
        self.task: asyncio.Task[None] | None = None
        self.reader = asyncio.StreamReader()
        self._server = server
        self._number = number
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    async def send(self, data: bytes | str) -> None:
        """Raw bytes, nothing added; returns when the system has taken them."""
        if self._transport.is_closing():
            raise ConnectionResetError
        self._transport.write(data.encode() if isinstance(data, str) else data)
        await self._writable.wait()

    async def head(
        self, status: int = 200, headers: Mapping[str, str] | None = None, reason: str | None = None
    ) -> None:
        """A status line and headers, nothing implied."""
        if reason is None:
            known = status in HTTPStatus.__members__.values()
            reason = HTTPStatus(status).phrase if known else "Unknown"
        lines = [f"{name}: {value}\r\n" for name, value in (headers or {}).items()]
        await self.send(f"HTTP/1.1 {status} {reason}\r\n{''.join(lines)}\r\n")

    async def open_stream(
        self, headers: Mapping[str, str] | None = None, *, content_type: str = "text/event-stream"
    ) -> None:
        """The head of a chunked event stream with status 200."""
        usual = {"Content-Type": content_type, "Transfer-Encoding": "chunked"}
        await self.head(200, usual | dict(headers or {}))

    async def chunk(self, data: bytes | str) -> None:
        """One chunk of a chunked body."""
        data = data.encode() if isinstance(data, str) else data
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, data: str, *, event: str = "", id: str | None = None) -> None:
        """One server-sent event, as one chunk."""
        await self.chunk(sse(data, event=event, id=id))

    async def end(self) -> None:
        """The final chunk: the response is complete, the connection stays."""
        await self.send(b"0\r\n\r\n")
        self.finished = True

    async def reply(
        self,
        status: int = 200,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        """A whole response with its Content-Length."""
        body = body.encode() if isinstance(body, str) else body
        await self.head(status, {"Content-Length": str(len(body)), **(headers or {})}, reason)
        await self.send(body)
        self.finished = True

    async def hang(self) -> None:
        """Do nothing until the peer closes."""
        await self.peer_closed.wait()

    def cut(self) -> None:
        """Close now (FIN), whatever is missing."""
        self._transport.close()

    def reset(self) -> None:
        """Close now with a RST. What was sent just before may be lost to the peer."""
        if self._transport.is_closing():  # the peer was faster
            return
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def garble(self) -> None:
        """Put bytes on the socket beneath TLS that are no record of it."""
        os.write(
            self._transport.get_extra_info("socket").fileno(), b"\x17\x03\x03\0\x20" + bytes(32)
        )

    async def tunnel(self, host: str, port: int) -> None:
        """Pass bytes both ways between the peer and another server until one of them closes."""
        reader, writer = await asyncio.open_connection(host, port)
        ways = [_pass(self.reader, writer.write), _pass(reader, self._transport.write)]
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            writer.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.task = asyncio.create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self.reader.feed_data(data)

    def eof_received(self) -> None:
        self.reader.feed_eof()
        self.peer_closed.set()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.peer_closed.is_set():
            self.reader.feed_eof()
            self.peer_closed.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> None:
        self._transport.abort()

    async def _serve(self) -> None:
        try:
            while not self._transport.is_closing():
                request = await self._request()
                self.finished = False
                self._server.take(request, self)
                await self._server.handler(request, self)
                if not self.finished:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:  # noqa: BLE001 (told to the test, by whatever name)
            self._server.failures.append(error)
        finally:
            self._transport.close()

    async def _request(self) -> Request:
        head = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = head[:-4].split(b"\r\n")
        method, target, _ = line.decode("latin-1").split(" ")
        raw = [(name, value.strip()) for name, _, value in (f.partition(b":") for f in fields)]
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in raw}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Request(method, target, headers, raw, body, self._number)


class FaultServer:
    """Listens on 127.0.0.1, on a free port, while the `async with` block runs.

    `requests` and `wires` have one entry for each request, in the order of arrival;
    `connections` is the number of TCP connections so far. `tls` makes it an https server.
    """

    def __init__(self, handler: Handler, *, tls: Certificate | None = None) -> None:
        self.handler = handler
        self.requests: list[Request] = []
        self.wires: list[Wire] = []
        self.connections = 0
        self.failures: list[Exception] = []
        self.port = 0
        self._tls = tls
        self._all: list[Wire] = []
        self._arrived = asyncio.Event()

    @property
    def netloc(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.netloc}"

    async def received(self, count: int = 1, *, within: float = 5.0) -> Request:
        """Wait until `count` requests have come, and give that one. TimeoutError after `within`."""
        async with asyncio.timeout(within):
            while len(self.requests) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.requests[count - 1]

    async def left(self, *, within: float = 5.0) -> None:
        """Wait until every client has closed its connection. TimeoutError after `within` seconds.

        Connections that a client may keep for its next request count too.
        """
        async with asyncio.timeout(within):
            for wire in self._all:
                await wire.peer_closed.wait()

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Nobody listens at its port. Connections that there are stay."""
        self._server.close()
        try:
            yield
        finally:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._connected, HOST, self.port)

    def take(self, request: Request, wire: Wire) -> None:
        self.requests.append(request)
        self.wires.append(wire)
        self._arrived.set()

    async def __aenter__(self) -> Self:
        context = None
        if self._tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._tls)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connected, HOST, 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        tasks = [wire.task for wire in self._all if wire.task]
        for wire in self._all:
            if wire.task:
                wire.abort()
                wire.task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        if self.failures:
            raise self.failures[0]

    def _connected(self) -> Wire:
        self._all.append(Wire(self, self.connections))
        self.connections += 1
        return self._all[-1]


def in_turn(*handlers: Handler) -> Handler:
    """A handler for each request, in their order; the last one serves all that follow."""
    count = 0

    async def handler(request: Request, wire: Wire) -> None:
        nonlocal count
        turn = handlers[min(count, len(handlers) - 1)]
        count += 1
        await turn(request, wire)

    return handler


def sse(data: str, *, event: str = "", id: str | None = None) -> str:
    """A server-sent event as text."""
    head = (f"id: {id}\n" if id is not None else "") + (f"event: {event}\n" if event else "")
    return head + "".join(f"data: {line}\n" for line in data.split("\n")) + "\n"


def certificate(folder: Path, *names: str) -> Certificate:
    """A new certificate that signs itself, also for `names`.

    Skips the test where there is no openssl program.
    """
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=ssechat test"]
    alternatives = ["IP:127.0.0.1", "DNS:localhost", *(f"DNS:{name}" for name in names)]
    command += ["-addext", f"subjectAltName={','.join(alternatives)}"]
    command += ["-keyout", str(made.key), "-out", str(made.cert)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return made


async def _pass(reader: asyncio.StreamReader, write: Callable[[bytes], None]) -> None:
    while data := await reader.read(65536):
        write(data)
