"""HTTP/2, where its package is installed: a client for each stream, so that a stop is heard."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from ssechat.link import Target
from support.fault_server import certificate
from support.link import opened

pytest.importorskip("h2")
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived


class Server(asyncio.Protocol):
    """Sends one event on each stream and then nothing more."""

    def __init__(self) -> None:
        self.peer_closed = asyncio.Event()
        self._h2 = H2Connection(H2Configuration(client_side=False))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._h2.initiate_connection()
        transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                head = [(":status", "200"), ("content-type", "text/event-stream")]
                self._h2.send_headers(event.stream_id, head)
                self._h2.send_data(event.stream_id, b"data: hello\n\n")
        self._transport.write(self._h2.data_to_send())

    def connection_lost(self, error: Exception | None) -> None:
        self.peer_closed.set()


async def test_a_stop_closes_its_own_connection_and_no_other(clients, tmp_path):
    cert = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cert)
    context.set_alpn_protocols(["h2"])
    wires: list[Server] = []

    def accept() -> Server:
        wires.append(Server())
        return wires[-1]

    server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        target = Target(url, ca_file=str(cert.cert), http2=True)
        async with opened(clients, target) as first:
            (frame,) = await anext(first.frames())
            assert frame.data == "hello"
            async with opened(clients, target) as second:
                await anext(second.frames())
            await asyncio.wait_for(wires[1].peer_closed.wait(), 0.2)
            assert not wires[0].peer_closed.is_set()
        await asyncio.wait_for(wires[0].peer_closed.wait(), 0.2)
