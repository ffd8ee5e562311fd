"""Going on from an answer that was cut: what every API can be asked."""

from __future__ import annotations

import msgspec

from ssechat.core.conversation import Prompt, Role, Turn

NUDGE = (
    "Your last message was cut off. Go on exactly where it stops, even in the middle of a word. "
    "Do not repeat any of it, do not comment on this, and do not begin anew."
)
"""What the user is made to say where an answer cannot be prefilled."""


def prefilled(prompt: Prompt, partial: str) -> Prompt:
    """`prompt` with the partial answer as its last turn, for a server that goes on from there."""
    return _with(prompt, Turn(Role.ASSISTANT, partial))


def by_message(prompt: Prompt, partial: str) -> Prompt:
    """`prompt` with the partial answer as the assistant's turn, and `NUDGE` as the user's."""
    return _with(prompt, Turn(Role.ASSISTANT, partial), Turn(Role.USER, NUDGE))


def _with(prompt: Prompt, *turns: Turn) -> Prompt:
    return msgspec.structs.replace(prompt, turns=(*prompt.turns, *turns))
