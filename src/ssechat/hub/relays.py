"""Which servers are relays of ours: they de-duplicate requests by key, and stop them by it."""

from __future__ import annotations

import msgspec

from ssechat import link
from ssechat.core.conversation import Call
from ssechat.core.errors import Problem
from ssechat.hub.prompts import is_public
from ssechat.hub.route import Route
from ssechat.journal import StreamJournal
from ssechat.link import Clients

SERVER = "ssechat-relay"
"""What a relay calls itself at `/healthz`."""
_TIME = 2.0  # s that the answer may take


class _Health(msgspec.Struct):
    server: str = ""


class Relays:
    """A server is asked only if it has been a relay before, and once for each process."""

    def __init__(self, journal: StreamJournal, clients: Clients) -> None:
        self._journal = journal
        self._clients = clients
        self._asked: dict[str, bool] = {}

    async def told(self, way: Route) -> Route:
        """The route, with a profile that says whether its server is a relay."""
        if way.profile.relay or way.target.uds or is_public(way.profile):
            return way
        where = way.target.where
        if where not in self._asked:
            if not await self._journal.met_relay(way.profile.name):
                return way
            self._asked[where] = await self._is_one(way)
        if not self._asked[where]:
            return way
        profile = msgspec.structs.replace(way.profile, relay=True)
        return msgspec.structs.replace(way, profile=profile)

    async def _is_one(self, way: Route) -> bool:
        """It is asked without a key: a server may have taken its place."""
        bare = msgspec.structs.replace(way.target, headers={}, secret_headers={})
        try:
            answer = await link.fetch(
                self._clients, bare, Call("GET", "/healthz", {}), seconds=_TIME
            )
            return msgspec.json.decode(answer.body, type=_Health).server == SERVER
        except (Problem, msgspec.DecodeError):
            return False
