"""Anthropic Messages. Source: platform.claude.com/docs/en/build-with-claude/streaming."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ssechat.core.conversation import Call, Continuation, Prompt, Role, Thought, Turn
from ssechat.core.deltas import (
    About,
    Citation,
    Delta,
    EndState,
    Media,
    MediaKind,
    Seal,
    Text,
    Thinking,
    Tool,
    Usage,
    Verdict,
)
from ssechat.core.dialects._bodies import body, error_text, models
from ssechat.core.dialects._claude import takes_prefill
from ssechat.core.dialects._continue import by_message, prefilled
from ssechat.core.dialects._events import ASKS_FOR_TOOL, MAX_NOTE, EventDecoder, error_note
from ssechat.core.dialects._json import count, mapping, sequence, string
from ssechat.core.dialects._media import encoded, located
from ssechat.core.dialects._pieces import BlockDelta
from ssechat.core.dialects._plain import CUT_NOTE, ENDS_AT_EOF, FRAMING, SCHEME, event_id
from ssechat.core.dialects._sources import citations
from ssechat.core.dialects._text import brief, mended

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
    "pause_turn": Verdict(EndState.LENGTH, "the server paused its turn; F6 goes on"),
    "": Verdict(EndState.COMPLETE, "no stop_reason"),
}
_CACHED = ("cache_creation_input_tokens", "cache_read_input_tokens")
_COUNTS = ("input_tokens", "output_tokens", *_CACHED)
_THOUGHT = "thinking_tokens"
_TOOL_BLOCKS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_RESULT = "_tool_result"
_FOUND = ("title", "url", "text", "stdout", "stderr", "error_code")
MAX_FOUND = 50
"""Things in a server tool's result that are shown."""


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


def continuation(prompt: Prompt, partial: str, server: str) -> Continuation:
    """By a prefill for the models that take one, and by a message where that is refused."""
    asked = request(by_message(prompt, partial))
    echoes = server.lower() == "llamacpp"
    if _thinks(prompt.params) or not (echoes or takes_prefill(prompt.model)):
        return Continuation(asked, "by a message", trim=True)
    call = msgspec.structs.replace(request(prefilled(prompt, partial)), fallback=asked.body)
    return Continuation(call, "prefill", trim=echoes, echoes=echoes)


def _thinks(params: dict[str, Any]) -> bool:
    """Whether `params` ask for thinking, with which the API refuses every prefill."""
    thinking = params.get("thinking")
    return bool(thinking) and string(thinking, "type") != "disabled"


def decoder() -> MessagesDecoder:
    return MessagesDecoder()


class MessagesDecoder(EventDecoder):
    """One message. Its blocks come one after the other, each with an index."""

    PIECE = BlockDelta
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
        self._counts: dict[str, int] = {}
        self._reason = ""
        self._refusal = ""

    def _meaning(self, name: str, event: dict[str, Any]) -> list[Delta]:
        match _kind(name, event):
            case "message_start":
                return list(self._introduction(mapping(event, "message")))
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

    def _introduction(self, message: dict[str, Any]) -> Iterator[Delta]:
        model, remote_id = string(message, "model"), string(message, "id")
        if model or remote_id:
            yield About(brief(model, MAX_NOTE), brief(remote_id, MAX_NOTE))
        yield from self._usage(message)

    def _start(self, index: int, block: dict[str, Any]) -> Iterator[Delta]:
        match kind := string(block, "type"):
            case "text":
                if text := string(block, "text"):
                    yield Text(text)
                for citation in sequence(block, "citations"):
                    yield from _cited(citation)
            case "thinking":
                self._signatures[index] = [string(block, "signature")]
                if thought := string(block, "thinking"):
                    yield Thinking(thought)
            case "redacted_thinking":
                self._redacted[index] = string(block, "data")
            case "image":
                yield from _image(index, mapping(block, "source"))
            case _ if kind in _TOOL_BLOCKS or kind.endswith(_RESULT):
                yield _tool(index, kind, block)

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
            case "citations_delta":
                yield from _cited(mapping(delta, "citation"))

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
        yield from self._usage(event)

    def _usage(self, holder: dict[str, Any]) -> Iterator[Usage]:
        """All the counts so far: an event need not repeat what an earlier one told."""
        usage = mapping(holder, "usage")
        told = {name: count(usage, name) for name in _COUNTS}
        told[_THOUGHT] = count(mapping(usage, "output_tokens_details"), _THOUGHT)
        known = {name: number for name, number in told.items() if number is not None}
        if known:
            self._counts |= known
            yield _summed(self._counts)

    def _verdict(self) -> Verdict:
        if self._reason == "refusal" and self._refusal:
            return Verdict(EndState.REFUSED, self._refusal)
        known = _ENDS.get(self._reason)
        return known or Verdict(EndState.COMPLETE, brief(self._reason, MAX_NOTE))


def _kind(name: str, event: dict[str, Any]) -> str:
    """The event's type: in the data, else its name; else an error shows by its field."""
    kind = string(event, "type") or name
    return "error" if kind == "message" and event.get("error") else kind


def _summed(counts: dict[str, int]) -> Usage:
    """`input_tokens` leaves out what was written to or read from the cache."""
    fresh, cached = counts.get("input_tokens"), sum(counts.get(name, 0) for name in _CACHED)
    told = None if fresh is None else fresh + cached
    return Usage(told, counts.get("output_tokens"), counts.get(_THOUGHT))


def _cited(citation: Any) -> list[Citation]:
    """A place on the web, or in a document that was given with the question."""
    title = string(citation, "title") or string(citation, "document_title")
    address = string(citation, "url") or string(citation, "source")
    return citations(title, address, string(citation, "cited_text"))


def _image(index: int, source: dict[str, Any]) -> list[Media]:
    if url := string(source, "url"):
        return located(MediaKind.IMAGE, str(index), url)
    mime = string(source, "media_type")
    return encoded(MediaKind.IMAGE, str(index), string(source, "data"), mime)


def _tool(index: int, kind: str, block: dict[str, Any]) -> Tool:
    """A call; or what the server's own tool found, told under the kind of its block."""
    call_id = string(block, "id") or string(block, "tool_use_id")
    name = string(block, "name") or kind
    found = _found(block.get("content")) if kind.endswith(_RESULT) else ""
    return Tool(index, brief(call_id, MAX_NOTE), brief(name, MAX_NOTE), found)


def _found(content: Any) -> str:
    """A line for each thing in a tool's result, without what only the server can read."""
    items = content[:MAX_FOUND] if isinstance(content, list) else [content]
    lines = (" ".join(brief(string(item, key), MAX_NOTE) for key in _FOUND) for item in items)
    return "\n".join(" ".join(line.split()) for line in lines if line.strip())
