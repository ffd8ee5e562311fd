"""What is sent: the path through a conversation, as a dialect takes it, and the request."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

import msgspec

from ssechat.core.conversation import Call, Prompt, Role, Turn, history
from ssechat.core.dialects import dialect
from ssechat.core.schemes import CONVERSATION_HEADER
from ssechat.hub.live import Live
from ssechat.journal import Journal, MessageRow
from ssechat.profiles import PROVIDERS
from ssechat.settings import Profile

_MAY_BE_LLAMA = ("openai-chat", "openai-responses", "anthropic")
_PUBLIC = frozenset(provider.base_url for provider in PROVIDERS)


class Question(msgspec.Struct, frozen=True):
    """What to send. Without `text` the answer to `parent`, a user's message, is tried again."""

    profile: Profile
    text: str | None = None
    conversation_id: str | None = None
    parent_id: str | None = None
    system: str = ""


LiveOf = Callable[[str], Live | None]
"""The live stream that answers as a message, if there is one."""


async def prompt(
    journal: Journal,
    live_of: LiveOf,
    profile: Profile,
    *,
    conversation_id: str | None,
    leaf: str | None,
    text: str | None = None,
    system: str = "",
) -> Prompt:
    """The path up to the message `leaf`, then `text`. `system` is for a new conversation."""
    turns: list[Turn] = []
    if conversation_id:
        system = (await journal.conversation(conversation_id)).system
    if system:
        turns.append(Turn(Role.SYSTEM, system))
    if conversation_id and leaf:
        path = await journal.path(conversation_id, leaf)
        turns += [_turn(row, live_of(row.id), profile.dialect) for row in path]
    if text is not None:
        turns.append(Turn(Role.USER, text))
    return Prompt(history(turns), profile.model, profile.params)


def _turn(row: MessageRow, live: Live | None, api: str) -> Turn:
    """A message as it is sent: the answer's text, and of thinking only what is sealed, if the same
    API sealed it."""
    if live is None:
        thoughts = tuple(row.thoughts) if row.dialect == api else ()
        return Turn(Role(row.role), row.text, thoughts)
    reply = live.fold.reply
    thoughts = tuple(reply.thoughts) if live.dialect == api else ()
    return Turn(Role.ASSISTANT, reply.answer, thoughts)


def findable(call: Call, profile: Profile) -> Call:
    """The request under a name of its own, by which a llama.cpp server keeps its stream. Others
    ignore the header; it says nothing, and the providers that we know are not sent it at all."""
    if profile.relay or profile.dialect not in _MAY_BE_LLAMA or is_public(profile):
        return call
    name = {CONVERSATION_HEADER: secrets.token_hex(16)}
    return msgspec.structs.replace(call, headers=call.headers | name)


def is_public(profile: Profile) -> bool:
    """Whether the server is one of the providers that we know."""
    return profile.base_url in _PUBLIC


def humbled(call: Call, profile: Profile, lives: Iterable[Live]) -> Call:
    """The humbler request at once, at a server that has refused the other one before, or where
    nothing is to go on without us."""
    refused = any(live.humble and live.profile == profile.name for live in lives)
    alone = profile.resume == "off" and bool(dialect(profile.dialect).SCHEME)
    if not call.fallback or not (refused or alone):
        return call
    return msgspec.structs.replace(call, body=call.fallback, fallback=b"")
