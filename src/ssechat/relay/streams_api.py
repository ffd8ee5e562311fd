"""Streams over HTTP: read again, looked at, listed, cancelled, deleted; each by its owner alone."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ssechat.core.relay_ids import BadCursor, place_of
from ssechat.journal import UNFINISHED
from ssechat.journal.owned import Owned
from ssechat.relay.errors import Refusal
from ssechat.relay.feed import Feed
from ssechat.relay.questions import Questions
from ssechat.relay.reader import STREAM_HEADERS
from ssechat.relay.relay import Relay
from ssechat.relay.request import KEY, named, owner_of, read_body, reading, relay_of

_LISTED = 100
_QUESTIONS = Questions()  # names of streams are unique, whatever the relay


def routes() -> list[Route]:
    return [
        Route("/v1/streams", _list),
        Route("/v1/streams/cancel", _cancel_by_key, methods=["POST"]),
        Route("/v1/streams/{id}/events", _events),
        Route("/v1/streams/{id}/cancel", _cancel, methods=["POST"]),
        Route("/v1/streams/{id}", _status),
        Route("/v1/streams/{id}", _delete, methods=["DELETE"]),
    ]


async def _found(request: Request) -> Owned:
    return await relay_of(request).find(await owner_of(request), request.path_params["id"])


async def _events(request: Request) -> Response:
    relay, owned = relay_of(request), await _found(request)
    feed = await relay.feed(owned)
    asked = request.headers.get("last-event-id") or request.query_params.get("after", "")
    try:
        place = place_of(asked, owned.stream_id)
    except BadCursor as problem:
        raise Refusal(400, problem.title) from None
    after = await relay.number(feed, *place) if place else 0
    if after is None:
        raise Refusal(
            410,
            "this cursor is ahead of the stream",
            facts={"reason": "ahead", "earliest": feed.name(1)},
        )
    if feed.closed and after == feed.events:
        return Response(status_code=204)
    if request.method == "HEAD":
        return Response(headers=named(feed) | STREAM_HEADERS)
    return reading(request, feed, after)


async def _status(request: Request) -> Response:
    relay, owned = relay_of(request), await _found(request)
    return JSONResponse(await _told(relay, owned, await relay.feed(owned)))


async def _told(relay: Relay, owned: Owned, feed: Feed | None) -> dict[str, Any]:
    ended = owned.ended is not None
    asked = await _QUESTIONS.of(relay.journal, owned.stream_id)
    told = {
        "id": owned.stream_id,
        "state": owned.state,
        "terminal": ended,
        "note": owned.note,
        "upstream": owned.upstream,
        "dialect": owned.dialect,
        "view": owned.view,
        "model": asked.model,
        "prompt": asked.prompt,
        "created_at": owned.created,
        "ended_at": owned.ended,
        "expires_at": owned.ended + relay.config.retention if owned.ended else None,
    }
    if feed is not None:
        events = feed.events
        told["earliest"] = feed.name(1) if events else None
        told["latest"] = feed.name(events) if events else None
    return told


async def _list(request: Request) -> Response:
    relay, owner = relay_of(request), await owner_of(request)
    state = request.query_params.get("state", "")
    states = tuple(filter(None, state.split(",")))
    if states == ("unfinished",):
        states = UNFINISHED
    rows = await relay.journal.all_of(owner, states, _LISTED)
    return JSONResponse({"streams": [await _told(relay, row, None) for row in rows]})


async def _cancel(request: Request) -> Response:
    relay, owned = relay_of(request), await _found(request)
    stopping = await relay.cancel(owned.stream_id, "it was cancelled")
    if not stopping and owned.ended is None:
        owned = await _found(request)
    state = "stopping" if stopping else owned.state
    return JSONResponse({"id": owned.stream_id, "state": state}, 202 if stopping else 200)


class _ByKey(msgspec.Struct):
    idempotency_key: str


async def _cancel_by_key(request: Request) -> Response:
    relay, owner = relay_of(request), await owner_of(request)
    try:
        key = msgspec.json.decode(await read_body(request), type=_ByKey).idempotency_key
    except (msgspec.DecodeError, RecursionError):
        key = ""
    if not KEY.fullmatch(key):
        raise Refusal(400, 'the body wants to be {"idempotency_key": "…"}')
    owned = await relay.cancel_by_key(owner, key)
    if owned is None:
        return JSONResponse({"state": "stopped"}, 202)
    ended = owned.ended is not None
    state = owned.state if ended else "stopping"
    return JSONResponse({"id": owned.stream_id, "state": state}, 200 if ended else 202)


async def _delete(request: Request) -> Response:
    relay, owned = relay_of(request), await _found(request)
    await relay.delete(owned)
    return Response(status_code=204)
