"""The connection to Redis: from a URL, with errors that an operator can act on.

`redis://`, `rediss://` and `unix://` are redis-py's own. `redis+cluster://` and
`rediss+cluster://` lead to a cluster; `redis+sentinel://HOST,HOST/MASTER/DB` asks sentinels where
the master is. Source: redis.readthedocs.io, "Connecting to Redis".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ssechat.core.errors import ConfigProblem, JournalProblem

if TYPE_CHECKING:
    from redis.asyncio import Redis

TIME = 3.0
"""Seconds that a command may take."""
_CONNECTIONS = 10_000
_START = "start Redis, or correct `journal` in relay.toml"
_RIGHTS = "check the user and password in `journal`, and what that user may do"
_REMEDIES = {
    "OutOfMemoryError": "raise Redis' maxmemory, or shorten `retention`",
    "AuthenticationError": _RIGHTS,
    "NoPermissionError": _RIGHTS,
    "ResponseError": "it is tried again; see Redis' own log",
}
"""By the names of redis-py's exceptions."""
_SENTINEL = 26379
_OLDEST = 7  # Redis' own version; Valkey began above it


class Gone(JournalProblem):
    """Redis cannot be reached, or does not take what is written."""


class Server:
    """`client` is for commands, `waiting` for those that block for up to `block` seconds."""

    def __init__(self, url: str, *, block: float) -> None:
        self.where = where(url)
        self.cluster = url.partition("://")[0].endswith("+cluster")
        self.client = _connect(url, TIME)
        self.waiting = _connect(url, TIME + block)

    async def check(self) -> None:
        """Raises ConfigProblem if this is no server that can keep streams."""
        try:
            found = await self.client.info("server")
        except TypeError:  # an option that no connection has
            raise _wrong(self.where) from None
        except Exception as error:  # noqa: BLE001 - as in `do`
            raise self.problem(error) from None
        if self.cluster and "redis_version" not in found:
            found = next(iter(found.values()))
        version = str(found.get("valkey_version") or found.get("redis_version", "0"))
        if int(re.match(r"\d*", version)[0] or 0) < _OLDEST:  # type: ignore[index]
            raise ConfigProblem(
                f"Redis {version} at {self.where} is too old",
                remedy=f"use Redis {_OLDEST} or newer, or Valkey",
            )

    async def do(self, command: Any) -> Any:
        """What a command of redis-py's answers; bytes are not decoded. Raises Gone."""
        try:
            return await command
        except Exception as error:  # noqa: BLE001 - not all of redis-py's errors are its own
            raise self.problem(error) from None

    async def field(self, name: str, keys: Sequence[str]) -> list[bytes | None]:
        """One field of many hashes. Raises Gone."""
        return await self._all(lambda client, key: client.hget(key, name), keys)

    async def hashes(self, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        """Many hashes. Raises Gone."""
        return await self._all(lambda client, key: client.hgetall(key), keys)

    async def _all(self, command: Callable[[Any, str], Any], keys: Sequence[str]) -> list[Any]:
        if self.cluster:
            asked = (command(self.client, key) for key in keys)
            return list(await self.do(asyncio.gather(*asked)))
        async with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                command(pipe, key)
            return list(await self.do(pipe.execute()))

    def problem(self, error: Exception) -> Gone:
        """What an error of redis-py's means."""
        told = re.sub(r"\s+", " ", str(error))[:200]
        kind = type(error).__name__
        known = (_REMEDIES.get(one.__name__) for one in type(error).__mro__)
        remedy = next(filter(None, known), _START)
        return Gone(
            "the journal in Redis cannot be read or written",  # readers of a relay are told this
            detail=f"{self.where}: {kind}: {told}" if _fit(told) else f"{self.where}: {kind}",
            remedy=remedy,
        )

    async def close(self) -> None:
        for client in (self.client, self.waiting):
            await client.aclose()
            pool: Any = getattr(client, "connection_pool", None)  # a cluster has many
            manager = getattr(pool, "sentinel_manager", None)
            for sentinel in manager.sentinels if manager else ():
                await sentinel.aclose()


def _fit(told: str) -> bool:
    """Errors of the network may quote a URL."""
    return "@" not in told and told.isprintable()


def where(url: str) -> str:
    """The URL as it may be shown: without user and password, which may hold anything, and query."""
    rest = url.partition("://")[2].rpartition("@")[2]
    return rest.partition("?")[0]


def _connect(url: str, seconds: float) -> Redis:
    try:
        return _made(url, seconds)
    except ImportError:
        raise ConfigProblem(
            "a journal in Redis needs the package redis", remedy="pip install 'ssechat[redis]'"
        ) from None
    except (ValueError, TypeError):  # what they say may quote a password
        raise _wrong(where(url)) from None


def _wrong(where: str) -> ConfigProblem:
    return ConfigProblem(
        f"the address of Redis at {where} is wrong",
        remedy="correct `journal` in relay.toml; a password's / ? # @ [ ] are written as %2F …",
    )


def _made(url: str, seconds: float) -> Redis:
    import redis.asyncio as client
    from redis.asyncio.retry import Retry
    from redis.backoff import ExponentialBackoff
    from redis.exceptions import ConnectionError as Unconnected

    options: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": TIME,
        "max_connections": _CONNECTIONS,
    }
    scheme = url.partition("://")[0]
    if scheme != "unix":
        options["socket_keepalive"] = True
    if scheme.endswith("+cluster"):
        plain = url.replace("+cluster", "", 1)
        return client.RedisCluster.from_url(plain, **options)  # type: ignore[return-value]
    # A connection may have died unawares. What may have run and is sent again does no harm.
    options["retry"] = Retry(ExponentialBackoff(cap=0.2, base=0.05), 2, (Unconnected,))
    if scheme == "redis+sentinel":
        return _by_sentinel(url, options)
    return client.Redis.from_url(url, **options)


def _by_sentinel(url: str, options: dict[str, Any]) -> Redis:
    from redis.asyncio.sentinel import Sentinel

    parts = urlsplit(url)
    master, _, number = parts.path.strip("/").partition("/")
    if not master:
        raise ValueError("it has to end in the master's name: redis+sentinel://HOST/MASTER")
    hosts = [_host(one) for one in parts.netloc.rpartition("@")[2].split(",")]
    names = ("username", "password")
    user = {name: unquote(value) for name in names if (value := getattr(parts, name))}
    sentinel: Any = Sentinel(hosts, sentinel_kwargs={"socket_timeout": TIME})  # type: ignore[no-untyped-call]
    made: Redis = sentinel.master_for(master, db=int(number or 0), **user, **options)
    return made


def _host(text: str) -> tuple[str, int]:
    name, _, port = text.partition(":")
    return name, int(port or _SENTINEL)
