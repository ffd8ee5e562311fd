"""Which servers are relays of ours: they de-duplicate requests by key, and stop them by it."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from ssechat import link
from ssechat.core.conversation import Call
from ssechat.core.errors import Problem
from ssechat.hub.route import Route
from ssechat.journal import StreamJournal
from ssechat.link import Clients, Target
from ssechat.profiles import PROVIDERS
from ssechat.settings import Profile

SERVER = "ssechat-relay"
"""What a relay calls itself at `/healthz`."""
_TIME, _BRIEF = 2.0, 1.0  # s that the answer may take; the second of one that never was a relay
_PUBLIC = frozenset(urlsplit(provider.base_url).hostname for provider in PROVIDERS)
_NO_UPSTREAMS = ("", "v1", "v1beta", "api")
"""How APIs' own paths begin, where a relay's begins with the name of an upstream."""


class _Health(msgspec.Struct):
    server: str = ""


class Relays:
    """A server that can be none is never asked, another one until it has answered."""

    def __init__(self, journal: StreamJournal, clients: Clients) -> None:
        self._journal = journal
        self._clients = clients
        self._asked: dict[str, bool] = {}

    async def told(self, way: Route) -> Route:
        """The route, with a profile that says whether its server is a relay."""
        if way.target.uds:
            return way
        return msgspec.structs.replace(way, profile=await self.known(way.profile))

    async def known(self, profile: Profile) -> Profile:
        """The profile, saying whether its server is a relay; a request waits for that, so one that
        never was a relay has less time to say it."""
        if profile.relay or not may_be_one(profile):
            return profile
        met = await self._journal.met_relay(profile.name)
        if not await self.found(profile, seconds=_TIME if met else _BRIEF):
            return profile
        return msgspec.structs.replace(profile, relay=True)

    async def found(self, profile: Profile, *, seconds: float = _TIME) -> bool:
        """Whether its server is a relay. It is asked without a key and the profile's headers, for
        it may be anybody's, and again until it has answered."""
        origin = origin_of(profile)
        if origin not in self._asked:
            bare = Target(profile.base_url, connect=seconds, ca_file=profile.ca_file)
            call = Call("GET", "/healthz", {})
            try:
                answer = await link.fetch(self._clients, bare, call, seconds=seconds)
            except Problem:
                return False
            if answer.status >= 500:  # what stands before a relay may say so while that starts
                return False
            self._asked[origin] = _is_ours(answer.body)
        return self._asked[origin]


def may_be_one(profile: Profile) -> bool:
    """Whether the base URL could be a relay's: the host is no provider's that we know, and the
    path names an upstream."""
    parts = urlsplit(profile.base_url)
    return parts.hostname not in _PUBLIC and upstream_of(profile) not in _NO_UPSTREAMS


def origin_of(profile: Profile) -> str:
    """Scheme, host and port of the profile's server."""
    parts = urlsplit(profile.base_url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def upstream_of(profile: Profile) -> str:
    """What a relay would call the provider to which the profile leads."""
    return urlsplit(profile.base_url).path.lstrip("/").partition("/")[0]


def _is_ours(health: bytes) -> bool:
    try:
        return msgspec.json.decode(health, type=_Health).server == SERVER
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
