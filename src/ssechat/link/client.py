"""HTTP clients: one for all profiles that need no other, built once, off the event loop."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ssechat import __version__
from ssechat.core.errors import ConfigProblem
from ssechat.link.proxy import Proxy, proxy_for

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    import httpx


class Clients:
    """The process' HTTP clients, by what must differ between them. HTTP/1.1 unless asked."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, Proxy | None, str], httpx.AsyncClient] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._building = asyncio.Lock()

    @asynccontextmanager
    async def client(
        self, base_url: str, ca_file: str = "", http2: bool = False, uds: str = ""
    ) -> AsyncIterator[httpx.AsyncClient]:
        """The client for requests to `base_url`, over a Unix socket if `uds` names one. Raises
        ConfigProblem, in readable words.

        With HTTP/2 it is one for this block only: an abandoned HTTP/2 stream is never reset by
        httpcore, so only closing its connection stops the server.
        """
        proxy = None if uds else proxy_for(base_url)
        if http2:
            async with await self._build(ca_file, proxy, http2=True) as client:
                yield client
            return
        key = ca_file, proxy, uds
        async with self._building:
            if key not in self._clients:
                self._clients[key] = await self._build(ca_file, proxy, uds=uds)
        yield self._clients[key]

    async def prepare(self, base_url: str, ca_file: str = "") -> None:
        """Make the client for `base_url` before it is needed. ConfigProblem as from `client`."""
        async with self.client(base_url, ca_file):
            await asyncio.to_thread(_load_backend)

    async def close(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _build(
        self, ca_file: str, proxy: Proxy | None, http2: bool = False, uds: str = ""
    ) -> httpx.AsyncClient:
        if ca_file not in self._contexts:
            self._contexts[ca_file] = await asyncio.to_thread(_ssl_context, ca_file)
        return await asyncio.to_thread(_build, self._contexts[ca_file], proxy, http2, uds)


def _build(
    context: ssl.SSLContext, proxy: Proxy | None, http2: bool, uds: str
) -> httpx.AsyncClient:
    """A client that reads no environment, keeps no cookies and follows no redirects."""
    import httpx

    try:
        transport = httpx.AsyncHTTPTransport(
            verify=context,
            proxy=proxy.made(context) if proxy else None,
            http2=http2,
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=20, keepalive_expiry=60
            ),
            trust_env=False,
            uds=uds or None,
            socket_options=None if uds else _keepalive(),
        )
        return httpx.AsyncClient(
            transport=transport,
            http2=http2,  # says at once if its package is missing
            follow_redirects=False,
            trust_env=False,
            cookies=_no_cookies(),
            headers={"User-Agent": f"ssechat/{__version__}"},
        )
    except ImportError as error:
        what, extra = (
            ("http2 = true", "http2") if "h2" in str(error) else ("a SOCKS proxy", "socks")
        )
        raise ConfigProblem(
            f"{what} needs a package that is not installed",
            remedy=f"install it with: pip install 'ssechat[{extra}]'",
        ) from None


def _no_cookies() -> CookieJar:
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def _load_backend() -> None:
    """httpx's own way to sockets is loaded by its first request, which takes 50 ms; or here."""
    with suppress(ImportError):
        import anyio

        anyio.run(anyio.sleep, 0)


def _keepalive() -> list[tuple[int, int, int]]:
    """Have the system ask a silent peer whether it lives: one that vanished (sleep, another
    network) is noticed within a minute, also where no keepalives are sent."""
    wanted = {"TCP_KEEPIDLE": 20, "TCP_KEEPALIVE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 4}
    known = [
        (getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)
    ]
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        *((socket.IPPROTO_TCP, name, value) for name, value in known),
    ]


def _ssl_context(ca_file: str) -> ssl.SSLContext:
    """The profile's CA file, else SSL_CERT_FILE, else REQUESTS_CA_BUNDLE, else the system store."""
    for source, path in (
        ("ca_file", ca_file),
        ("SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE", "")),
        ("REQUESTS_CA_BUNDLE", os.environ.get("REQUESTS_CA_BUNDLE", "")),
    ):
        if not path:
            continue
        try:
            return ssl.create_default_context(cafile=Path(path).expanduser())
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigProblem(
                f"{source} cannot be used: {path}",
                detail=_why(error),
                remedy=f"point {source} to a readable PEM file, or leave it out",
            ) from None
    context = ssl.create_default_context()
    if not context.get_ca_certs() and not _has_folder_of_authorities():
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "it holds no certificate"
    return getattr(error, "strerror", None) or str(error)


def _has_folder_of_authorities() -> bool:
    folder = ssl.get_default_verify_paths().capath
    return folder is not None and any(Path(folder).glob("*"))
