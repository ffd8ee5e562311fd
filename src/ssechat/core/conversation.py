"""What a conversation holds, as a request needs it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Thought(msgspec.Struct, frozen=True):
    """A finished thinking block with its seal, fit to be sent back."""

    text: str = ""
    signature: str = ""
    redacted: str = ""


class Turn(msgspec.Struct, frozen=True):
    """One message on the path that is sent. `thoughts` holds sealed thinking only."""

    role: Role
    text: str
    thoughts: tuple[Thought, ...] = ()


class Prompt(msgspec.Struct, frozen=True):
    """All that a dialect needs to build a request: the path, oldest first, and the settings."""

    turns: tuple[Turn, ...]
    model: str
    params: dict[str, Any] = {}


class Call(msgspec.Struct, frozen=True):
    """An HTTP request without origin or secrets; `path` is relative to the profile's base URL, or
    from the origin's root if it begins with a slash.

    `fallback` is the body of a humbler request, for a server that refuses what `body` asks for.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    fallback: bytes = b""


BY_MESSAGE = "by a message"
"""The form that is always left, where a better one is refused."""


class Continuation(msgspec.Struct, frozen=True):
    """A new request that goes on from a partial answer; its `fallback` does so `BY_MESSAGE`.

    `how` is a word or two for the user ("prefill", "by a message"). `trim`: the new answer may
    begin by repeating the end of the partial one; `echoes`: it begins with all of it, however short
    that is, as llama.cpp's do.
    """

    call: Call
    how: str
    trim: bool = False
    echoes: bool = False


def history(turns: list[Turn]) -> tuple[Turn, ...]:
    """The turns that may be sent: empty assistant turns go, and neighbours of one role join.

    A cut answer sends the text that it has. (Unsealed thinking and half tool calls never get into
    a `Turn`.)
    """
    kept: list[Turn] = []
    for turn in turns:
        if turn.role is Role.ASSISTANT and not turn.text.strip():
            continue
        if kept and kept[-1].role is turn.role:
            last = kept.pop()
            turn = Turn(turn.role, f"{last.text}\n\n{turn.text}", last.thoughts + turn.thoughts)
        kept.append(turn)
    return tuple(kept)
