"""The seed's simple endpoint: one question in plain JSON, whichever upstream answers it."""

from __future__ import annotations

import asyncio
import hashlib
import time

from ssechat.core.conversation import Call
from ssechat.core.dialects import dialect as codec_of
from ssechat.core.errors import Problem
from ssechat.hub.route import route
from ssechat.link import fetch
from ssechat.relay import simple_ask as ask
from ssechat.relay.config import Upstream
from ssechat.relay.errors import Refusal
from ssechat.relay.relay import Relay
from ssechat.relay.simple import VIEW
from ssechat.relay.starting import Order, Started

_LIST_TIME = 5.0  # s
_LIST_AGE = 300.0  # s that a list of models counts as new
_MOST_MODELS = 500
_OF_THE_CLIENT = (400, 404, 408, 413, 422, 429, 503, 529)
"""Statuses of an upstream that are passed on. That our own key is refused is not the client's."""


class SimpleApi:
    """`POST /api/chat` and `GET /api/models`, without their HTTP."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._lists: dict[str, tuple[float, list[str]]] = {}

    async def chat(self, owner: str, body: bytes, key: str) -> Started:
        """Start the answer, or find it under the key. Raises Refusal and Problem."""
        what = ask.asked(body)
        chosen = ask.choose(self._relay.config.upstreams, what.model)
        if not chosen.model:
            listed = await self._models(chosen.upstream, chosen.dialect)
            chosen = chosen._replace(model=listed[0] if listed else "")
        way = await route(chosen.upstream.profile(chosen.dialect, VIEW))
        digest = hashlib.sha256(b"api/chat\n" + body).digest()
        call = ask.request(chosen, what)
        started = await self._relay.start(Order(owner, way, call, key, digest))
        if started.feed is None:
            raise _refusal(chosen.dialect, started)
        return started

    async def models(self) -> list[str]:
        """What may stand as "model": `UPSTREAM/MODEL`; the first is what answers without one."""
        upstreams = self._relay.config.upstreams
        spoken = ask.able(upstreams)
        found = await asyncio.gather(
            *(self._models(upstreams[name], dialect) for name, dialect in spoken.items())
        )
        return [
            f"{name}/{model}"
            for name, listed in zip(spoken, found, strict=True)
            for model in listed
        ]

    async def _models(self, upstream: Upstream, dialect: str) -> list[str]:
        """Those that are allowed, or that the upstream lists; its usual one first."""
        if upstream.models:
            return list(upstream.models)
        since, listed = self._lists.get(upstream.name, (0.0, []))
        if not listed or time.monotonic() - since > _LIST_AGE:
            listed = await self._list(upstream, dialect)
            self._lists[upstream.name] = time.monotonic(), listed
        usual = ask.usual(upstream)
        rest = [name for name in listed if name != usual]
        return [usual, *rest] if usual else rest

    async def _list(self, upstream: Upstream, dialect: str) -> list[str]:
        codec = codec_of(dialect)
        path = ask.path_at(upstream.base_url, dialect, codec.MODELS_PATH)
        try:
            way = await route(upstream.profile(dialect))
            call = Call("GET", path, {})
            answer = await fetch(self._relay.clients, way.target, call, seconds=_LIST_TIME)
        except Problem:
            return []
        return codec.models(answer.body)[:_MOST_MODELS] if answer.status == 200 else []


def _refusal(dialect: str, answer: Started) -> Refusal:
    """The upstream's answer that is no stream, in the words of this endpoint."""
    status = answer.head.status
    said = codec_of(dialect).error_text(answer.body) or f"status {status}, and no stream"
    wait = answer.head.headers.get("retry-after")
    headers = {"Retry-After": wait} if wait else {}
    passed = status if status in _OF_THE_CLIENT else 502
    return Refusal(passed, f"the upstream says: {said}", headers=headers)
