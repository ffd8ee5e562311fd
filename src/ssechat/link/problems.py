"""What can go wrong with a connection, in words that a user can act on."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

import httpx

from ssechat.core.errors import LinkProblem
from ssechat.link.excerpt import clip

PROXY_LOGIN = "put the proxy's user and password into the variable that names it"

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
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return LinkProblem(
            f"{door} did not answer in time",
            kind="connect",
            remedy="check the network and base_url",
        )
    if isinstance(error, httpx.ProxyError):
        return _turned_away(error, where, door)
    for cause in _causes(error):
        problem = _mistrust(cause, where) or _no_door(cause, door)
        if problem is not None:
            return problem
    return LinkProblem(
        f"cannot connect to {door}",
        kind="connect",
        detail=_words(error),
        remedy="check the network and base_url",
    )


def no_headers(where: str, seconds: float) -> LinkProblem:
    """The request left, and then nothing came for too long."""
    return LinkProblem(
        f"{where} sent no headers for {seconds:g} s",
        kind="lost",
        remedy="try again, or raise `headers` in the profile's timeouts",
    )


def unanswered(error: Exception, where: str, words: str | None = None) -> LinkProblem:
    """The request began to leave, but no response came: it may have been carried out. `words` are
    those of `error`, without secrets."""
    words = str(error) if words is None else words
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
    if isinstance(error, OSError | httpx.NetworkError):
        title = "the connection was reset"
    elif str(error).startswith(_CLOSED):
        title = "the connection was cut"
    else:
        title = "the server broke the rules of HTTP"
    return LinkProblem(title, kind="lost")


def _turned_away(error: httpx.ProxyError, where: str, door: str) -> LinkProblem:
    words = clip(str(error), 60)
    return Futile(
        f"{door} refused to connect to {where}: {words}",
        kind="connect",
        remedy=PROXY_LOGIN
        if words.startswith("407")
        else "name the host in NO_PROXY, or ask who runs the proxy",
    )


def _mistrust(cause: BaseException, where: str) -> LinkProblem | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Futile(
            f"the certificate of {where} is not trusted: {cause.verify_message}",
            kind="connect",
            remedy="set ca_file in the profile (or SSL_CERT_FILE) to the CA that signed it",
        )
    if isinstance(cause, ssl.SSLError):
        return Futile(
            f"{where} does not speak TLS as expected",
            kind="connect",
            detail=clip(cause.reason or ""),
            remedy="check whether base_url should begin with http:// instead of https://",
        )
    return None


def _no_door(cause: BaseException, door: str) -> LinkProblem | None:
    if isinstance(cause, socket.gaierror):
        return LinkProblem(
            f"the name in {door} cannot be resolved",
            kind="connect",
            remedy="check the name, and whether this machine is online",
        )
    if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
        return Futile(
            f"nothing listens at {door}",
            kind="connect",
            remedy="start the server, or correct the address",
        )
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
