"""Dialects: a pure codec for each vendor's API."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from ssechat.core.conversation import Call, Continuation, Prompt
from ssechat.core.deltas import Delta
from ssechat.core.dialects._plain import Framing
from ssechat.core.errors import ConfigProblem
from ssechat.core.frames import Frame

__all__ = ["DIALECTS", "Decoder", "Dialect", "Framing", "dialect"]


class Decoder(Protocol):
    """The state of one stream: frames in, deltas out. Total: hostile input never raises."""

    def decode(self, frame: Frame) -> list[Delta]:
        """What this frame means. Comments, marks and unknown events mean nothing."""
        ...

    def is_piece(self, frame: Frame) -> bool:
        """Whether `decode` would surely find one more piece of text or thinking in this event and
        nothing else: whoever does not want that may leave the event out. False if in doubt."""
        ...

    def close(self) -> list[Delta]:
        """The body ended, for whatever reason: what was held back, if anything.

        Adds no verdict: an end without the dialect's terminal event is a cut.
        """
        ...

    def fetched(self, body: str) -> list[Delta]:
        """What the final object means that was asked for where the stream could not go on: as a
        rule `Whole`, `Usage` and a last `Verdict`; nothing while the server still works on it."""
        ...


class Dialect(Protocol):
    """One API. Modules in this package satisfy it with module-level functions."""

    END_MARK: str
    """Data that is an end mark even where the body ends without a blank line after it; or ""."""
    MODELS_PATH: str
    """GET this, relative to the base URL, for the list of models; "" if there is none."""
    FRAMING: Framing
    """How a body is cut into frames."""
    ENDS_AT_EOF: bool
    """Whether a body that ends cleanly is a complete answer, as its user says."""
    CUT_NOTE: str
    """What to say of a body that ends cleanly without an end mark, if there is more to say."""
    SCHEME: str
    """How this API itself continues what it keeps (a name in `core.schemes`), or ""."""

    def auth(self, key: str) -> dict[str, str]:
        """The headers that carry the key."""
        ...

    def request(self, prompt: Prompt) -> Call:
        """The request for the next answer."""
        ...

    def continuation(self, prompt: Prompt, partial: str, server: str) -> Continuation | None:
        """The request that goes on from `partial`, an answer to `prompt` that was cut; None if the
        API has no form for that. `partial` has no white space at its end.

        `server` is what the server calls itself in its list of models (`owned_by`: "vllm",
        "sglang", "llamacpp" …), or its host's name; "" if nothing is known.
        """
        ...

    def event_id(self, frame: Frame) -> str:
        """The name or number that the event's data gives to it, if the API has that; else ""."""
        ...

    def decoder(self) -> Decoder: ...

    def models(self, body: bytes) -> list[str]:
        """The model names in the answer to MODELS_PATH; empty if it does not parse."""
        ...

    def error_text(self, body: bytes) -> str:
        """The message inside an error body, or "" if it has another shape."""
        ...


DIALECTS = {
    "anthropic": "anthropic",
    "gemini": "gemini",
    "gemini-interactions": "gemini_interactions",
    "ollama": "ollama",
    "openai-chat": "openai_chat",
    "openai-responses": "openai_responses",
    "sse": "sse",
}
"""Names as they stand in config.toml, and their modules here."""


def dialect(name: str, options: Mapping[str, Any] | None = None) -> Dialect:
    """The dialect called `name`. Raises ConfigProblem if there is none.

    `options` are those of the profile's table of the same name; only `sse` has any.
    """
    try:
        module = import_module(f"ssechat.core.dialects.{DIALECTS[name]}")
    except KeyError:
        raise ConfigProblem(
            f"unknown dialect {name!r}", remedy=f"use one of: {', '.join(DIALECTS)}"
        ) from None
    if configured := getattr(module, "configured", None):
        return cast(Dialect, configured(options or {}))
    return cast(Dialect, module)
