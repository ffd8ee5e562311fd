"""The routes of the demo provider."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ssechat.demo.answers import compose
from ssechat.demo.guard import Guard, Refusal, bounded_body, dialect_of, refusal
from ssechat.demo.provider import Full, OtherBody, Provider, digest
from ssechat.demo.reader import Reader
from ssechat.demo.request import MODELS, BadRequest, Dialect
from ssechat.demo.script import Script, script
from ssechat.demo.stream import KEPT, AheadCursor, BadCursor, Stream, new_id
from ssechat.demo.wire import Head, wire

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_BORN = "2026-01-01T00:00:00Z"
_PAGE = """<!doctype html>
<title>Maintenance</title>
<h1>We will be back soon</h1>
<p>This page came with status 200, as such pages do.</p>
"""


def application(provider: Provider, host: str) -> Starlette:
    """The ASGI application; `host` is the name it is bound to."""
    routes = [
        Route("/v1/chat/completions", _generate, methods=["POST"]),
        Route("/v1/messages", _generate, methods=["POST"]),
        Route("/v1/models", _models),
        Route("/v1/streams/{id}/events", _events),
        Route("/v1/streams/cancel", _cancel_by_key, methods=["POST"]),
        Route("/v1/streams/{id}/cancel", _cancel, methods=["POST"]),
        Route("/v1/streams/{id}", _status),
        Route("/healthz", _health),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, host=host)],
        exception_handlers={
            Refusal: _refused,
            HTTPException: _unrouted,
            ClientDisconnect: _left,
        },
    )
    app.state.provider = provider
    return app


async def _generate(request: Request) -> Response:
    provider: Provider = request.app.state.provider
    dialect = dialect_of(request.url.path)
    body = await bounded_body(request)
    try:
        play = script(dialect, body)
    except BadRequest as error:
        raise Refusal(400, str(error)) from None
    key = _key(request)
    sum_of_body = digest(dialect, body)
    again = _known(provider, key, sum_of_body)
    if again is not None:
        return _reader(provider, again, 0, {"Idempotent-Replayed": "true"})
    if provider.called_off(key):
        raise Refusal(409, "this request was cancelled before it came")
    turned_away = provider.refuses(sum_of_body, play.asked)
    if turned_away is not None:
        status, seconds = turned_away
        raise Refusal(status, _BUSY[status], headers={"Retry-After": str(seconds)})
    if play.asked.html:
        return HTMLResponse(_PAGE)
    if play.asked.json or not play.ask.stream:
        return JSONResponse(_whole(dialect, play))
    try:
        stream = provider.start(dialect, body, play, key)
    except Full as error:
        raise Refusal(503, str(error), headers={"Retry-After": "10"}) from None
    return Reader(provider, stream, play)


_BUSY = {
    429: "too many requests (asked for with #429)",
    503: "overloaded (asked for with #503)",
}


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if key and not _KEY.fullmatch(key):
        raise Refusal(400, "Idempotency-Key wants 1 to 255 visible ASCII characters")
    return key


def _known(provider: Provider, key: str, sum_of_body: str) -> Stream | None:
    try:
        return provider.known(key, sum_of_body)
    except OtherBody:
        raise Refusal(422, "this Idempotency-Key was used with another body") from None


def _whole(dialect: Dialect, play: Script) -> dict[str, Any]:
    head = Head(new_id()[3:27], int(time.time()), play.ask.model, play.input, usage=True)
    return wire(dialect).whole(compose(play.ask.prompts), head)


def _reader(
    provider: Provider, stream: Stream, after: int, headers: dict[str, str] | None = None
) -> Response:
    play = provider.script(stream)
    if play is None:
        raise Refusal(404, "no such stream")
    return Reader(provider, stream, play, after, headers)


async def _models(request: Request) -> Response:
    models = [
        {
            "id": name,
            "object": "model",
            "type": "model",
            "created": 1767225600,
            "created_at": _BORN,
            "owned_by": "ssechat",
            "display_name": name.replace("-", " ").title(),
        }
        for name in MODELS
    ]
    first, last = models[0]["id"], models[-1]["id"]
    page = {"object": "list", "data": models, "has_more": False}
    return JSONResponse(page | {"first_id": first, "last_id": last})


def _stream(request: Request) -> Stream:
    provider: Provider = request.app.state.provider
    stream = provider.find(request.path_params["id"])
    if stream is None:
        raise Refusal(404, "no such stream")
    return stream


async def _events(request: Request) -> Response:
    stream = _stream(request)
    after = request.query_params.get("after", "")
    cursor = request.headers.get("last-event-id") or ("" if after == "0" else after)
    try:
        number = stream.number(cursor)
    except BadCursor as error:
        raise Refusal(400, str(error)) from None
    except AheadCursor:
        facts = {"reason": "ahead", "earliest": stream.event_id(1)}
        raise Refusal(410, "the cursor is ahead of this stream", facts=facts) from None
    if number == stream.last:
        return Response(status_code=204)
    return _reader(request.app.state.provider, stream, number)


async def _status(request: Request) -> Response:
    stream, now = _stream(request), time.time()
    state, sent = stream.state(now), stream.due_by(now)
    ended = state != "live"
    return JSONResponse(
        {
            "id": stream.id,
            "state": state,
            "terminal": ended,
            "dialect": stream.dialect,
            "model": stream.model,
            "earliest": stream.event_id(1) if sent else None,
            "latest": stream.event_id(sent) if sent else None,
            "created_at": stream.began,
            "ended_at": stream.ends if ended else None,
            "expires_at": stream.ends + KEPT if ended else None,
        }
    )


async def _cancel(request: Request) -> Response:
    stream = _stream(request)
    stopped = request.app.state.provider.stop(stream)
    state = stream.state(time.time())
    return JSONResponse({"id": stream.id, "state": state}, 202 if stopped else 200)


async def _cancel_by_key(request: Request) -> Response:
    """Stop the stream that a key started, or see to it that the key starts none."""
    provider: Provider = request.app.state.provider
    try:
        key = json.loads(await bounded_body(request))["idempotency_key"]
    except (ValueError, RecursionError, LookupError, TypeError):
        key = None
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise Refusal(400, 'the body wants to be {"idempotency_key": "…"}')
    stream = provider.call_off(key)
    if stream is None:
        return JSONResponse({"state": "stopped"}, 202)
    stopped = provider.stop(stream)
    state = stream.state(time.time())
    return JSONResponse({"id": stream.id, "state": state}, 202 if stopped else 200)


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "server": "ssechat-demo"})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refusal(request.url.path, error)


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return refusal(request.url.path, Refusal(error.status_code, error.detail, headers=headers))


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=400)
