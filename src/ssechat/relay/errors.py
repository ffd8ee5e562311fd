"""Errors of the relay's own, in the shape in which each API tells them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from ssechat.core.dialects._events import RELAYED, UPSTREAM_CUT
from ssechat.core.frames import Frame, FrameKind

_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_GOOGLE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


class Refusal(Exception):
    """An answer that is an error. `facts` are further members of its body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.facts = dict(facts or {})


def body(dialect: str, status: int, message: str, code: str = "") -> dict[str, Any]:
    """The body of an error answer, as a client of this API expects it."""
    match dialect:
        case "anthropic":
            kind = _ANTHROPIC.get(status, "api_error")
            return {"type": "error", "error": {"type": kind, "message": message}}
        case "gemini" | "gemini-interactions":
            kind = _GOOGLE.get(status, "INTERNAL")
            return {"error": {"code": status, "message": message, "status": kind}}
        case "ollama":
            return {"error": message}
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code or None}}


def last_event(dialect: str, message: str, number: int) -> Frame:
    """The event that ends a stream which its upstream did not end, as event `number`."""
    told = body(dialect, 502, message, UPSTREAM_CUT)
    event = "message"
    match dialect:
        case "anthropic":
            event = "error"
        case "openai-responses":
            event = "error"
            told = {
                "type": "error",
                "code": UPSTREAM_CUT,
                "message": message,
                "param": None,
                "sequence_number": number,
            }
        case "sse":
            event, told = "error", {"error": message}
    return ours(event, told | {RELAYED: UPSTREAM_CUT})


def final_object(body: str, number: int) -> Frame:
    """The last event of a stream of OpenAI's Responses that could not be read to its end: the
    response as the upstream told it then."""
    try:
        response = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return last_event("openai-responses", "the final response does not parse", number)
    state = response.get("status") if isinstance(response, dict) else None
    kind = f"response.{state if state in ('completed', 'incomplete', 'failed') else 'failed'}"
    return ours(kind, {"type": kind, "response": response, "sequence_number": number})


def ours(event: str, data: dict[str, Any]) -> Frame:
    """An event of the relay's own."""
    text = msgspec.json.encode(data).decode()
    return Frame(FrameKind.EVENT, text, event, wall=time.time(), mono=time.monotonic())
