"""HTTP clients: one for all profiles that need no other, built once, off the event loop."""

from __future__ import annotations

import asyncio
import os
import ssl
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ssechat import __version__
from ssechat.core.errors import ConfigProblem, LinkProblem

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=60)


class Clients:
    """The process' HTTP clients, by what must differ between them. HTTP/1.1 unless asked."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, bool, bool], httpx.AsyncClient] = {}
        self._building = asyncio.Lock()

    async def get(
        self, base_url: str, *, ca_file: str = "", http2: bool = False, connect: float = 10.0
    ) -> httpx.AsyncClient:
        """The client for `base_url`. Raises ConfigProblem or LinkProblem, in readable words."""
        direct = goes_direct(base_url, os.environ)
        key = (ca_file, http2, direct)
        async with self._building:
            if key not in self._clients:
                self._clients[key] = await asyncio.to_thread(
                    _build, ca_file, http2, direct, connect
                )
        return self._clients[key]

    async def close(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()


def goes_direct(base_url: str, env: os._Environ[str] | dict[str, str]) -> bool:
    """Whether no proxy may be used: loopback always, and what NO_PROXY names.

    httpx matches neither networks in NO_PROXY nor bracketed IPv6 addresses, so it is done here.
    """
    host = (urlsplit(base_url).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if address is not None and address.is_loopback:
        return True
    rules = env.get("no_proxy") or env.get("NO_PROXY") or ""
    return any(_matches(rule.strip().lower(), host, address) for rule in rules.split(","))


def _matches(rule: str, host: str, address: object) -> bool:
    if not rule:
        return False
    if rule == "*":
        return True
    if address is not None:
        try:
            return address in ip_network(rule.strip("[]"), strict=False)
        except ValueError:
            return False
    name = rule.lstrip("*").lstrip(".")
    return host == name or host.endswith("." + name)


def _build(ca_file: str, http2: bool, direct: bool, connect: float) -> httpx.AsyncClient:
    context = _ssl_context(ca_file)
    # httpx parses NO_PROXY itself and fails on what it does not know; ours has been judged.
    mounts = {} if direct else _proxies(context)
    try:
        return httpx.AsyncClient(
            verify=context,
            http1=True,
            http2=http2,
            limits=_LIMITS,
            timeout=httpx.Timeout(connect=connect, read=None, write=30.0, pool=10.0),
            follow_redirects=False,
            trust_env=False,
            mounts=mounts,
            headers={"User-Agent": f"ssechat/{__version__}"},
        )
    except ImportError as error:
        raise ConfigProblem(
            "http2 = true needs the package h2",
            remedy="install it with: pip install 'ssechat[http2]'",
        ) from error


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
            return ssl.create_default_context(cafile=str(Path(path).expanduser()))
        except (OSError, ssl.SSLError) as error:
            raise ConfigProblem(
                f"{source} cannot be used: {path}",
                detail=str(error),
                remedy=f"point {source} to a readable PEM file, or leave it out",
            ) from error
    context = ssl.create_default_context()
    if not context.get_ca_certs() and not ssl.get_default_verify_paths().capath:
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _proxies(context: ssl.SSLContext) -> dict[str, httpx.AsyncBaseTransport | None]:
    """Transports for the proxies that the environment names."""
    mounts: dict[str, httpx.AsyncBaseTransport | None] = {}
    for scheme in ("http", "https"):
        names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
        name = next((name for name in names if os.environ.get(name)), None)
        if name is None:
            continue
        url = os.environ[name]
        try:
            proxy = httpx.Proxy(url if "://" in url else f"http://{url}")
            mounts[f"{scheme}://"] = httpx.AsyncHTTPTransport(
                verify=context, proxy=proxy, limits=_LIMITS
            )
        except ImportError as error:
            raise ConfigProblem(
                f"{name} names a SOCKS proxy, which needs the package socksio",
                remedy="install it with: pip install 'ssechat[socks]'",
            ) from error
        except (ValueError, httpx.InvalidURL) as error:
            raise LinkProblem(
                f"{name} is not a proxy address that can be used",
                kind="connect",
                remedy=f"set {name} to something like http://host:port, or unset it",
            ) from error
    return mounts
