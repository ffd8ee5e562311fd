"""The routes of the relay."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ssechat import __version__
from ssechat.background import SERVER
from ssechat.core.conversation import Call
from ssechat.core.errors import JournalProblem, Problem
from ssechat.hub.route import route
from ssechat.link import fetch
from ssechat.relay import access, endpoints, errors, log, metrics, simple_page, streams_api
from ssechat.relay.asked import Asked, asked
from ssechat.relay.bodies import Bodies
from ssechat.relay.config import Upstream
from ssechat.relay.errors import Refusal
from ssechat.relay.passing import LARGEST, LONGEST, shown
from ssechat.relay.relay import Relay
from ssechat.relay.request import key_of, owner_of, read_body, relay_of, response_of
from ssechat.relay.simple_api import SimpleApi
from ssechat.relay.starting import Order


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
        *streams_api.routes(),
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
            Exception: _broken,
        },
    )
    app.state.relay = relay
    app.state.local = local
    app.state.simple = SimpleApi(relay)
    app.state.owners = access.Owners(relay.journal)
    app.state.bodies = Bodies()
    app.state.rates = access.Rates(relay.config.limits.requests_per_minute)
    if relay.config.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[origin.lower() for origin in relay.config.origins],
            allow_methods=methods,
            allow_headers=["*"],
            expose_headers=["Location", "Ssechat-Stream-Id", "Retry-After"],
        )
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


# Pass-through.


async def _pass(request: Request) -> Response:
    relay, owner = relay_of(request), await owner_of(request)
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
        if not await relay.objects.owns(owner, upstream.name, kept):
            raise Refusal(404, "no such object")
        return await _verbatim(relay, upstream.name, call, _spoken(request, upstream))
    if endpoints.lists_models(request.method, path) or endpoints.allowed(
        upstream, request.method, path
    ):
        return await _verbatim(relay, upstream.name, call, _spoken(request, upstream))
    raise Refusal(404, "this path does not pass here (allow_paths)")


async def _generate(
    request: Request, owner: str, upstream: str, found: endpoints.Endpoint, call: Call
) -> Response:
    relay = relay_of(request)
    request.state.dialect = found.dialect
    wanted = asked(call.body)
    if wanted is None:
        raise Refusal(400, "the body is no JSON object")
    _check_models(relay.config.upstreams[upstream].models, found, wanted)
    for before in wanted.objects:
        if not await relay.objects.owns(owner, upstream, before):
            raise Refusal(404, "no such previous response, conversation or item")
    key = key_of(request)
    if not endpoints.streams(found.dialect, call.path, wanted):
        keeper = owner if found.dialect in endpoints.KEEPING else ""
        return await _verbatim(relay, upstream, call, found.dialect, keeper)
    digest = hashlib.sha256(f"{upstream}/{call.path}\n".encode() + call.body).digest()
    way = await route(relay.config.upstreams[upstream].profile(found.dialect))
    started = await relay.start(Order(owner, way, call, key, digest))
    return response_of(request, started)


def _check_models(allowed: Sequence[str], found: endpoints.Endpoint, wanted: Asked) -> None:
    """One has to be named, lest the upstream chooses, and all that are have to be allowed,
    whichever the upstream takes. Raises Refusal."""
    path = "models/" if found.model else ""
    named = {found.model or "", *(str(model).removeprefix(path) for model in wanted.models)} - {""}
    chosen = found.model or wanted.says & {"model", found.other_model}
    if allowed and not (chosen and named <= set(allowed)):
        raise Refusal(403, "this model is not allowed here (models)")


async def _verbatim(
    relay: Relay, upstream: str, call: Call, spoken: str, owner: str = ""
) -> Response:
    """An answer that is no stream: not journalled. With `owner`, what it names is theirs."""
    way = await route(relay.config.upstreams[upstream].profile(spoken))
    answer = await fetch(
        relay.clients, way.target, call, limit=LARGEST, seconds=LONGEST, whole=True
    )
    head = shown(answer.head, way.target.redactor)
    if owner and answer.status == 200:
        for kept in endpoints.objects_of(answer.body):
            await relay.journal.keep_object(upstream, kept, owner)
    return Response(answer.body, head.status, head.headers)


def _spoken(request: Request, upstream: Upstream) -> str:
    """The dialect of a request that no path tells: it says in which header the key goes. That is
    where the client has put its own."""
    if upstream.dialects:
        return upstream.dialects[0]
    if "x-api-key" in request.headers:
        return "anthropic"
    return "gemini" if "x-goog-api-key" in request.headers else "openai-chat"


# The simple endpoint.


async def _chat(request: Request) -> Response:
    owner, key = await owner_of(request), key_of(request)
    simple: SimpleApi = request.app.state.simple
    return response_of(request, await simple.chat(owner, await read_body(request), key))


async def _models(request: Request) -> Response:
    await owner_of(request)
    simple: SimpleApi = request.app.state.simple
    return JSONResponse({"models": await simple.models()})


# Operation.


async def _healthz(request: Request) -> Response:
    told = {"status": "ok", "server": SERVER, "version": __version__}
    return JSONResponse(told | ({"pid": os.getpid()} if request.app.state.local else {}))


async def _readyz(request: Request) -> Response:
    relay = relay_of(request)
    if relay.draining:
        return JSONResponse({"status": "draining"}, 503)
    try:
        await relay.journal.ready()
    except JournalProblem as problem:
        return JSONResponse({"status": problem.title}, 503)
    return JSONResponse({"status": "ready"})


async def _metrics(request: Request) -> Response:
    relay, _ = relay_of(request), await owner_of(request)
    text = relay.metrics.text(
        live=len(relay.streams.lives), readers=relay.feeds.readers, draining=relay.draining
    )
    return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})


# Errors.


def _answer(request: Request, refusal: Refusal) -> Response:
    spoken = getattr(request.state, "dialect", "openai-chat")
    told = errors.body(spoken, refusal.status, str(refusal), refusal.code) | refusal.facts
    headers = refusal.headers | {"Cache-Control": "no-store"}
    return JSONResponse(told, refusal.status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _answer(request, error)


async def _failed(request: Request, error: Exception) -> Response:
    """The upstream gave no answer, or the relay cannot ask it or write it down."""
    assert isinstance(error, Problem)
    message = f"{error.title} (through the relay)"
    status = 503 if isinstance(error, JournalProblem) else 502
    return _answer(request, Refusal(status, message, headers={"Retry-After": "1"}))


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return _answer(request, Refusal(error.status_code, error.detail, headers=headers))


async def _broken(request: Request, error: Exception) -> Response:
    log.failed("request", error)
    return _answer(request, Refusal(500, "the relay failed; its log says where"))


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=400)
