"""What the routes do with every request: whose it is, its body and key, and what answers it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from ssechat.core.dialects import Framing
from ssechat.core.errors import JournalProblem
from ssechat.relay import access
from ssechat.relay.bodies import Bodies
from ssechat.relay.errors import Refusal
from ssechat.relay.feed import Feed
from ssechat.relay.reader import Reading
from ssechat.relay.relay import Relay
from ssechat.relay.starting import Started

KEY = re.compile(r"[\x21-\x7e]{1,255}")
"""What an `Idempotency-Key` may be."""


def relay_of(request: Request) -> Relay:
    return cast(Relay, request.app.state.relay)


async def owner_of(request: Request) -> str:
    relay = relay_of(request)
    owner = await access.owner_of(relay.journal, request.headers, local=request.app.state.local)
    request.app.state.rates.take(owner)
    request.state.entry = access.Entry(owner, request.app.state.owners)
    return owner


async def read_body(request: Request) -> bytes:
    """The body. Raises Refusal."""
    bodies: Bodies = request.app.state.bodies
    return await bodies.read(request)


def key_of(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if key and not KEY.fullmatch(key):
        raise Refusal(400, "Idempotency-Key wants 1 to 255 visible ASCII characters")
    return key


def response_of(request: Request, started: Started) -> Response:
    relay, feed = relay_of(request), started.feed
    if feed is None:
        return Response(started.body, started.head.status, started.head.headers)
    cancels = request.headers.get("ssechat-on-disconnect", "").lower() == "cancel"
    left = partial(_left_alone, relay, feed.stream_id) if cancels else None
    lines = feed.framing is Framing.NDJSON
    return reading(request, feed, headers=started.head.headers, left=left, lines=lines)


def reading(
    request: Request, feed: Feed, after: int = 0, *, headers: Mapping[str, str] = {}, **how: Any
) -> Reading:
    """The feed's events as an answer; `how` as for `Reading`. Raises Refusal."""
    if feed.readers >= relay_of(request).config.limits.readers:
        raise Refusal(429, "too many readers of this stream", headers={"Retry-After": "5"})
    return Reading(feed, after, headers=named(feed) | dict(headers), **how)


async def _left_alone(relay: Relay, stream_id: str) -> None:
    """The last reader here has left, who wants the stream to end then."""
    with suppress(JournalProblem):
        if stream_id not in await relay.journal.read_elsewhere([stream_id]):
            await relay.cancel(stream_id, "its reader left")


def named(feed: Feed) -> dict[str, str]:
    return {
        "Location": f"/v1/streams/{feed.stream_id}/events",
        "Ssechat-Stream-Id": feed.stream_id,
    }
