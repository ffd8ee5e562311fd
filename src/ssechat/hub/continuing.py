"""The rung `continue`: a new request that goes on from a partial answer, when the user asks."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import msgspec

from ssechat import link
from ssechat.core.conversation import Call, Continuation, Prompt, Role, Turn
from ssechat.core.deltas import EndState
from ssechat.core.errors import ConfigProblem, Problem
from ssechat.core.resume import KEPT, Rung
from ssechat.core.schemes import rung
from ssechat.hub.prompts import LiveOf, findable, prompt
from ssechat.hub.route import Route
from ssechat.journal import Journal, MessageRow, StreamRow
from ssechat.link import Clients
from ssechat.settings import Profile

_ENOUGH = frozenset({EndState.COMPLETE, EndState.REFUSED})
_ASK_TIME = 3.0  # s that the server may take to say what it is
_MAX_NAME = 40


class GoingOn(msgspec.Struct, frozen=True):
    """What F6 does to an ended answer: where the new one belongs, and the request for it."""

    parent_id: str
    partial: str
    continuation: Continuation


def rung_after(row: StreamRow, policy: str) -> Rung:
    """How an ended stream can go on: by itself only if it was cut and `policy`, the profile's
    `resume`, allows it; by a new request if there is a form for it."""
    if row.state in _ENOUGH:
        return Rung.NONE
    shown = rung(row.handle, row.cursor, policy)
    if row.state == EndState.CUT and shown in KEPT:
        return shown
    return Rung.CONTINUE if continues(row) else Rung.NONE


def not_resumed(row: StreamRow) -> ConfigProblem:
    """Why an ended stream does not go on without a new request."""
    if row.state in _ENOUGH:
        return ConfigProblem("this answer is whole", remedy="ctrl+r asks again")
    return ConfigProblem(
        "this server cannot resume a stream",
        remedy="F6 in the app goes on by a new request; ctrl+r asks again",
    )


def continues(row: StreamRow) -> bool:
    """Whether the API has a form for it."""
    asked = Prompt((Turn(Role.USER, "?"),), row.model)
    try:
        return row.codec.continuation(asked, "x", "") is not None
    except Problem:
        return False


async def going_on(
    journal: Journal, clients: Clients, live_of: LiveOf, row: StreamRow, way: Route
) -> GoingOn:
    """The request that goes on from `row`'s answer. ConfigProblem if there is none."""
    message = await _message(journal, row)
    partial = message.text.rstrip()
    if row.state in _ENOUGH:
        raise not_resumed(row)
    if not partial:
        raise ConfigProblem(
            "nothing came that could be continued", remedy="ctrl+r asks again, as a new attempt"
        )
    profile = _as_asked(way.profile, row)
    asked = await prompt(
        journal, live_of, profile, conversation_id=row.conversation_id, leaf=message.parent_id
    )
    found = way.dialect.continuation(asked, partial, await _server(clients, way))
    if found is None or message.parent_id is None:
        raise ConfigProblem(
            "this server has no way to go on from a partial answer",
            remedy="ctrl+r asks again, as a new attempt; this one is kept",
        )
    found = msgspec.structs.replace(found, call=findable(found.call, profile))
    return GoingOn(message.parent_id, partial, found)


def _as_asked(profile: Profile, row: StreamRow) -> Profile:
    return msgspec.structs.replace(profile, model=row.model or profile.model)


async def _message(journal: Journal, row: StreamRow) -> MessageRow:
    return (await journal.path(row.conversation_id, row.message_id))[-1]


async def _server(clients: Clients, way: Route) -> str:
    """What the server calls itself in its list of models, which costs nothing to ask for; else its
    host's name."""
    host = urlsplit(way.profile.base_url).hostname or ""
    if not way.dialect.MODELS_PATH:
        return host
    call = Call("GET", way.dialect.MODELS_PATH, {})
    try:
        answer = await link.fetch(clients, way.target, call, seconds=_ASK_TIME)
    except Problem:
        return host
    return _owner(answer.body) or host


def _owner(body: bytes) -> str:
    """Who owns the models listed, if it is one for all; an aggregator lists those of many."""
    try:
        listed = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    rows = listed.get("data") if isinstance(listed, dict) else None
    models = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    owners = {owner for row in models if isinstance(owner := row.get("owned_by"), str)}
    return owners.pop()[:_MAX_NAME].lower() if len(owners) == 1 else ""
