"""What of an upstream's API passes through, and in which dialect it is spoken."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

import msgspec

from ssechat.core.conversation import Call
from ssechat.relay.asked import Asked
from ssechat.relay.config import Upstream

_GENERATION = {
    "openai-chat": re.compile(r"(?:.*/)?chat/completions"),
    "openai-responses": re.compile(r"(?:.*/)?responses"),
    "anthropic": re.compile(r"(?:.*/)?messages"),
    "gemini": re.compile(r"(?:.*/)?models/(?P<model>[^/:]+):(?:streamG|g)enerateContent"),
    "gemini-interactions": re.compile(r"(?:.*/)?interactions"),
    "ollama": re.compile(r"(?:.*/)?api/chat"),
}
"""The paths to which a POST generates an answer, below the upstream's name."""
_OBJECT = re.compile(
    r"(?:.*/)?(?:responses|interactions)/(?P<id>[^/]+)(?:/(?:cancel|input_items))?"
)
_MODELS = re.compile(r"(?:(?:v1|v1beta)/)?models(?:/[^/]+)?|api/tags|(?:api/)?v1/models(?:/[^/]+)?")
_SAFE = re.compile(r"[A-Za-z0-9._~:@!$&'()*+,;=/-]{1,500}")
_STEPS_OUT = {"", ".", ".."}

_KEPT_HEADERS = re.compile(
    r"accept|content-type|user-agent|anthropic-(?:version|beta)|openai-beta|x-stainless-.*"
    r"|http-referer|x-title|x-goog-api-client",
    re.IGNORECASE,
)
"""Headers that a client may have passed on: what says how it wants the answer, and what it is."""


_LEFT_OUT = re.compile(
    r"\$?(?:(?:x[-_])?(?:goog[-_])?(?:api[-_]?|subscription[-_])?key"
    r"|(?:(?:access|oauth|bearer|auth)[-_]?)?token|authorization|(?:client[-_]?)?secret|password)"
    r"|\$(?:req|http-?method|ct|headers)",
    re.IGNORECASE,
)
"""Names in a query that hold a client's credentials; and Google's, by which a request stands for
another one."""


class Endpoint(NamedTuple):
    """A generation endpoint: the dialect, and the model if the path names it."""

    dialect: str
    model: str = ""

    @property
    def other_model(self) -> str:
        """What may stand in the body in the model's place."""
        return "agent" if self.dialect == "gemini-interactions" else "model"


KEEPING = ("openai-responses", "gemini-interactions")
"""Dialects of upstreams that keep answers, and name them in one of a stream's first events."""


def endpoint(upstream: Upstream, path: str) -> Endpoint | None:
    """The generation endpoint at this path, if the upstream's may be used."""
    for dialect, pattern in _GENERATION.items():
        match = pattern.fullmatch(path)
        if match and (not upstream.dialects or dialect in upstream.dialects):
            return Endpoint(dialect, match.groupdict().get("model", ""))
    return None


def lists_models(method: str, path: str) -> bool:
    return method == "GET" and _MODELS.fullmatch(path) is not None


def object_id(method: str, path: str) -> str:
    """The name of what the upstream keeps and this request is about, or ""."""
    match = _OBJECT.fullmatch(path) if method in ("GET", "POST", "DELETE") else None
    return match["id"] if match else ""


def allowed(upstream: Upstream, method: str, path: str) -> bool:
    """Whether the operator lets this request pass as it is."""
    wanted = f"{method} {path}"
    return any(
        wanted.startswith(entry[:-1]) if entry.endswith("*") else wanted == entry
        for entry in upstream.allow_paths
    )


class _Kept(msgspec.Struct, frozen=True):
    id: str = ""


class _Whole(_Kept, frozen=True):
    output: list[_Kept] = []


class _Told(msgspec.Struct):
    response: _Whole = _Whole()
    interaction: _Kept = _Kept()
    item: _Kept = _Kept()


def objects_in(event: str) -> list[str]:
    """The names of what the upstream keeps that this event's data tells: an answer, its items."""
    try:
        told = msgspec.json.decode(event, type=_Told)
    except (msgspec.DecodeError, RecursionError):
        return []
    return _named(told.response, *told.response.output, told.interaction, told.item)


def objects_of(body: bytes) -> list[str]:
    """The same of an answer that is no stream."""
    try:
        told = msgspec.json.decode(body, type=_Whole)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return []
    return _named(told, *told.output)


def _named(*kept: _Kept) -> list[str]:
    return [one.id for one in kept if one.id]


def is_safe(path: str) -> bool:
    """Whether the path leads below the upstream's base URL, however it is read."""
    return bool(_SAFE.fullmatch(path)) and not _STEPS_OUT.intersection(path.split("/"))


def streams(dialect: str, path: str, wanted: Asked) -> bool:
    """Whether this request asks for a stream."""
    if dialect == "gemini":
        return ":stream" in path
    return wanted.stream is not False if dialect == "ollama" else wanted.stream is True


def call(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Call:
    """The request as it goes to the upstream: without the client's credentials and cookies."""
    pairs = parse_qsl(query, keep_blank_values=True)
    rest = urlencode([(name, value) for name, value in pairs if not _LEFT_OUT.fullmatch(name)])
    kept = {name: value for name, value in headers.items() if _KEPT_HEADERS.fullmatch(name)}
    return Call(method, f"{path}?{rest}" if rest else path, kept, body)
