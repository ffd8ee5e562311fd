"""The routes of the relay."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ssechat import __version__
from ssechat.background import SERVER
from ssechat.core.conversation import Call
from ssechat.core.dialects import Framing
from ssechat.core.errors import Problem
from ssechat.hub.route import route
from ssechat.journal import UNFINISHED
from ssechat.journal.relay import Owned
from ssechat.link import fetch
from ssechat.relay import access, endpoints, errors, metrics, simple_page
from ssechat.relay.errors import Refusal
from ssechat.relay.feed import Feed
from ssechat.relay.ids import BadCursor, event_id, number_of
from ssechat.relay.passing import LARGEST, LONGEST, shown
from ssechat.relay.reader import Reading
from ssechat.relay.relay import Relay, Started
from ssechat.relay.simple_api import SimpleApi

LARGEST_BODY = 32 * 2**20
"""Bytes of a request; it may hold images."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LISTED = 100


def application(relay: Relay, *, local: bool = False, more: Sequence[Route] = ()) -> Starlette:
    """The ASGI application. `local`: it serves a Unix socket that only its owner can open; `more`
    are routes beside those that every relay has."""
    methods = ["GET", "POST", "DELETE"]
    routes = [
        Route("/healthz", _healthz),
        Route("/readyz", _readyz),
        Route("/metrics", _metrics),
        *simple_page.routes(),
        Route("/api/chat", _chat, methods=["POST"]),
        Route("/api/models", _models),
        Route("/v1/streams", _list),
        Route("/v1/streams/cancel", _cancel_by_key, methods=["POST"]),
        Route("/v1/streams/{id}/events", _events),
        Route("/v1/streams/{id}/cancel", _cancel, methods=["POST"]),
        Route("/v1/streams/{id}", _status),
        Route("/v1/streams/{id}", _delete, methods=["DELETE"]),
        *more,
        Route("/{upstream}/{path:path}", _pass, methods=methods),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            Refusal: _refused,
            Problem: _failed,
            HTTPException: _unrouted,
            ClientDisconnect: _left,
        },
    )
    app.state.relay = relay
    app.state.local = local
    app.state.simple = SimpleApi(relay)
    app.state.rates = access.Rates(relay.config.limits.requests_per_minute)
    app.add_middleware(_Guard, relay=relay)
    return app


