"""Requests of both APIs, as far as the demo understands them."""

from __future__ import annotations

from typing import Literal

import msgspec

Dialect = Literal["openai-chat", "anthropic"]
MODELS = {"demo": 1.0, "demo-fast": 4.0}
"""Models and how many times the server's rate they speak; any other name speaks at the rate."""
_LONGEST_MODEL = 200


class BadRequest(Exception):
    """The body is not a request; the text says where it is wrong."""


class _Part(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


class _Options(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    """What both APIs' requests have in common, and Chat Completions' options."""

    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _Options | None = None


class Said(msgspec.Struct, frozen=True):
    """One message of the conversation."""

    role: str
    text: str


class Ask(msgspec.Struct, frozen=True):
    """A request for the next answer. `usage`: the client wants a last chunk with token counts."""

    model: str
    messages: tuple[Said, ...]
    stream: bool
    usage: bool

    @property
    def prompts(self) -> list[str]:
        """What the user said, turn by turn."""
        return [said.text for said in self.messages if said.role == "user"]


def parse(body: bytes) -> Ask:
    """The request in a body. Raises BadRequest."""
    try:
        got = msgspec.json.decode(body, type=_Body)
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    except ValueError as error:
        raise BadRequest(str(error)) from None
    if not got.messages:
        raise BadRequest("`messages` is empty")
    if not 0 < len(got.model) <= _LONGEST_MODEL:
        raise BadRequest(f"`model` wants 1 to {_LONGEST_MODEL} characters")
    usage = got.stream_options is not None and bool(got.stream_options.include_usage)
    said = tuple(Said(message.role, _text(message.content)) for message in got.messages)
    return Ask(got.model, said, bool(got.stream), usage)


def _text(content: str | list[_Part] | None) -> str:
    if isinstance(content, list):
        return "\n\n".join(part.text for part in content if part.text)
    return content or ""
