"""From a profile to where requests go, with the key that belongs there."""

from __future__ import annotations

import asyncio
import os

import msgspec

from ssechat import keys
from ssechat.core.dialects import Dialect, dialect
from ssechat.link import Target
from ssechat.settings import Profile


class Route(msgspec.Struct, frozen=True):
    """A profile, ready to be used."""

    profile: Profile
    dialect: Dialect
    target: Target
    secret: keys.Secret | None = None


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
