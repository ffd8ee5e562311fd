"""What may come in: our own names as Host, no foreign page, JSON only, a bounded body."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ssechat.demo.request import Dialect
from ssechat.demo.wire import wire

MOST_BODY = 4 * 1024 * 1024
"""Bytes in a request's body."""
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(:[0-9]{1,5})?")
_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Refusal(Exception):
    """An answer that is an error. `facts` are further members of its JSON body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        headers: dict[str, str] | None = None,
        facts: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.facts = facts or {}


def dialect_of(path: str) -> Dialect:
    """The API in whose shape errors under this path are told."""
    return "anthropic" if path.startswith("/v1/messages") else "openai-chat"


def refusal(path: str, error: Refusal) -> Response:
    body = wire(dialect_of(path)).error(error.status, str(error)) | error.facts
    return JSONResponse(body, error.status, error.headers | {"Cache-Control": "no-store"})


class Guard:
    """ASGI middleware. A page in a browser can reach loopback; it gets nothing here."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        own = f"[{host}]" if ":" in host else host
        self._names = frozenset((*_NAMES, own.lower()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._check(scope["method"], Headers(scope=scope))
            except Refusal as error:
                await refusal(scope["path"], error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, method: str, headers: Headers) -> None:
        host = headers.get("host", "").lower()
        match = _HOST.fullmatch(host)
        if match is None or match[1] not in self._names:
            raise Refusal(421, "this server does not answer under that host name")
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            raise Refusal(403, "requests from other origins are refused")
        if method == "POST" and not _is_json(headers):
            raise Refusal(415, "send the body as Content-Type: application/json")


def _is_json(headers: Headers) -> bool:
    """A POST without any body needs no type: pages cannot make one without an Origin."""
    kind = headers.get("content-type")
    if kind is None:
        return "transfer-encoding" not in headers and headers.get("content-length", "0") == "0"
    return kind.partition(";")[0].strip().lower() == "application/json"


async def bounded_body(request: Request) -> bytes:
    """The body, or a Refusal as soon as it is too large."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MOST_BODY:
        raise Refusal(413, f"the body may have {MOST_BODY} bytes")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY:
            raise Refusal(413, f"the body may have {MOST_BODY} bytes")
    return bytes(body)
