"""Schemes: how servers let a stream be continued, fetched and stopped, as plain requests.

Nothing is assumed: a `Handle` holds what a server has shown of itself in one answer, and a scheme
makes requests of it. Nothing in a handle picks a host, and an id is one segment of a path.

    location      GET the same-origin `Location` of the answer, with `Last-Event-ID`
    relay         the same of our own relay, whose ids are ordered and which can be told to stop
    again         GET the same URL again, with `Last-Event-ID` (the EventSource way)
    hoped         the same of a POST whose events have ids, until it worked once: then it is `again`
    responses     OpenAI Responses: `starting_after`, poll, cancel
    responses-kept  of an answer that was not made in the background: poll only
    interactions  Gemini Interactions: `last_event_id` in the query, poll, cancel
    llama         llama.cpp: byte offsets under the `X-Conversation-Id` that we chose
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import msgspec

from ssechat.core.conversation import Call
from ssechat.core.resume.words import KEPT, Rung
from ssechat.core.splice import Ordering

CONVERSATION_HEADER = "X-Conversation-Id"
"""What makes a llama.cpp server keep a stream. A fresh random id for each generation."""
LLAMA = "llama.cpp"
"""How its `Server` header begins."""


class Handle(msgspec.Struct, frozen=True):
    """How to get back to one answer at its server; all empty while nothing is known.

    `path` is a path and query of the profile's origin (it begins with a slash) or relative to its
    base URL; `id` names the answer. The scheme `nothing` is that of a server that has answered and
    shown no way.
    """

    scheme: str = ""
    path: str = ""
    id: str = ""

    @property
    def known(self) -> bool:
        return self.scheme in SCHEMES


Request = Callable[[Handle], Call]


class Scheme(msgspec.Struct, frozen=True):
    """`rung` is without any cursor, `with_cursor` once one is known. `resume(handle, cursor)`
    continues after the cursor ("" from the start), `poll` asks for the final object, `cancel` ends
    the generation, `lookup` asks whether the server keeps it; None where there is no such request.
    `in_header`: the cursor goes into `Last-Event-ID`. `outlives`: the generation goes on without
    our connection.
    """

    rung: Rung
    with_cursor: Rung
    resume: Callable[[Handle, str], Call] | None = None
    poll: Request | None = None
    cancel: Request | None = None
    lookup: Request | None = None
    ordering: Ordering = Ordering.OPAQUE
    in_header: bool = False
    outlives: bool = True


def located(location: str, name: str) -> Handle:
    """What a `Location` and `Ssechat-Stream-Id` promise. `location` is of the same origin."""
    events = location.partition("?")[0].endswith("/events")
    return Handle("relay" if name and events else "location", location, name)


def kept(scheme: str, id: str, *, streams: bool) -> Handle:
    """What an API's own word for `we keep this answer` promises; nothing if the id is unfit."""
    if scheme not in SCHEMES or not _fit(id):
        return Handle()
    return Handle(scheme if streams else f"{scheme}-kept", "", id)


def by_conversation(call: Call, server: str) -> Handle:
    """What a llama.cpp server promises for a request under `CONVERSATION_HEADER`."""
    name = call.headers.get(CONVERSATION_HEADER, "")
    if not name or not server.lower().startswith(LLAMA):
        return Handle()
    below = "v1/" if call.path.startswith("v1/") else ""
    return Handle("llama", f"{below}stream", name)


def again(call: Call) -> Handle:
    """A GET can be made again."""
    return Handle("again", call.path, "") if call.method == "GET" else Handle()


def hoped(call: Call) -> Handle:
    """A server that gives ids to the events of a POST, and names no place for them, may know them
    at the same URL, as MCP's servers do. To ask costs nothing."""
    return Handle(HOPED, call.path, "")


def proven(handle: Handle) -> Handle:
    """What was hoped has worked."""
    return Handle("again", handle.path, "")


HOPED = "hoped"
NOTHING = Handle("nothing")


def cancel_by_key(key: str) -> Call:
    """Our relay's way to stop an answer whose id is not known yet."""
    body = msgspec.json.encode({"idempotency_key": key})
    return Call("POST", "/v1/streams/cancel", dict(_JSON), body)


_JSON = {"Content-Type": "application/json"}
_MAX_ID = 512


