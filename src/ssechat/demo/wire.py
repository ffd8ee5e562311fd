"""What the two APIs' encoders share."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

from ssechat.core.deltas import EndState
from ssechat.demo.answers import Answer
from ssechat.demo.request import Dialect

_MODULES = {"openai-chat": "openai", "anthropic": "anthropic"}


class Step(NamedTuple):
    """One event before it is encoded. `output` counts tokens so far, `reasoning` those of thinking.

    The kinds are the encoders' own: start, thinking, text, finish …
    """

    kind: str
    text: str = ""
    output: int = 0
    reasoning: int = 0


class Head(NamedTuple):
    """What a stream's events repeat. `token` is unique to the answer, `created` in seconds."""

    token: str
    created: int
    model: str
    input: int
    usage: bool


class Wire(Protocol):
    """One API's encoder; modules satisfy it with module-level functions."""

    def body(self, answer: Answer) -> list[Step]:
        """All steps up to the end."""
        ...

    def ending(self, steps: list[Step], state: EndState, usage: bool) -> list[Step]:
        """The steps that end a stream after `steps`."""
        ...

    def event(self, step: Step, head: Head) -> tuple[str, str]:
        """The event's name ("" for none) and data."""
        ...

    def whole(self, answer: Answer, head: Head) -> dict[str, Any]:
        """The answer to a request without `stream`."""
        ...

    def error(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error."""
        ...


def wire(dialect: Dialect) -> Wire:
    return cast(Wire, import_module(f"ssechat.demo.{_MODULES[dialect]}"))


def tokens(steps: list[Step]) -> tuple[int, int]:
    """How many tokens the steps hold: in all, and of thinking."""
    reasoning = sum(step.kind == "thinking" for step in steps)
    return reasoning + sum(step.kind in ("text", "refusal") for step in steps), reasoning
