"""What the background relay answers to the user's own apps, over its socket only."""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ssechat.core.conversation import Call
from ssechat.link import fetch
from ssechat.relay import background, endpoints
from ssechat.relay.access import LOCAL
from ssechat.relay.errors import Refusal
from ssechat.relay.passing import LARGEST, LONGEST, shown
from ssechat.relay.request import key_of, read_body, relay_of, response_of
from ssechat.relay.starting import Order


def routes() -> list[Route]:
    return [
        Route("/p", _request, methods=["GET", "POST"]),
        Route("/p/{path:path}", _request, methods=["GET", "POST"]),
        Route("/v1/relay/use", _use),
        Route("/v1/relay/leave", _leave, methods=["POST"]),
    ]


async def _request(request: Request) -> Response:
    """A request for the profile that its headers name: a POST for an answer, a GET as it is."""
    relay = relay_of(request)
    if request.method not in ("GET", "POST"):
        raise Refusal(405, "only GET and POST")
    path = request.path_params.get("path", "")
    if path and not endpoints.is_safe(path):
        raise Refusal(400, "no such path")
    way = await background.way(dict(request.headers))
    request.state.dialect = way.profile.dialect
    body = await read_body(request)
    headers = dict(request.headers)
    call = endpoints.call(request.method, path, request.url.query, headers, body)
    if request.method == "GET":
        answer = await fetch(
            relay.clients, way.target, call, limit=LARGEST, seconds=LONGEST, whole=True
        )
        head = shown(answer.head, way.target.redactor)
        return Response(answer.body, head.status, head.headers)
    digest = _digest(way.profile.name, call)
    started = await relay.start(Order(LOCAL, way, call, key_of(request), digest))
    return response_of(request, started)


def _digest(profile: str, call: Call) -> bytes:
    return hashlib.sha256(f"{profile}\n{call.path}\n".encode() + call.body).digest()


async def _use(request: Request) -> Response:
    return JSONResponse({"in_use": relay_of(request).in_use})


async def _leave(request: Request) -> Response:
    """An app of another version asks this relay to end, so that its own can begin."""
    relay = relay_of(request)
    if relay.in_use:
        return JSONResponse({"status": "in use"}, 409)
    relay.draining = True
    relay.leaving.set()
    return JSONResponse({"status": "leaving"}, 202)
