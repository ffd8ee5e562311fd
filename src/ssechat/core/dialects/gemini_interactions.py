"""Gemini's Interactions: requests. Source: ai.google.dev/api/interactions-api and, below
/gemini-api/docs, interactions/streaming and background-execution.

The base URL ends in `/v1beta`. An answer that is made in the background is kept and can be joined
again after any event. `Api-Revision` has been ignored since June 2026, and is not sent. What the
server keeps of a conversation is not used: every request tells all of it, so that an earlier
message can be edited.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ssechat.core.conversation import Call, Continuation, Prompt, Role, Turn
from ssechat.core.dialects import _bodies
from ssechat.core.dialects._bodies import body
from ssechat.core.dialects._continue import by_message
from ssechat.core.dialects._gemini import MODELS_PATH, auth, bare, models, system
from ssechat.core.dialects._interactions import END_MARK, InteractionDecoder, fit
from ssechat.core.dialects._json import parse, string
from ssechat.core.dialects._plain import CUT_NOTE, ENDS_AT_EOF, FRAMING
from ssechat.core.dialects._text import mended
from ssechat.core.frames import Frame

__all__ = [
    "CUT_NOTE",
    "ENDS_AT_EOF",
    "END_MARK",
    "FRAMING",
    "MODELS_PATH",
    "SCHEME",
    "auth",
    "continuation",
    "decoder",
    "error_text",
    "event_id",
    "models",
    "request",
]

SCHEME = "interactions"


def request(prompt: Prompt) -> Call:
    """`params` with an `agent` ask that instead of the model. Without `store` there can be no
    background, and where the server refuses that, the answer can be had without."""
    fields = {
        "model": None if "agent" in prompt.params else bare(prompt.model),
        "input": [step for turn in prompt.turns for step in _steps(turn)],
        "system_instruction": system(prompt) or None,
        "stream": True,
        "background": None if prompt.params.get("store") is False else True,
        "store": True,
    }
    full = body(fields, prompt.params)
    humble = body({**fields, "background": None}, prompt.params)
    headers = {"content-type": "application/json"}
    return Call("POST", "interactions", headers, full, humble if humble != full else b"")


def _steps(turn: Turn) -> Iterator[dict[str, Any]]:
    """A turn as the API has it. Thoughts go back with their signatures, as it demands."""
    if turn.role is Role.SYSTEM:
        return
    for thought in turn.thoughts:
        if thought.signature:
            summary = [_text(thought.text)] if thought.text else []
            yield {"type": "thought", "summary": summary, "signature": thought.signature}
    kind = "user_input" if turn.role is Role.USER else "model_output"
    yield {"type": kind, "content": [_text(turn.text)]}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": mended(text)}


def continuation(prompt: Prompt, partial: str, server: str) -> Continuation | None:
    return Continuation(request(by_message(prompt, partial)), "by a message", trim=True)


class _Named(msgspec.Struct):
    event_id: str = ""


_NAMED = msgspec.json.Decoder(_Named)


def event_id(frame: Frame) -> str:
    """The `event_id` in the data, after which the stream can be joined again."""
    try:
        found = _NAMED.decode(frame.data).event_id
    except (ValueError, RecursionError):
        found = _event_id_beside_odd_strings(frame.data)
    return fit(found)


def _event_id_beside_odd_strings(data: str) -> str:
    try:
        return string(parse(data), "event_id")
    except ValueError:
        return ""


def decoder() -> InteractionDecoder:
    return InteractionDecoder()


def error_text(body: bytes) -> str:
    """What is refused late, though with a status of its own, is refused in an event."""
    data = body.partition(b"data:")[2].partition(b"\n")[0]
    return _bodies.error_text(body) or _bodies.error_text(data)
