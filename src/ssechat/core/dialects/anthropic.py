"""Anthropic Messages. Source: platform.claude.com/docs/en/build-with-claude/streaming."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ssechat.core.conversation import Call, Continuation, Prompt, Role, Thought, Turn
from ssechat.core.deltas import (
    About,
    Delta,
    EndState,
    Seal,
    Text,
    Thinking,
    Tool,
    Usage,
    Verdict,
)
from ssechat.core.dialects._bodies import body, error_text, models
from ssechat.core.dialects._events import ASKS_FOR_TOOL, MAX_NOTE, EventDecoder, error_note
from ssechat.core.dialects._json import count, mapping, string
from ssechat.core.dialects._plain import FRAMING, SCHEME, event_id
from ssechat.core.dialects._text import brief, mended

__all__ = [
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

END_MARK = '{"type":"message_stop"}'
MODELS_PATH = "v1/models"

VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 4096

_ENDS = {
    "end_turn": Verdict(EndState.COMPLETE),
    "stop_sequence": Verdict(EndState.COMPLETE),
    "max_tokens": Verdict(EndState.LENGTH),
    "model_context_window_exceeded": Verdict(EndState.LENGTH, "the context window is full"),
    "refusal": Verdict(EndState.REFUSED),
    "tool_use": Verdict(EndState.COMPLETE, ASKS_FOR_TOOL),
    "pause_turn": Verdict(EndState.COMPLETE, "the server paused its turn"),
    "": Verdict(EndState.COMPLETE, "no stop_reason"),
}
_TOOL_BLOCKS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


def auth(key: str) -> dict[str, str]:
    return {"x-api-key": key}


def request(prompt: Prompt) -> Call:
    system = "\n\n".join(turn.text for turn in prompt.turns if turn.role is Role.SYSTEM)
    fields = {
        "model": prompt.model,
        "max_tokens": DEFAULT_MAX_TOKENS,
        "system": mended(system) or None,
        "messages": [_message(turn) for turn in prompt.turns if turn.role is not Role.SYSTEM],
        "stream": True,
    }
    headers = {"content-type": "application/json", "anthropic-version": VERSION}
    return Call("POST", "v1/messages", headers, body(fields, prompt.params))


def _message(turn: Turn) -> dict[str, Any]:
    text = mended(turn.text)
    thoughts = [block for thought in turn.thoughts for block in _block(thought)]
    content = [*thoughts, {"type": "text", "text": text}] if thoughts else text
    return {"role": turn.role, "content": content}


def _block(thought: Thought) -> Iterator[dict[str, str]]:
    if thought.redacted:
        yield {"type": "redacted_thinking", "data": thought.redacted}
    elif thought.signature:
        text = mended(thought.text)
        yield {"type": "thinking", "thinking": text, "signature": thought.signature}


def continuation(prompt: Prompt, partial: str, server: str) -> Continuation | None:
    return None


def decoder() -> MessagesDecoder:
    return MessagesDecoder()


class MessagesDecoder(EventDecoder):
    """One message. Its blocks come one after the other, each with an index."""

    KNOWN = frozenset(
        {
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        }
    )

    def __init__(self) -> None:
        super().__init__()
        self._block = 0
        self._signatures: dict[int, list[str]] = {}
        self._redacted: dict[int, str] = {}
        self._reason = ""
        self._refusal = ""

    def _meaning(self, name: str, event: dict[str, Any]) -> list[Delta]:
        match _kind(name, event):
            case "message_start":
                return list(_introduction(mapping(event, "message")))
            case "content_block_start":
                return list(self._start(self._index(event), mapping(event, "content_block")))
            case "content_block_delta":
                return list(self._delta(self._index(event), mapping(event, "delta")))
            case "content_block_stop":
                return list(self._stop(self._index(event)))
            case "message_delta":
                return list(self._message_delta(event))
            case "message_stop":
                return [self._verdict()]
            case "error":
                return self._failed(error_note(event.get("error") or event, typed=True))
        return []

    def _index(self, event: dict[str, Any]) -> int:
        """The event's block: if it does not say so, the one that was named last."""
        index = count(event, "index")
        self._block = self._block if index is None else index
        return self._block

    def _start(self, index: int, block: dict[str, Any]) -> Iterator[Delta]:
        kind = string(block, "type")
        if kind == "text" and (text := string(block, "text")):
            yield Text(text)
        elif kind == "thinking":
            self._signatures[index] = [string(block, "signature")]
            if thought := string(block, "thinking"):
                yield Thinking(thought)
        elif kind == "redacted_thinking":
            self._redacted[index] = string(block, "data")
        elif kind in _TOOL_BLOCKS:
            call_id, tool = string(block, "id"), string(block, "name")
            yield Tool(index, brief(call_id, MAX_NOTE), brief(tool, MAX_NOTE))

    def _delta(self, index: int, delta: dict[str, Any]) -> Iterator[Delta]:
        match string(delta, "type"):
            case "text_delta" if text := string(delta, "text"):
                yield Text(text)
            case "thinking_delta" if thought := string(delta, "thinking"):
                yield Thinking(thought)
            case "signature_delta":
                self._signatures.setdefault(index, []).append(string(delta, "signature"))
            case "input_json_delta" if arguments := string(delta, "partial_json"):
                yield Tool(index, arguments=arguments)

    def _stop(self, index: int) -> Iterator[Seal]:
        if signature := "".join(self._signatures.pop(index, [])):
            yield Seal(signature=mended(signature))
        if redacted := self._redacted.pop(index, ""):
            yield Seal(redacted=mended(redacted))

    def _message_delta(self, event: dict[str, Any]) -> Iterator[Delta]:
        delta = mapping(event, "delta")
        self._reason = string(delta, "stop_reason") or self._reason
        details = mapping(delta, "stop_details")
        why = string(details, "explanation") or string(details, "category")
        self._refusal = brief(why, MAX_NOTE) or self._refusal
        yield from _usage(event)

    def _verdict(self) -> Verdict:
        if self._reason == "refusal" and self._refusal:
            return Verdict(EndState.REFUSED, self._refusal)
        known = _ENDS.get(self._reason)
        return known or Verdict(EndState.COMPLETE, brief(self._reason, MAX_NOTE))


def _kind(name: str, event: dict[str, Any]) -> str:
    """The event's type: in the data, else its name; else an error shows by its field."""
    kind = string(event, "type") or name
    return "error" if kind == "message" and event.get("error") else kind


def _introduction(message: dict[str, Any]) -> Iterator[Delta]:
    model, remote_id = string(message, "model"), string(message, "id")
    if model or remote_id:
        yield About(brief(model, MAX_NOTE), brief(remote_id, MAX_NOTE))
    yield from _usage(message)


def _usage(holder: dict[str, Any]) -> Iterator[Usage]:
    """The counts told. `input_tokens` leaves out what was written to or read from the cache."""
    usage = mapping(holder, "usage")
    fresh = count(usage, "input_tokens")
    cached = (count(usage, f"cache_{way}_input_tokens") or 0 for way in ("creation", "read"))
    told = Usage(
        input=None if fresh is None else fresh + sum(cached), output=count(usage, "output_tokens")
    )
    if told != Usage():
        yield told