def _fit(id: str) -> bool:
    return 0 < len(id) <= _MAX_ID and id.isascii() and id.isprintable() and id.strip(".") != ""


def _get(path: str) -> Call:
    return Call("GET", path, {})


def _post(path: str) -> Call:
    return Call("POST", path, dict(_JSON), b"{}")


def _relay_cancel(handle: Handle) -> Call:
    return _post(handle.path.partition("?")[0].removesuffix("/events") + "/cancel")


def _quoted(text: str) -> str:
    """As one segment of a path, or one value of a query."""
    return quote(text, safe="", errors="replace")


def _response(handle: Handle) -> str:
    return f"responses/{_quoted(handle.id)}"


def _resume_response(handle: Handle, cursor: str) -> Call:
    after = f"&starting_after={_quoted(cursor)}" if cursor else ""
    return _get(f"{_response(handle)}?stream=true{after}&include_obfuscation=false")


def _interaction(handle: Handle) -> str:
    return f"interactions/{_quoted(handle.id)}"


def _resume_interaction(handle: Handle, cursor: str) -> Call:
    after = f"&last_event_id={_quoted(cursor)}" if cursor else ""
    return _get(f"{_interaction(handle)}?stream=true{after}")


def _llama(handle: Handle) -> str:
    return f"{handle.path}?conv_id={_quoted(handle.id)}"


def _lookup_llama(handle: Handle) -> Call:
    body = msgspec.json.encode({"conversation_ids": [handle.id]})
    return Call("POST", f"{handle.path}s/lookup", dict(_JSON), body)


SCHEMES = {
    "location": Scheme(
        Rung.REPLAY, Rung.EXACT, lambda handle, _: _get(handle.path), in_header=True
    ),
    "relay": Scheme(
        Rung.EXACT,
        Rung.EXACT,
        lambda handle, _: _get(handle.path),
        cancel=_relay_cancel,
        ordering=Ordering.RELAY,
        in_header=True,
    ),
    "again": Scheme(
        Rung.NONE,
        Rung.EXACT,
        lambda handle, _: _get(handle.path),
        in_header=True,
        outlives=False,
    ),
    HOPED: Scheme(
        Rung.NONE,
        Rung.EXACT,
        lambda handle, _: _get(handle.path),
        in_header=True,
        outlives=False,
    ),
    "responses": Scheme(
        Rung.EXACT,
        Rung.EXACT,
        _resume_response,
        poll=lambda handle: _get(_response(handle)),
        cancel=lambda handle: _post(f"{_response(handle)}/cancel"),
        ordering=Ordering.SEQUENCE,
    ),
    "responses-kept": Scheme(
        Rung.FETCH,
        Rung.FETCH,
        poll=lambda handle: _get(_response(handle)),
        outlives=False,
    ),
    "interactions": Scheme(
        Rung.EXACT,
        Rung.EXACT,
        _resume_interaction,
        poll=lambda handle: _get(_interaction(handle)),
        cancel=lambda handle: _post(f"{_interaction(handle)}/cancel"),
    ),
    "llama": Scheme(
        Rung.EXACT,
        Rung.EXACT,
        lambda handle, cursor: _get(f"{_llama(handle)}&from={_quoted(cursor) or 0}"),
        cancel=lambda handle: Call("DELETE", _llama(handle), {}),
        lookup=_lookup_llama,
        ordering=Ordering.OFFSET,
    ),
}
"""By the name that is stored with a stream."""


def outlives(handle: Handle, cursor: str) -> bool:
    """Whether the generation goes on without our connection, and can be found again."""
    scheme = SCHEMES.get(handle.scheme)
    return scheme is not None and scheme.outlives and rung(handle, cursor) in KEPT


def rung(handle: Handle, cursor: str, policy: str = "auto") -> Rung:
    """How a stream with this handle and cursor can go on by itself; `policy` is the profile's
    `resume`: with `exact` nothing is replayed, with `off` nothing goes on."""
    scheme = SCHEMES.get(handle.scheme)
    if scheme is None or policy == "off":
        return Rung.NONE
    best = scheme.with_cursor if cursor else scheme.rung
    return Rung.NONE if best is Rung.REPLAY and policy == "exact" else best
