"""From a profile to where requests go, with the key that belongs there."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from ssechat import keys
from ssechat.core.dialects import Dialect, dialect
from ssechat.core.errors import ConfigProblem
from ssechat.journal import StreamRow
from ssechat.link import Target
from ssechat.settings import Profile

Profiles = Callable[[str], Awaitable[Profile | None]]
"""Finds the profile that a stored stream was started with, by its name; None if it is gone."""


class Route(msgspec.Struct, frozen=True):
    """A profile, ready to be used."""

    profile: Profile
    dialect: Dialect
    target: Target
    secret: keys.Secret | None = None

    def new_key(self) -> str:
        """An `Idempotency-Key` for a new request; "" where it would say nothing."""
        if not self.profile.relay:
            return ""
        return (_BACKGROUND if self.target.uds else "") + secrets.token_hex(16)


async def route(profile: Profile, given: keys.Secret | None = None) -> Route:
    """Resolve the profile's key, off the event loop, if none is given. KeyProblem or ConfigProblem
    if it has none."""
    codec = dialect(profile.dialect, profile.options)
    secret = given or await asyncio.to_thread(keys.resolve, profile, os.environ)
    times = profile.timeouts
    target = Target(
        profile.base_url,
        headers=profile.headers,
        secret_headers=codec.auth(secret.reveal()) if secret else {},
        connect=times.connect,
        headers_time=times.headers,
        silence=times.silence,
        idle=times.idle,
        ca_file=profile.ca_file,
        http2=profile.http2,
    )
    return Route(profile, codec, target, secret)


_BACKGROUND = "background-"
"""How the keys of requests begin that went through the background relay."""


class Via(Protocol):
    """The way that requests take to where a route leads: straight, or through the background
    relay."""

    async def fresh(self, way: Route) -> Route:
        """For a new request."""
        ...

    async def again(self, way: Route) -> Route:
        """For a stream that the relay was asked for. Problem if it cannot be reached."""
        ...


class Direct:
    """Straight to the server."""

    async def fresh(self, way: Route) -> Route:
        return way

    async def again(self, way: Route) -> Route:
        return way


class Routes:
    """The routes of a hub's streams. Problems are those of `route`."""

    def __init__(self, find: Profiles, via: Via) -> None:
        self.find = find
        self._via = via

    async def profile(self, name: str) -> Profile:
        """ConfigProblem if there is none of this name any more."""
        found = await self.find(name)
        if found is None:
            raise ConfigProblem(
                f"the profile {name} is no longer configured",
                remedy="configure it again, then resume the answer",
            )
        return found

    async def fresh(self, profile: Profile) -> Route:
        """The way for a new request."""
        return await self._via.fresh(await route(profile))

    async def again(self, row: StreamRow) -> Route:
        """The way that a stored stream's request took."""
        profile = await self.profile(row.profile)
        way = await route(profile)
        kept = row.idempotency_key.startswith(_BACKGROUND)
        return await self._via.again(way) if kept else way
