"""Where requests go, and what their headers may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from ssechat.core.conversation import Call
from ssechat.core.errors import ConfigProblem

if TYPE_CHECKING:
    import httpx

_LONGEST_LOCATION = 2048
_SHORTEST_SECRET = 6  # below it, a replacement would say more than it hides
HIDDEN = "***"
_SECRET_NAME = re.compile(r"key|token|secret|auth|cookie|password|signature", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?![ \t])[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*(?<![ \t])")


def _spelled(char: str) -> str:
    """A pattern of `char` as JSON may spell it: some writers escape `/`, `&`, `<`, or anything."""
    escaped = rf"\\u(?i:{ord(char):04x})"
    return f"(?:{re.escape(char)}|{escaped}|\\\\{re.escape(char)})"


class Redactor:
    """Takes our own keys out of what a server says: some quote them in errors and answers."""

    __slots__ = ("_escaped", "_secrets")

    def __init__(self, values: Iterable[str]) -> None:
        """`values` are of headers: `Bearer KEY` hides KEY alone, too."""
        bare = {part for value in values for part in (value, value.rpartition(" ")[2])}
        secrets = (value for value in bare if len(value) >= _SHORTEST_SECRET)
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._escaped = [re.compile("".join(map(_spelled, secret))) for secret in self._secrets]

    def __repr__(self) -> str:
        return "Redactor()"

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        if "\\" in text:
            for pattern in self._escaped:
                text = pattern.sub(HIDDEN, text)
        return text

    def body(self, body: bytes) -> bytes:
        return self(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


class Target(msgspec.Struct, frozen=True):
    """Where requests go. `secret_headers` are sent to the base URL's origin only, and never shown.

    Times in seconds: `connect` for each step of connecting, `headers_time` from the request to the
    response's headers, `silence` without any byte once the server has shown that it sends
    keepalives, `idle` without payload. `uds` is the Unix socket on which the server listens;
    `shown` is what is called `where` instead of its host.
    """

    base_url: str
    headers: dict[str, str] = {}
    secret_headers: dict[str, str] = {}
    connect: float = 10.0
    headers_time: float = 600.0
    silence: float = 45.0
    idle: float = 300.0
    ca_file: str = ""
    http2: bool = False
    uds: str = ""
    shown: str = ""

    def __repr__(self) -> str:
        return f"Target({self.where})"

    @property
    def where(self) -> str:
        """Host and port, fit to be shown: a password in the URL is left out."""
        return self.shown or urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def client(self) -> tuple[str, str, bool, str]:
        """What decides which client is used: the arguments of `Clients.client`."""
        return self.base_url, self.ca_file, self.http2, self.uds

    @property
    def redactor(self) -> Redactor:
        named = (value for name, value in self.headers.items() if _SECRET_NAME.search(name))
        return Redactor([*self.secret_headers.values(), *named])

    def url(self, path: str) -> str:
        """`path` from the origin's root if it begins with a slash, else below the base URL; that
        itself if there is none, or a query alone."""
        if path.startswith("/"):
            parts = urlsplit(self.base_url)
            return f"{parts.scheme}://{parts.netloc}{path}"
        slash = "/" if path and not path.startswith("?") else ""
        return f"{self.base_url.rstrip('/')}{slash}{path}"

    def headers_for(self, call: Call, ours: dict[str, str]) -> httpx.Headers:
        """All headers of `call`: `ours` win over secrets, those over the profile's and the call's.

        Raises ConfigProblem, without the value, if one of them cannot stand in a request.
        """
        merged: dict[str, tuple[bytes, bytes]] = {}
        for headers in (call.headers, self.headers, self.secret_headers, ours):
            for name, value in headers.items():
                merged[name.lower()] = _header(name, value)
        import httpx

        return httpx.Headers(list(merged.values()))


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        raise ConfigProblem(
            f"the header {name!r:.60} cannot be sent",
            detail="its name or value holds a line break, a control character or outer spaces",
            remedy="correct it in config.toml, or the key if it carries one",
        )
    return name.encode(), value.encode()


def sendable(event_id: str) -> bool:
    """Whether `event_id` can stand in a header."""
    return bool(event_id) and event_id == event_id.strip() and event_id.isprintable()


def same_origin(url: str, location: str) -> str:
    """The path and query of `location`, seen from `url`; "" if it leads to another origin."""
    if not location or len(location) > _LONGEST_LOCATION:
        return ""
    if not location.isascii() or not location.isprintable():
        return ""
    try:
        base, there = urlsplit(url), urlsplit(urljoin(url, location))
        same = _origin(base) == _origin(there)
    except ValueError:
        return ""
    if not same or there.username is not None:
        return ""
    path = there.path or "/"
    return f"{path}?{there.query}" if there.query else path


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.hostname, url.port or default
