"""Dialects: a pure codec for each vendor's API."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from ssechat.core.conversation import Call, Prompt
from ssechat.core.deltas import Delta
from ssechat.core.errors import ConfigProblem
from ssechat.core.frames import Frame


class Decoder(Protocol):
    """The state of one stream: frames in, deltas out. Total: hostile input never raises."""

    def decode(self, frame: Frame) -> list[Delta]:
        """What this frame means. Comments, marks and unknown events mean nothing."""
        ...

    def close(self) -> list[Delta]:
        """The body ended, for whatever reason: what was held back, if anything.

        Adds no verdict: an end without the dialect's terminal event is a cut.
        """
        ...


class Dialect(Protocol):
    """One API. Modules in this package satisfy it with module-level functions."""

    END_MARK: str
    """Data that is an end mark even where the body ends without a blank line after it; or ""."""
    MODELS_PATH: str
    """GET this, relative to the base URL, for the list of models."""

    def auth(self, key: str) -> dict[str, str]:
        """The headers that carry the key."""
        ...

    def request(self, prompt: Prompt) -> Call:
        """The request for the next answer."""
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
    "openai-chat": "openai_chat",
}
"""Names as they stand in config.toml, and their modules here."""


def dialect(name: str) -> Dialect:
    """The dialect called `name`. Raises ConfigProblem if there is none."""
    try:
        module = DIALECTS[name]
    except KeyError:
        raise ConfigProblem(
            f"unknown dialect {name!r}", remedy=f"use one of: {', '.join(DIALECTS)}"
        ) from None
    return cast(Dialect, import_module(f"ssechat.core.dialects.{module}"))
