"""Answers that are not a stream, in words that a user can act on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from ssechat.core.dialects import Framing
from ssechat.core.errors import LinkProblem
from ssechat.link.excerpt import clip, excerpt
from ssechat.link.problems import PROXY_LOGIN

REMEDIES = {
    400: "check the model's name and `params` in config.toml",
    401: "check the key: it may be missing, wrong or revoked",
    402: "the account may be out of credit",
    403: "the key may not be allowed to use this model or address",
    404: "check base_url and the model's name (ctrl+l lists the models)",
    405: "check base_url: this address takes no such requests",
    407: PROXY_LOGIN,
    408: "try again",
    413: "the conversation may be too long; start a new one with ctrl+n",
    422: "check the model's name and `params` in config.toml",
    429: "wait a little, then try again",
}

_NAMES = {"text/html": "an HTML page", "application/json": "a JSON body", "": "no content type"}

_RELAYED = "ssechat-stream-id"
_STREAMED = ("text/event-stream", "application/x-ndjson", "application/ndjson")
_MEDIA = {
    Framing.SSE: ("text/event-stream",),
    # Ollama answers with one line alone as plain JSON.
    Framing.NDJSON: ("application/x-ndjson", "application/ndjson", "application/json"),
}


def is_stream(response: httpx.Response, framing: Framing) -> bool:
    """Whether this is a stream that came as it was asked for."""
    return (
        response.status_code == 200
        and _media_type(response) in _MEDIA[framing_of(response, framing)]
        and not _encoding(response)
    )


def framing_of(response: httpx.Response, framing: Framing) -> Framing:
    """How the body of a stream is cut into frames, where `framing` is usual: our relay sends lines
    of JSON again as events."""
    again = _media_type(response) == "text/event-stream" and _RELAYED in response.headers
    return Framing.SSE if again else framing


def refusal(
    response: httpx.Response,
    body: bytes,
    error_text: Callable[[bytes], str],
    redact: Callable[[str], str] = str,
) -> LinkProblem:
    """Why `response` is no stream; `body` is its beginning. `redact` is applied before anything is
    cut short, for half a key is no longer known as one."""
    status = response.status_code
    body = b"" if _encoding(response) else body
    said = clip(redact(error_text(body))) or excerpt(body, _media_type(response))
    if status == 200:
        return _other_content(response, said)
    if 300 <= status < 400:
        return LinkProblem(
            f"{status}: {response.url.host} redirects elsewhere, and a key is not sent along",
            kind="status",
            detail=clip(redact(response.headers.get("location", ""))),
            remedy="set base_url to the address that the server really has",
            status=status,
        )
    title = f"{status} {clip(redact(response.reason_phrase), 60)}".strip()
    return LinkProblem(
        f"{title}: {said}" if said else title,
        kind="status",
        remedy=_remedy(status),
        status=status,
        retry_after=retry_after(response.headers.get("retry-after", "")),
    )


def retry_after(value: str) -> float | None:
    """Seconds, from seconds or an HTTP date (RFC 9110 §10.2.3)."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = parsedate_to_datetime(value[:64])
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _other_content(response: httpx.Response, said: str) -> LinkProblem:
    media, where = _media_type(response), response.url.host
    if (encoding := clip(_encoding(response), 30)) and media in _STREAMED:
        return LinkProblem(
            f"{where} compresses its stream ({encoding}) although we asked it not to",
            kind="content",
            remedy="switch compression off in the server, or in the proxy before it",
        )
    return LinkProblem(
        f"{where} answered with {_NAMES.get(media) or clip(media, 60)} instead of a stream",
        kind="content",
        detail=said,
        remedy="check base_url; a proxy or login page may be in between",
    )


def _remedy(status: int) -> str:
    if status >= 500:
        return "the server has a problem; try again"
    return REMEDIES.get(status, "check base_url and the profile")


def _media_type(response: httpx.Response) -> str:
    """The media type's essence, in lower case."""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _encoding(response: httpx.Response) -> str:
    """The body's compression; "" if there is none."""
    encoding = str(response.headers.get("content-encoding", "")).strip().lower()
    return "" if encoding == "identity" else encoding
