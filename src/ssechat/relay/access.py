"""Who may come in: our own names as Host, no foreign page, JSON only, and an owner's token."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping

from starlette.datastructures import Headers

from ssechat.core.errors import Problem
from ssechat.journal.owned import OwnedStreams
from ssechat.relay.config import RelayConfig
from ssechat.relay.errors import Refusal

LOCAL = ":local"
"""The owner of everything that comes over a Unix socket, which only its owner can open. No token
has such a name."""
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(:[0-9]{1,5})?")
_MINUTE = 60.0  # s
LOOK = 4.0
"""Seconds between looks whether a reader's token still holds."""


def check(config: RelayConfig, method: str, headers: Headers) -> None:
    """Raises Refusal. A page in a browser can reach loopback; it gets nothing here, nor does one
    that made the browser believe another name is ours."""
    host = headers.get("host", "").lower()
    match = _HOST.fullmatch(host)
    if match is None or match[1] not in map(str.lower, config.allowed_hosts):
        raise Refusal(421, "this relay does not answer under that host name (allowed_hosts)")
    origin = headers.get("origin", "").lower()
    allowed = (f"http://{host}", f"https://{host}", *map(str.lower, config.origins))
    if "origin" in headers and origin not in allowed:
        raise Refusal(403, "requests from other origins are refused (origins)")
    if method == "POST" and not _is_json(headers):
        raise Refusal(415, "send the body as Content-Type: application/json")


def token_of(headers: Mapping[str, str]) -> str:
    """The token, from where clients put their keys; "" if there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key", "") or headers.get("x-goog-api-key", "")


async def owner_of(journal: OwnedStreams, headers: Mapping[str, str], *, local: bool) -> str:
    """Whose request it is. Raises Refusal."""
    token = token_of(headers)
    owner = await journal.owner_of(token) if token else None
    if owner is not None:
        return owner
    if local:
        return LOCAL
    raise Refusal(
        401,
        "a token of this relay is needed (ssechat relay token add NAME)",
        headers={"WWW-Authenticate": "Bearer"},
    )


class Owners:
    """Who has a token, as it is known for all readers together."""

    def __init__(self, journal: OwnedStreams) -> None:
        self._journal = journal
        self._since: dict[str, float] = {}
        self._read = -LOOK
        self._reading = asyncio.Lock()

    async def since(self, owner: str) -> float | None:
        """When the owner's token was made, in seconds since the epoch; None if it was revoked."""
        async with self._reading:
            now = time.monotonic()
            if now - self._read >= LOOK / 2:
                self._since = dict(await self._journal.tokens())
                self._read = now
        return self._since.get(owner)


class Entry:
    """What let a request in: its owner's token, which may be revoked while the answer comes."""

    def __init__(self, owner: str, owners: Owners) -> None:
        self._owner = owner
        self._owners = owners
        self._since: float | None = None

    async def holds(self) -> bool:
        """To be asked `LOOK` seconds after the request came, or later."""
        if self._owner == LOCAL:
            return True
        try:
            since = await self._owners.since(self._owner)
        except Problem:
            return True  # the journal is busy: next time
        before, self._since = self._since, since
        return since is not None and before in (None, since)


class Rates:
    """Requests of each owner, as a bucket that is full after a minute of rest."""

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, owner: str) -> None:
        """Count a request. Raises Refusal if there have been too many."""
        now = time.monotonic()
        left, since = self._left.get(owner, (float(self._most), now))
        left = min(self._most, left + (now - since) * self._most / _MINUTE)
        if left < 1:
            wait = round((1 - left) * _MINUTE / self._most) + 1
            raise Refusal(429, "too many requests", headers={"Retry-After": str(wait)})
        self._left[owner] = left - 1, now


def _is_json(headers: Headers) -> bool:
    """A POST without any body needs no type: pages cannot make one without an Origin."""
    kind = headers.get("content-type")
    if kind is None:
        return "transfer-encoding" not in headers and headers.get("content-length", "0") == "0"
    return kind.partition(";")[0].strip().lower() == "application/json"
