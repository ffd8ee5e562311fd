"""The demo server as a process: bind, serve, say READY, end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ssechat.demo.provider import Provider
from ssechat.demo.server import application
from ssechat.demo.store import Store
from ssechat.sockets import address, bind

_GRACE = 2


class _Protocol(H11Protocol):
    """Hands each request its transport, so that a response can cut its own connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """A uvicorn that says when it is up, and hangs up on its readers when it goes."""

    def __init__(self, config: uvicorn.Config, provider: Provider, up: Callable[[], None]) -> None:
        super().__init__(config)
        self._provider = provider
        self._up = up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._up()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._provider.close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end the server and not the process, so that it ends with status 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        yield

    def stop(self) -> None:
        self.should_exit = True


def run(host: str, port: int, rate: float, state: Path | None, lifeline: bool) -> None:
    """Serve until a signal comes or, with `lifeline`, standard input ends. Raises Problem.

    Without `state` the streams live in a temporary directory and go with the process.
    """
    listener = bind(host, port)
    url = address(listener)
    with contextlib.ExitStack() as stack:
        stack.enter_context(listener)
        folder = state or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="ssechat-demo-"))
        )
        provider = Provider(Store(folder), rate)
        asyncio.run(_serve(provider, host, listener, lambda: _ready(url), lifeline))


def _ready(url: str) -> None:
    try:
        os.write(sys.stdout.fileno(), f"READY {url}\n".encode())
    except OSError:
        return


async def _serve(
    provider: Provider,
    host: str,
    listener: socket.socket,
    up: Callable[[], None],
    lifeline: bool,
) -> None:
    settings: dict[str, Any] = {
        "http": _Protocol,
        "ws": "none",
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": _GRACE,
    }
    server = _Server(uvicorn.Config(application(provider, host), **settings), provider, up)
    if lifeline:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_hold, args=(loop, server.stop), daemon=True).start()
    await server.serve(sockets=[listener])


def _hold(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Read standard input to its end, then stop the server."""
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    try:
        loop.call_soon_threadsafe(stop)
    except RuntimeError:
        return
