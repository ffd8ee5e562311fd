"""What `POST /api/chat` asks of whom: the body, the upstream, its dialect, the request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from ssechat.core.conversation import Call, Prompt, Role, Turn, history
from ssechat.core.dialects import dialect as codec_of
from ssechat.profiles import PROVIDERS
from ssechat.relay.config import Upstream
from ssechat.relay.errors import Refusal

_WANTED = 'the body wants to be {"prompt": "…"} or {"messages": [{"role", "content"}]}, and "model"'
_HOSTS = {"api.anthropic.com": "anthropic", "generativelanguage.googleapis.com": "gemini"}
_NAMES = ("anthropic", "gemini", "ollama")
_VERSIONS = {
    "openai-chat": "v1/",
    "openai-responses": "v1/",
    "gemini": "v1beta/",
    "gemini-interactions": "v1beta/",
}
"""What stands before a dialect's own paths where the base URL does not say it."""
_VERSION = re.compile(r"/v[0-9][a-z0-9]*(?:/openai)?")
_OPENAI = "api.openai.com"


class _Message(msgspec.Struct):
    role: Literal["system", "user", "assistant"]
    content: str


class Asked(msgspec.Struct):
    """The body. One of `prompt` and `messages`."""

    prompt: str = ""
    messages: list[_Message] = []
    model: str = ""


class Chosen(NamedTuple):
    """Who answers; `model` is "" where nothing says which."""

    upstream: Upstream
    dialect: str
    model: str


def asked(body: bytes) -> Asked:
    """Raises Refusal."""
    try:
        found = msgspec.json.decode(body, type=Asked)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refusal(400, _WANTED) from None
    said = any(m.content.strip() for m in found.messages if m.role != "system")
    if bool(found.prompt.strip()) == said:
        raise Refusal(400, _WANTED)
    return found


def able(upstreams: Mapping[str, Upstream]) -> dict[str, str]:
    """The upstreams that can generate, in the operator's order, and the dialect to speak."""
    spoken = {name: dialect_of(upstream) for name, upstream in upstreams.items()}
    return {name: dialect for name, dialect in spoken.items() if dialect}


def dialect_of(upstream: Upstream) -> str:
    """The first one that the operator names, else what its host or its name lets expect."""
    if upstream.dialects:
        return next((name for name in upstream.dialects if name != "sse"), "")
    at = urlsplit(upstream.base_url)
    if at.path.endswith("/openai"):
        return "openai-chat"
    named = upstream.name if upstream.name in _NAMES else "openai-chat"
    return _HOSTS.get(at.hostname or "", named)


def choose(upstreams: Mapping[str, Upstream], model: str) -> Chosen:
    """Who is meant by "UPSTREAM/MODEL", "UPSTREAM", "MODEL" or "". Raises Refusal."""
    spoken = able(upstreams)
    if not spoken:
        raise Refusal(503, "no upstream is configured here ([upstreams] in relay.toml)")
    name, _, rest = model.partition("/")
    if name not in spoken:
        name, rest = next(iter(spoken)), model
    upstream = upstreams[name]
    rest = rest or usual(upstream)
    if upstream.models and rest not in upstream.models:
        raise Refusal(403, "this model is not allowed here (models)")
    return Chosen(upstream, spoken[name], rest)


def usual(upstream: Upstream) -> str:
    """The model where none was asked for: the first allowed, or a known provider's."""
    if upstream.models:
        return upstream.models[0]
    host = urlsplit(upstream.base_url).hostname
    known = (one.model for one in PROVIDERS if urlsplit(one.base_url).hostname == host)
    return next(known, "")


def request(chosen: Chosen, what: Asked) -> Call:
    """The request for the answer. What only OpenAI itself is known to take goes only there."""
    turns = [Turn(Role(m.role), m.content) for m in what.messages]
    turns = turns or [Turn(Role.USER, what.prompt)]
    call = codec_of(chosen.dialect).request(Prompt(history(turns), chosen.model))
    own = urlsplit(chosen.upstream.base_url).hostname == _OPENAI
    body = call.body if own or not call.fallback else call.fallback
    path = path_at(chosen.upstream.base_url, chosen.dialect, call.path)
    return Call(call.method, path, call.headers, body)


def path_at(base_url: str, dialect: str, path: str) -> str:
    """A dialect's path below this base URL, with the API's version once."""
    if _VERSION.search(urlsplit(base_url).path):
        return path.removeprefix("v1/")
    return _VERSIONS.get(dialect, "") + path
