"""What can go wrong on the wire, in words that a user can act on."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from ssechat.core.errors import LinkProblem
from ssechat.link.excerpt import clip, excerpt

REMEDIES = {
    400: "check the model's name and `params` in config.toml",
    401: "check the key: it may be missing, wrong or revoked",
    402: "the account may be out of credit",
    403: "the key may not be allowed to use this model or address",
    404: "check base_url and the model's name (ctrl+l lists the models)",
    405: "check base_url: this address takes no such requests",
    407: "put the proxy's user and password into the variable that names it",
    408: "try again",
    413: "the conversation may be too long; start a new one with ctrl+n",
    422: "check the model's name and `params` in config.toml",
    429: "wait a little, then try again",
}

_CLOSED = ("peer ", "Server disconnected")
"""How h11 and httpcore begin to say that a connection was closed too early."""


class Futile(LinkProblem):
    """No connection, and trying again at once would not help."""


def futile(problem: LinkProblem) -> bool:
    """Whether trying to connect again at once could not help."""
    return isinstance(problem, Futile)


def unreachable(error: Exception, where: str, proxy: str = "") -> LinkProblem:
    """No connection to `where` ("host:port"); not one byte of the request has left.

    `proxy` is the one in between, as it may be shown.
    """
    door = f"the proxy {proxy}" if proxy else where
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return Futile(
                    f"the certificate of {where} is not trusted: {cause.verify_message}",
                    kind="connect",
                    remedy="set ca_file in the profile (or SSL_CERT_FILE) to the CA that signed it",
                )
            case ssl.SSLError():
                return Futile(
                    f"{where} does not speak TLS as expected",
                    kind="connect",
                    detail=clip(cause.reason or ""),
                    remedy="check whether base_url should begin with http:// instead of https://",
                )
            case socket.gaierror():
                return LinkProblem(
                    f"the name in {door} cannot be resolved",
                    kind="connect",
                    remedy="check the name, and whether this machine is online",
                )
            case OSError(errno=errno.ECONNREFUSED):
                return Futile(
                    f"nothing listens at {door}",
                    kind="connect",
                    remedy="start the server, or correct the address",
                )
    if isinstance(error, httpx.ProxyError):
        return _turned_away(error, where, door)
    slow = isinstance(error, httpx.TimeoutException | TimeoutError)
    return LinkProblem(
        f"{door} did not answer in time" if slow else f"cannot connect to {door}",
        kind="connect",
        detail="" if slow else _words(error),
        remedy="check the network and base_url",
    )


def no_headers(where: str, seconds: float) -> LinkProblem:
    """The request left, and then nothing came for too long."""
    return LinkProblem(
        f"{where} sent no headers for {seconds:g} s",
        kind="lost",
        remedy="try again, or raise `headers` in the profile's timeouts",
    )


def unanswered(error: Exception, where: str) -> LinkProblem:
    """The request began to leave, but no response came: it may have been carried out."""
    words = str(error)
    if words.startswith("Invalid URL in location header"):
        return LinkProblem(
            f"{where} redirects to an address that is none",
            kind="content",
            remedy="set base_url to the address that the server really has",
        )
    if words.startswith(_CLOSED) or not isinstance(error, httpx.RemoteProtocolError):
        return LinkProblem(
            f"{where} closed the connection without an answer", kind="lost", remedy="try again"
        )
    return LinkProblem(
        f"{where} does not answer in HTTP",
        kind="lost",
        detail=clip(words),
        remedy="check base_url: http:// or https://, host and port",
    )


def lost(error: Exception) -> LinkProblem:
    """The connection ended in mid-stream."""
    if isinstance(error, httpx.NetworkError):
        title = "the connection was reset"
    elif str(error).startswith(_CLOSED):
        title = "the connection was cut"
    else:
        title = "the server broke the rules of HTTP"
    return LinkProblem(title, kind="lost")


def is_stream(response: httpx.Response) -> bool:
    """Whether the body is an event stream that came as it was asked for."""
    return media_type(response) == "text/event-stream" and not _encoding(response)


def refusal(
    response: httpx.Response, body: bytes, error_text: Callable[[bytes], str]
) -> LinkProblem:
    """An answer that is not a stream: another status, or another content."""
    status, where = response.status_code, response.url.host
    body = b"" if _encoding(response) else body
    said = clip(error_text(body)) or excerpt(body, media_type(response))
    if status == 200:
        return _other_content(response, where, said)
    if 300 <= status < 400:
        return LinkProblem(
            f"{status}: {where} redirects elsewhere, and a key is not sent along",
            kind="status",
            detail=clip(response.headers.get("location", "")),
            remedy="set base_url to the address that the server really has",
            status=status,
        )
    title = f"{status} {clip(response.reason_phrase, 60)}".strip()
    return LinkProblem(
        f"{title}: {said}" if said else title,
        kind="status",
        remedy=_remedy(status),
        status=status,
        retry_after=_retry_after(response.headers.get("retry-after", "")),
    )


def media_type(response: httpx.Response) -> str:
    """The media type's essence, in lower case."""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _encoding(response: httpx.Response) -> str:
    """The body's compression; "" if there is none."""
    encoding = str(response.headers.get("content-encoding", "")).strip().lower()
    return "" if encoding == "identity" else encoding


def _other_content(response: httpx.Response, where: str, said: str) -> LinkProblem:
    if media_type(response) == "text/event-stream":
        return LinkProblem(
            f"{where} compresses its stream ({clip(_encoding(response), 30)}) although we asked it"
            " not to",
            kind="content",
            remedy="switch compression off in the server, or in the proxy before it",
        )
    names = {"text/html": "an HTML page", "application/json": "a JSON body", "": "no content type"}
    media = media_type(response)
    return LinkProblem(
        f"{where} answered with {names.get(media) or clip(media, 60)} instead of a stream",
        kind="content",
        detail=said,
        remedy="check base_url; a proxy or login page may be in between",
    )


def _remedy(status: int) -> str:
    if status >= 500:
        return "the server has a problem; try again"
    return REMEDIES.get(status, "check base_url and the profile")


def _turned_away(error: httpx.ProxyError, where: str, door: str) -> LinkProblem:
    words = clip(str(error), 60)
    wants_login = words.startswith("407")
    return Futile(
        f"{door} refused to connect to {where}: {words}",
        kind="connect",
        remedy=REMEDIES[407] if wants_login else "ask who runs it, or name the host in NO_PROXY",
    )


def _retry_after(value: str) -> float | None:
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


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """What led to `error`. With several addresses to a name, that is a group."""
    seen = 0
    while error is not None and seen < 10:
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__
        seen += 1


def _words(error: Exception) -> str:
    """The innermost reason that the system gives, if there is one."""
    reasons = [cause.strerror for cause in _causes(error) if isinstance(cause, OSError)]
    return clip(next((reason for reason in reversed(reasons) if reason), str(error)))
