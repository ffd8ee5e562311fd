"""What can go wrong on the wire, in words that a user can act on."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from ssechat.core.errors import LinkProblem

EXCERPT = 300  # characters
_TITLE = re.compile(rb"<title[^>]*>\s*(.{1,200}?)\s*</title>", re.IGNORECASE | re.DOTALL)

REMEDIES = {
    400: "check the model's name and `params` in config.toml",
    401: "check the key: it may be missing, wrong or revoked",
    402: "the account may be out of credit",
    403: "the key may not be allowed to use this model or address",
    404: "check base_url and the model's name (ctrl+l lists the models)",
    408: "try again",
    413: "the conversation may be too long; start a new one with ctrl+n",
    422: "check the model's name and `params` in config.toml",
    429: "wait a little, then try again",
}


def unreachable(error: Exception, where: str) -> LinkProblem:
    """No connection to `where` ("host:port"); not one byte of the request has left."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return LinkProblem(
                f"the certificate of {where} is not trusted: {cause.verify_message}",
                kind="connect",
                remedy="set ca_file in the profile (or SSL_CERT_FILE) to the CA that signed it",
            )
        if isinstance(cause, ssl.SSLError):
            return LinkProblem(
                f"{where} does not speak TLS as expected",
                kind="connect",
                detail=cause.reason or "",
                remedy="check whether base_url should begin with http:// instead of https://",
            )
        if isinstance(cause, socket.gaierror):
            return LinkProblem(
                f"the name in {where} cannot be resolved",
                kind="connect",
                remedy="check base_url, and whether this machine is online",
            )
        if isinstance(cause, ConnectionRefusedError) or _errno(cause) == errno.ECONNREFUSED:
            return LinkProblem(
                f"nothing listens at {where}",
                kind="connect",
                remedy="start the server, or correct base_url",
            )
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        title = f"{where} did not answer in time"
    elif isinstance(error, httpx.ProxyError):
        title = f"the proxy refused to connect to {where}"
    else:
        title = f"cannot connect to {where}"
    return LinkProblem(
        title, kind="connect", detail=_words(error), remedy="check the network and base_url"
    )


def futile(problem: LinkProblem) -> bool:
    """Whether trying to connect again at once could not help."""
    return any(
        words in problem.title for words in ("nothing listens", "not trusted", "does not speak")
    )


def lost(error: Exception) -> LinkProblem:
    """The connection ended after the request had begun to leave."""
    words = _words(error)
    if "incomplete" in words or "without sending" in words:
        words = "the connection was cut"
    elif isinstance(error, httpx.ReadError | httpx.WriteError):
        words = "the connection was reset"
    elif isinstance(error, httpx.DecodingError):
        words = "the server sent a damaged compressed body"
    return LinkProblem(words, kind="lost")


def refusal(
    response: httpx.Response, body: bytes, error_text: Callable[[bytes], str]
) -> LinkProblem:
    """An answer that is not a stream: another status, or another content."""
    status, where = response.status_code, response.url.host
    said = error_text(body) or _excerpt(body, response)
    retry_after = _retry_after(response.headers.get("retry-after", ""))
    if status == 200:
        what = media_type(response) or "no content type"
        return LinkProblem(
            f"{where} answered with {_kind(what)} instead of a stream",
            kind="content",
            detail=said,
            remedy="check base_url; a proxy or login page may be in between",
        )
    if 300 <= status < 400:
        return LinkProblem(
            f"{status}: {where} redirects elsewhere, and a key is not sent along",
            kind="status",
            status=status,
            remedy="set base_url to the address that the server really has",
        )
    title = f"{status} {response.reason_phrase}".strip()
    remedy = REMEDIES.get(status, "the server has a problem; try again" if status >= 500 else "")
    return LinkProblem(
        f"{title}: {said}" if said else title,
        kind="status",
        remedy=remedy,
        status=status,
        retry_after=retry_after,
    )


def media_type(response: httpx.Response) -> str:
    """The media type's essence, in lower case."""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _kind(media: str) -> str:
    names = {"text/html": "an HTML page", "application/json": "a JSON body"}
    return names.get(media, media)


def _excerpt(body: bytes, response: httpx.Response) -> str:
    if title := _TITLE.search(body[:8192]):
        body = title[1]
    elif media_type(response) == "text/html":
        return ""
    return " ".join(body[: EXCERPT * 4].decode(errors="replace").split())[:EXCERPT]


def _retry_after(value: str) -> float | None:
    """Seconds, from seconds or an HTTP date (RFC 9110 §10.2.3)."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 10:
        yield error
        error = error.__cause__ or error.__context__
        seen += 1


def _errno(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
