"""The relay as a process: open the journal, serve, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.routing import Route

from ssechat import paths
from ssechat.core.errors import ConfigProblem, Problem
from ssechat.relay import background, log
from ssechat.relay.config import RelayConfig, in_redis
from ssechat.relay.connections import Connection
from ssechat.relay.relay import Relay
from ssechat.relay.server import application
from ssechat.sockets import address, bind, bind_unix

if TYPE_CHECKING:
    from ssechat.journal.owned import OwnedStreams

DRAIN = 20.0
"""Seconds that streams may go on after SIGTERM, if their upstream could not resume them."""
_GRACE = 2  # s that readers' connections may take to close
_LOOK = 0.1  # s
FIRST_OWNER = "default"

Say = Callable[[str], object]


def run(config: RelayConfig, say: Say) -> None:
    """Serve until a signal comes. `say` tells the operator. Raises Problem."""
    with _alone(config) as first:
        if not first:
            raise Problem(
                f"another relay keeps its streams in {journal_file(config)}",
                remedy="stop it, or give this one a journal of its own in relay.toml; in Redis,"
                " several can share one",
            )
        listener = bind_unix(Path(config.uds)) if config.uds else bind(config.host, config.port)
        with contextlib.closing(listener):
            try:
                asyncio.run(_serve(config, listener, say))
            finally:
                if config.uds:
                    Path(config.uds).unlink(missing_ok=True)


def run_background(say: Say) -> None:
    """Serve the user's apps until nobody needs it; return at once if another process does."""
    from ssechat.relay import app_api

    file = background.journal_file()
    with background.alone(file) as first:
        if not first:
            return
        listener, path = background.listen()
        with contextlib.closing(listener):
            try:
                config = background.config(path, file)
                asyncio.run(_serve(config, listener, say, app_api.routes()))
            finally:
                path.unlink(missing_ok=True)


def _alone(config: RelayConfig) -> AbstractContextManager[bool]:
    """Whether no other process has the journal's file open; in Redis, all may."""
    if in_redis(config.journal):
        return nullcontext(True)
    file = journal_file(config)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return background.alone(file)


async def open_journal(config: RelayConfig) -> OwnedStreams:
    """The journal that the configuration names. Raises Problem."""
    if in_redis(config.journal):
        from ssechat.journal.redis import RedisJournal

        return await RedisJournal.open(config.journal, config.retention, config.lease)
    from ssechat.journal.relay import RelayJournal

    return await RelayJournal.open(journal_file(config))


def journal_file(config: RelayConfig) -> Path:
    if config.journal == "sqlite":
        return paths.data_dir() / "relay.db"
    return Path(config.journal).expanduser().absolute()


async def _serve(
    config: RelayConfig,
    listener: socket.socket,
    say: Say,
    more: Sequence[Route] = (),
) -> None:
    relay = await Relay.open(config, await open_journal(config))
    idle: asyncio.Task[None] | None = None
    try:
        if not config.uds:
            await _first_token(relay, say)
        server = _Server(_settings(config, relay, more), relay)
        if more:
            idle = asyncio.create_task(_end_when_idle(relay, server))
        secure = bool(config.tls.cert)
        where = address(listener, "https" if secure else "http")
        names = ", ".join(config.upstreams) or "no upstream yet: see [upstreams] in relay.toml"
        log.set_up()
        say(f"ssechat relay listens on {where} ({names})")
        await server.serve(sockets=[listener])
    finally:
        if idle is not None:
            idle.cancel()
        await relay.close()


async def _first_token(relay: Relay, say: Say) -> None:
    """Over TCP nothing goes without a token, so there is one from the beginning."""
    if not await relay.journal.tokens() and (token := await relay.journal.add_token(FIRST_OWNER)):
        say(f"token of {FIRST_OWNER!r}, shown this once: {token}")


def _settings(config: RelayConfig, relay: Relay, more: Sequence[Route]) -> uvicorn.Config:
    local = bool(config.uds)
    options: dict[str, Any] = {
        "http": background.Peer if more else Connection,
        "ws": "none",
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": _GRACE,
    }
    if config.tls.cert:
        options |= {"ssl_certfile": config.tls.cert, "ssl_keyfile": config.tls.key}
    settings = uvicorn.Config(application(relay, local=local, more=more), **options)
    try:
        settings.load()
    except OSError as error:
        raise ConfigProblem(
            "the certificate cannot be used",
            detail=error.strerror or str(error),
            remedy="check tls = { cert, key } in relay.toml",
        ) from None
    return settings


async def _end_when_idle(relay: Relay, server: uvicorn.Server) -> None:
    since = time.monotonic()
    while time.monotonic() - since < background.IDLE:
        try:
            await asyncio.wait_for(relay.leaving.wait(), 1.0)
            break
        except TimeoutError:
            since = time.monotonic() if relay.in_use else since
    relay.draining = True
    server.should_exit = True


class _Server(uvicorn.Server):
    """A uvicorn that drains: new streams go elsewhere, those that would be lost may end."""

    def __init__(self, config: uvicorn.Config, relay: Relay) -> None:
        super().__init__(config)
        self._relay = relay
        self._draining: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._drain)
        yield

    def _drain(self) -> None:
        """The first signal drains, the next one ends at once."""
        if self._draining is not None:
            self.should_exit = True
            return
        self._relay.draining = True
        self._draining = asyncio.ensure_future(self._wait_for_streams())

    async def _wait_for_streams(self) -> None:
        until = time.monotonic() + DRAIN
        while self._relay.fragile and time.monotonic() < until:  # noqa: ASYNC110 - many may end
            await asyncio.sleep(_LOOK)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._relay.feeds.hang_up()
        await super().shutdown(sockets)
