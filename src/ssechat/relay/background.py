"""The background relay: serves the user's own apps on a socket, and ends when it is not needed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import msgspec

from ssechat import paths, settings
from ssechat.background import HOST, KEY, PROFILE, digest, socket_paths
from ssechat.core.errors import Problem
from ssechat.hub.route import Route, route
from ssechat.keys import Secret
from ssechat.profiles import PROVIDERS
from ssechat.relay.config import Limits, RelayConfig
from ssechat.relay.connections import Connection
from ssechat.relay.errors import Refusal
from ssechat.settings import Profile
from ssechat.sockets import bind_unix

IDLE = 60.0
"""Seconds without streams, readers and requests after which it ends."""
STORED = "@"
"""What a profile's name begins with where a stored stream's is one of config.toml."""
_DAY = 86_400.0


def config(path: Path, journal: Path) -> RelayConfig:
    """What an app leaves is finished, and kept until that app is started again."""
    limits = Limits(live_streams=1000, requests_per_minute=100_000)
    return RelayConfig(
        uds=str(path), journal=str(journal), detach_ttl=_DAY, retention=7 * _DAY, limits=limits
    )


def journal_file() -> Path:
    """Of its own: another relay's retention, and its tokens, are nothing to it."""
    return paths.data_dir() / f"background-{digest()}.db"


@contextmanager
def alone(journal: Path) -> Iterator[bool]:
    """Whether this process is the only relay on this journal."""
    lock = journal.with_name(f"{journal.name}.lock")
    number = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(number)


def listen() -> tuple[socket.socket, Path]:
    """A socket at the first place where there can be one. Raises Problem."""
    problem: Problem | None = None
    for path in socket_paths():
        try:
            return bind_unix(path), path
        except Problem as error:
            problem = error
    raise problem or Problem("there is no place for a socket")


def profile(name: str) -> Profile | None:
    """A profile of config.toml as it is now, or of a provider that we know, by its stored name."""
    configured, _ = settings.load(paths.config_file())
    known = {provider.name: provider for provider in PROVIDERS} | configured.profiles
    found = known.get(name.removeprefix(STORED))
    if found is None:
        return None
    return msgspec.structs.replace(found, name=STORED + found.name)


async def way(headers: dict[str, str]) -> Route:
    """Where an app's request goes: to the host of the profile that it names, with the key that came
    along, which is held as long as the stream may need it. Raises Refusal and Problem."""
    name = unquote(headers.get(PROFILE.lower(), ""))
    found = await asyncio.to_thread(profile, name)
    if found is None:
        raise Refusal(404, f"config.toml has no profile {name!r}")
    if found.base_url != unquote(headers.get(HOST.lower(), "")):
        raise Refusal(409, f"profile {name!r} has changed in config.toml: start ssechat again")
    key = headers.get(KEY.lower(), "")
    return await route(found, Secret(key) if key else None)


class Peer(Connection):
    """Talks to the user's own processes only, whatever the socket's mode has become."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if _uid_of(transport.get_extra_info("socket")) not in (os.getuid(), None):
            transport.abort()


def _uid_of(peer: socket.socket) -> int | None:
    """The user at the other end; None where the system does not tell (then the mode decides)."""
    if sys.platform != "linux":
        return None
    data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", data)[1])