class _Guard:
    """ASGI middleware: looks at Host, Origin and the type of what is posted."""

    def __init__(self, app: ASGIApp, relay: Relay) -> None:
        self._app = app
        self._relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            try:
                access.check(self._relay.config, request.method, request.headers)
            except Refusal as refusal:
                self._relay.metrics.request(refusal.status)
                await _answer(request, refusal)(scope, receive, send)
                return
        await self._app(scope, receive, self._counting(send))

    def _counting(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._relay.metrics.request(message["status"])
            await send(message)

        return counted


def relay_of(request: Request) -> Relay:
    return cast(Relay, request.app.state.relay)


async def _owner(request: Request) -> str:
    relay = relay_of(request)
    owner = await access.owner_of(relay.journal, request.headers, local=request.app.state.local)
    request.app.state.rates.take(owner)
    return owner


# Pass-through.


async def _pass(request: Request) -> Response:
    relay, owner = relay_of(request), await _owner(request)
    upstream = relay.config.upstreams.get(request.path_params["upstream"])
    path = request.path_params["path"]
    if upstream is None or not endpoints.is_safe(path):
        raise Refusal(404, "no such upstream or path")
    body = await read_body(request)
    call = endpoints.call(request.method, path, request.url.query, dict(request.headers), body)
    found = endpoints.endpoint(upstream, path) if request.method == "POST" else None
    if found is not None:
        return await _generate(request, owner, upstream.name, found, call)
    if kept := endpoints.object_id(request.method, path):
        if not await relay.journal.owns_object(upstream.name, kept, owner):
            raise Refusal(404, "no such object")
        return await _verbatim(relay, upstream.name, call)
    if endpoints.lists_models(request.method, path) or endpoints.allowed(
        upstream, request.method, path
    ):
        return await _verbatim(relay, upstream.name, call)
    raise Refusal(404, "this path does not pass here (allow_paths)")


async def _generate(
    request: Request, owner: str, upstream: str, found: endpoints.Endpoint, call: Call
) -> Response:
    relay = relay_of(request)
    request.state.dialect = found.dialect
    wanted = endpoints.asked(call.body)
    if wanted is None:
        raise Refusal(400, "the body is no JSON object")
    models = relay.config.upstreams[upstream].models
    if models and (found.model or wanted.model) not in models:
        raise Refusal(403, "this model is not allowed here (models)")
    for before in (wanted.previous_response_id, wanted.previous_interaction_id):
        if before is not None and not await relay.journal.owns_object(upstream, str(before), owner):
            raise Refusal(404, "no such previous response")
    key = key_of(request)
    if not endpoints.streams(found.dialect, call.path, wanted):
        return await _verbatim(relay, upstream, call, owner)
    digest = hashlib.sha256(f"{upstream}/{call.path}\n".encode() + call.body).digest()
    way = await route(relay.config.upstreams[upstream].profile(found.dialect))
    started = await relay.start(owner, way, call, key=key, digest=digest)
    return response_of(request, started)


def key_of(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if key and not _KEY.fullmatch(key):
        raise Refusal(400, "Idempotency-Key wants 1 to 255 visible ASCII characters")
    return key


def response_of(request: Request, started: Started) -> Response:
    relay, feed = relay_of(request), started.feed
    if feed is None:
        return Response(started.body, started.head.status, started.head.headers)
    left = None
    if request.headers.get("ssechat-on-disconnect", "").lower() == "cancel":
        left = lambda: relay.stop(feed.stream_id, "its reader left")  # noqa: E731
    lines = feed.framing is Framing.NDJSON
    return Reading(feed, headers=_named(feed) | started.head.headers, left=left, lines=lines)


def _named(feed: Feed) -> dict[str, str]:
    return {
        "Location": f"/v1/streams/{feed.stream_id}/events",
        "Ssechat-Stream-Id": feed.stream_id,
    }


async def _verbatim(relay: Relay, upstream: str, call: Call, owner: str = "") -> Response:
    """An answer that is no stream: not journalled. With `owner`, what it names is theirs."""
    profile = relay.config.upstreams[upstream].profile(_any_dialect(relay, upstream))
    way = await route(profile)
    answer = await fetch(relay.clients, way.target, call, limit=LARGEST, seconds=LONGEST)
    if owner and answer.status == 200 and (kept := _id_of(answer.body)):
        await relay.journal.keep_object(upstream, kept, owner)
    return Response(answer.body, answer.status, shown(answer.head).headers)


def _any_dialect(relay: Relay, upstream: str) -> str:
    """One of the upstream's dialects: it says in which header its key goes."""
    named = relay.config.upstreams[upstream].dialects
    return named[0] if named else "openai-chat"


class _Named(msgspec.Struct):
    id: str = ""


def _id_of(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Named).id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""


# The simple endpoint.


async def _chat(request: Request) -> Response:
    owner, key = await _owner(request), key_of(request)
    simple: SimpleApi = request.app.state.simple
    return response_of(request, await simple.chat(owner, await read_body(request), key))


async def _models(request: Request) -> Response:
    await _owner(request)
    simple: SimpleApi = request.app.state.simple
    return JSONResponse({"models": await simple.models()})


# Streams.


async def _found(request: Request) -> Owned:
    return await relay_of(request).find(await _owner(request), request.path_params["id"])


async def _events(request: Request) -> Response:
    relay, owned = relay_of(request), await _found(request)
    feed = await relay.feed(owned)
    asked = request.headers.get("last-event-id") or request.query_params.get("after", "")
    try:
        after = number_of(asked, owned.stream_id)
    except BadCursor as problem:
        raise Refusal(400, problem.title) from None
    if after > feed.events:
        earliest = event_id(owned.stream_id, 1)
        raise Refusal(
            410,
            "this cursor is ahead of the stream",
            facts={"reason": "ahead", "earliest": earliest},
        )
    if feed.closed and after == feed.events:
        return Response(status_code=204)
    if feed.readers >= relay.config.limits.readers:
        raise Refusal(429, "too many readers of this stream", headers={"Retry-After": "5"})
    return Reading(feed, after, headers=_named(feed))


async def _status(request: Request) -> Response:
    relay, owned = relay_of(request), await _found(request)
    return JSONResponse(_told(relay, owned, await relay.feed(owned)))


def _told(relay: Relay, owned: Owned, feed: Feed | None) -> dict[str, Any]:
    ended = owned.ended is not None
    events = feed.events if feed is not None else None
    told = {
        "id": owned.stream_id,
        "state": owned.state,
        "terminal": ended,
        "note": owned.note,
        "upstream": owned.upstream,
        "dialect": owned.dialect,
        "view": owned.view,
        "created_at": owned.created,
        "ended_at": owned.ended,
        "expires_at": owned.ended + relay.config.retention if owned.ended else None,
    }
    if events is not None:
        told["earliest"] = event_id(owned.stream_id, 1) if events else None
        told["latest"] = event_id(owned.stream_id, events) if events else None
    return told


async def _list(request: Request) -> Response:
    relay, owner = relay_of(request), await _owner(request)
    state = request.query_params.get("state", "")
    states = tuple(filter(None, state.split(",")))
    if states == ("unfinished",):
        states = UNFINISHED
    rows = await relay.journal.all_of(owner, states, _LISTED)
    return JSONResponse({"streams": [_told(relay, row, None) for row in rows]})


async def _cancel(request: Request) -> Response:
    relay, owned = relay_of(request), await _found(request)
    stopping = relay.stop(owned.stream_id, "it was cancelled")
    state = "stopping" if stopping else owned.state
    return JSONResponse({"id": owned.stream_id, "state": state}, 202 if stopping else 200)


class _ByKey(msgspec.Struct):
    idempotency_key: str


async def _cancel_by_key(request: Request) -> Response:
    relay, owner = relay_of(request), await _owner(request)
    try:
        key = msgspec.json.decode(await read_body(request), type=_ByKey).idempotency_key
    except (msgspec.DecodeError, RecursionError):
        key = ""
    if not _KEY.fullmatch(key):
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


# Operation.


async def _healthz(request: Request) -> Response:
    told = {"status": "ok", "server": SERVER, "version": __version__}
    return JSONResponse(told | ({"pid": os.getpid()} if request.app.state.local else {}))


async def _readyz(request: Request) -> Response:
    if relay_of(request).draining:
        return JSONResponse({"status": "draining"}, 503)
    return JSONResponse({"status": "ready"})


async def _metrics(request: Request) -> Response:
    relay, _ = relay_of(request), await _owner(request)
    text = relay.metrics.text(
        live=len(relay.hub.lives), readers=relay.readers, draining=relay.draining
    )
    return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})


# Errors.


async def read_body(request: Request) -> bytes:
    """The body; a Refusal as soon as it is too large."""
    length = request.headers.get("content-length", "0")
    body = bytearray()
    if length.isdecimal() and int(length) <= LARGEST_BODY:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                break
        else:
            return bytes(body)
    raise Refusal(413, f"the body may have {LARGEST_BODY} bytes")


def _answer(request: Request, refusal: Refusal) -> Response:
    spoken = getattr(request.state, "dialect", "openai-chat")
    told = errors.body(spoken, refusal.status, str(refusal), refusal.code) | refusal.facts
    headers = refusal.headers | {"Cache-Control": "no-store"}
    return JSONResponse(told, refusal.status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _answer(request, error)


async def _failed(request: Request, error: Exception) -> Response:
    """The upstream gave no answer, or the relay cannot ask it."""
    assert isinstance(error, Problem)
    message = f"{error.title} (through the relay)"
    return _answer(request, Refusal(502, message, headers={"Retry-After": "1"}))


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return _answer(request, Refusal(error.status_code, error.detail, headers=headers))


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=400)
