"""Which proxy a request goes through, by the variables of the environment."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ssechat.core.errors import ConfigProblem

if TYPE_CHECKING:
    import httpx

_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\ud800-\udfff]")


class Proxy(NamedTuple):
    """A proxy's address, which may hold a password, and the variable that names it."""

    url: str
    variable: str

    def __repr__(self) -> str:
        return f"Proxy({self.variable})"

    @property
    def shown(self) -> str:
        """The proxy's host and port, fit to be shown."""
        return f"{urlsplit(self.url).netloc.rpartition('@')[2]} ({self.variable})"

    def made(self, context: ssl.SSLContext) -> httpx.Proxy:
        """For httpx. Raises ConfigProblem, without the address, if it is none."""
        import httpx

        secure = context if self.url.lower().startswith("https:") else None
        try:
            parts = urlsplit(self.url)
            if parts.hostname and parts.port != 0 and not _UNFIT.search(self.url):
                return httpx.Proxy(self.url, ssl_context=secure)
        except (ValueError, httpx.InvalidURL):
            pass
        raise ConfigProblem(
            f"{self.variable} is not a proxy address that can be used",
            remedy=f"set {self.variable} to something like http://host:port, or unset it",
        )


def proxy_for(base_url: str, env: Mapping[str, str] = os.environ) -> Proxy | None:
    """The proxy for requests to `base_url`; None if they go direct.

    Loopback always does, and what NO_PROXY names: `*`, names with all below them, addresses,
    networks; each with or without a port. httpx knows neither networks nor bracketed addresses.
    """
    parts = urlsplit(base_url)
    if _goes_direct(parts.hostname or "", parts.port or _port(parts.scheme), env):
        return None
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            if url := env.get(variable, "").strip():
                return Proxy(url if "://" in url else f"http://{url}", variable)
    return None


def _port(scheme: str) -> int:
    return 80 if scheme == "http" else 443


def _goes_direct(host: str, port: int, env: Mapping[str, str]) -> bool:
    host = host.lower().rstrip(".")
    address = _address(host)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    if address is not None and address.is_loopback:
        return True
    rules = env.get("no_proxy") or env.get("NO_PROXY") or ""
    return any(_matches(rule, host, address, port) for rule in re.split(r"[,\s]+", rules.lower()))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _matches(rule: str, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
    if rule == "*":
        return True
    rule, wanted = _split(rule)
    if wanted is not None and wanted != port:
        return False
    if address is not None:
        try:
            return address in ip_network(rule, strict=False)
        except ValueError:
            return False
    name = rule.lstrip("*").strip(".")
    return bool(name) and (host == name or host.endswith("." + name))


def _split(rule: str) -> tuple[str, int | None]:
    """A rule and its port: `name:443`, `10.0.0.1:80`, `[::1]:80`; `::1` has none."""
    name, colon, port = rule.rpartition(":")
    has_port = bool(colon) and port.isdigit() and (":" not in name or name.endswith("]"))
    if has_port:
        return name.strip("[]"), int(port[:6])
    return rule.replace("[", "").replace("]", ""), None
