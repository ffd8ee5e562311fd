"""Events that are one more piece of the answer and nothing else, known by their shape.

Most events are. Whoever only waits for the end, as the relay does, is spared the work of reading
them. Each shape names every member to which the dialect's decoder gives a meaning; those that would
mean more than text have to be absent. Members without a meaning do not matter.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

_PATIENCE = 16
"""Events of another shape after which a server is taken to have its own."""


class Piece(Protocol):
    """The shape of such events."""

    @property
    def says(self) -> bool:
        """Whether there is any text in it."""
        ...


class Pieces:
    """Looks for events of one shape, as long as the server sends such."""

    def __init__(self, shape: type[Piece]) -> None:
        self._decoder: msgspec.json.Decoder[Piece] = msgspec.json.Decoder(shape)
        self._patience = _PATIENCE

    def match(self, data: str) -> bool:
        """Whether the event has the shape, and says something."""
        if self._patience <= 0:
            return False
        try:
            found = self._decoder.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
            self._patience -= 1
            return False
        self._patience = _PATIENCE
        return found.says


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: None = None
    refusal: None = None
    audio: None = None
    images: None = None
    tool_calls: None = None
    function_call: None = None
    annotations: None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    index: Literal[0] = 0
    finish_reason: None = None
    error: None = None


class Chunk(msgspec.Struct):
    """Chat Completions."""

    choices: tuple[_Choice]
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    usage: None = None
    error: None = None
    ssechat: None = None

    @property
    def says(self) -> bool:
        said = self.choices[0].delta
        return bool(said.content or said.reasoning_content or said.reasoning)


class _Said(msgspec.Struct):
    type: Literal["text_delta", "thinking_delta"]
    text: str = ""
    thinking: str = ""


class BlockDelta(msgspec.Struct):
    """Anthropic Messages."""

    type: Literal["content_block_delta"]
    index: int
    delta: _Said
    ssechat: None = None

    @property
    def says(self) -> bool:
        said = self.delta
        return bool(said.text if said.type == "text_delta" else said.thinking)


class OutputDelta(msgspec.Struct):
    """OpenAI Responses."""

    type: Literal[
        "response.output_text.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
    ]
    delta: str
    ssechat: None = None

    @property
    def says(self) -> bool:
        return bool(self.delta)


class _Message(msgspec.Struct):
    content: str = ""
    thinking: str = ""
    tool_calls: None = None


class Line(msgspec.Struct):
    """Ollama."""

    message: _Message
    done: Any = None
    error: None = None
    ssechat: None = None

    @property
    def says(self) -> bool:
        said = self.message
        return self.done is not True and bool(said.content or said.thinking)
