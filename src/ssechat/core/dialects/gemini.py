"""Gemini's `streamGenerateContent`. Source: ai.google.dev/api/generate-content.

The base URL ends in `/v1beta`. The API keeps nothing. A thought signature belongs to the very part
of the answer that it came with, and there are no parts in a `Turn`; as it is only wanted where
functions are called, which ssechat does not do, none is sent back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ssechat.core.conversation import Call, Continuation, Prompt, Role
from ssechat.core.deltas import (
    About,
    Citation,
    Delta,
    EndState,
    Media,
    MediaKind,
    Text,
    Thinking,
    Tool,
    Usage,
    Verdict,
)
from ssechat.core.dialects._bodies import body, error_text
from ssechat.core.dialects._continue import by_message
from ssechat.core.dialects._events import ASKS_FOR_TOOL, MAX_NOTE, EventDecoder, error_note
from ssechat.core.dialects._gemini import GO_ON, MODELS_PATH, Sources, auth, bare, models, system
from ssechat.core.dialects._json import count, mapping, sequence, string
from ssechat.core.dialects._media import encoded
from ssechat.core.dialects._plain import CUT_NOTE, ENDS_AT_EOF, FRAMING, SCHEME, event_id
from ssechat.core.dialects._text import brief, mended
from ssechat.core.dialects._tools import whole_call

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

END_MARK = ""

_ROLES = {Role.USER: "user", Role.ASSISTANT: "model"}
_UNSAID = ("", "FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED")
_ENDS = {
    "STOP": Verdict(EndState.COMPLETE, last=False),
    "MAX_TOKENS": Verdict(EndState.LENGTH, last=False),
    "CONTINUATION": Verdict(EndState.LENGTH, GO_ON, last=False),
}
_ASKS = Verdict(EndState.COMPLETE, ASKS_FOR_TOOL, last=False)
_REFUSALS = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
_SOURCES = ("web", "retrievedContext", "maps")


def request(prompt: Prompt) -> Call:
    instruction = system(prompt)
    fields = {
        "contents": [
            {"role": _ROLES[turn.role], "parts": [{"text": mended(turn.text)}]}
            for turn in prompt.turns
            if turn.role in _ROLES
        ],
        "systemInstruction": {"parts": [{"text": instruction}]} if instruction else None,
    }
    model = quote(bare(prompt.model), safe="")
    path = f"models/{model}:streamGenerateContent?alt=sse"
    headers = {"content-type": "application/json"}
    return Call("POST", path, headers, body(fields, prompt.params))


def continuation(prompt: Prompt, partial: str, server: str) -> Continuation | None:
    return Continuation(request(by_message(prompt, partial)), "by a message", trim=True)


def decoder() -> ContentDecoder:
    return ContentDecoder()


class ContentDecoder(EventDecoder):
    """One answer. Only the first candidate speaks.

    Some models, and most gateways, give a finish reason with every chunk; so no verdict is the
    last. A picture that is a thought is a draft, and left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._about = About()
        self._sources = Sources()
        self._calls = 0
        self._pictures = 0
        self._asks = False
        self._verdict: Verdict | None = None

    def _meaning(self, name: str, event: dict[str, Any]) -> list[Delta]:
        candidate = _first(event)
        deltas = [*self._introduction(event), *self._said(candidate), *_usage(event)]
        if error := _error(name, event):
            return [*deltas, *self._failed(error)]
        verdict = _blocked(mapping(event, "promptFeedback")) or self._judged(candidate)
        if verdict is not None and verdict != self._verdict:
            self._verdict = verdict
            deltas.append(verdict)
        return deltas

    def _unreadable(self, name: str, data: str) -> list[Delta]:
        finished = self._verdict is not None and name != "error"
        return [] if finished else super()._unreadable(name, data)

    def _introduction(self, chunk: dict[str, Any]) -> Iterator[About]:
        old = self._about
        self._about = About(
            old.model or brief(bare(string(chunk, "modelVersion")), MAX_NOTE),
            old.remote_id or brief(string(chunk, "responseId"), MAX_NOTE),
        )
        if self._about != old:
            yield self._about

    def _said(self, candidate: Any) -> Iterator[Delta]:
        for part in sequence(mapping(candidate, "content"), "parts"):
            if isinstance(part, dict):
                yield from self._part(part)
        yield from self._cited(mapping(candidate, "groundingMetadata"))

    def _part(self, part: dict[str, Any]) -> Iterator[Delta]:
        thought = part.get("thought") is True
        if text := string(part, "text"):
            yield Thinking(text) if thought else Text(text)
        if call := mapping(part, "functionCall"):
            self._asks = True
            yield self._call(string(call, "id"), string(call, "name"), call.get("args"))
        if code := string(mapping(part, "executableCode"), "code"):
            yield self._call("", "code_execution", code)
        if not thought:
            yield from self._media(mapping(part, "inlineData"))

    def _call(self, call_id: str, name: str, arguments: Any) -> Tool:
        index, self._calls = self._calls, self._calls + 1
        return whole_call(index, call_id, name, arguments)

    def _media(self, data: dict[str, Any]) -> list[Media]:
        """Pictures come whole, one a part; speech comes in pieces."""
        mime = string(data, "mimeType")
        match mime.partition("/")[0].lower():
            case "image":
                index, self._pictures = f"image {self._pictures}", self._pictures + 1
                return encoded(MediaKind.IMAGE, index, string(data, "data"), mime)
            case "audio":
                return encoded(MediaKind.AUDIO, "audio", string(data, "data"), mime, whole=False)
        return []

    def _cited(self, grounding: dict[str, Any]) -> Iterator[Citation]:
        for chunk in sequence(grounding, "groundingChunks"):
            for kind in _SOURCES:
                source = mapping(chunk, kind)
                yield from self._sources.new(string(source, "title"), string(source, "uri"))

    def _judged(self, candidate: Any) -> Verdict | None:
        """What the finish reason means. STOP is the one natural end. The API has always given other
        reasons for an answer that was broken off, so an unknown one is no completion."""
        reason = string(candidate, "finishReason")
        if reason in _UNSAID:
            return None
        if reason in _ENDS:
            return _ASKS if self._asks and reason == "STOP" else _ENDS[reason]
        why = _words(reason, string(candidate, "finishMessage"))
        if reason in _REFUSALS:
            return Verdict(EndState.REFUSED, why, last=False)
        return Verdict(EndState.FAILED, brief(f"the model stopped: {why}", MAX_NOTE), last=False)


def _first(chunk: dict[str, Any]) -> Any:
    found = (one for one in sequence(chunk, "candidates") if not count(one, "index"))
    return next(found, None)


def _blocked(feedback: dict[str, Any]) -> Verdict | None:
    reason = string(feedback, "blockReason")
    if reason in _UNSAID:
        return None
    why = _words(reason, string(feedback, "blockReasonMessage"))
    return Verdict(EndState.REFUSED, brief(f"the prompt was blocked: {why}", MAX_NOTE), last=False)


def _words(reason: str, message: str) -> str:
    words = brief(reason, MAX_NOTE).lower().replace("_", " ")
    return brief(f"{words}: {message}", MAX_NOTE) if message else words


def _error(name: str, chunk: dict[str, Any]) -> str:
    error = chunk.get("error")
    if not error and name != "error":
        return ""
    if isinstance(error, dict):
        return error_note({**error, "type": string(error, "status")}, typed=True)
    return error_note(error or chunk)


def _usage(chunk: dict[str, Any]) -> Iterator[Usage]:
    """The counts so far. Thoughts are counted apart from the candidates, but where the total says
    that they are among them."""
    usage = mapping(chunk, "usageMetadata")
    kinds = ("prompt", "candidates", "thoughts", "total")
    asked, said, thought, total = (count(usage, f"{kind}TokenCount") for kind in kinds)
    apart = thought is None or said is None or total != (asked or 0) + said
    output = (said or 0) + (thought or 0) if apart else said
    told = Usage(asked, None if said is thought is None else output, thought)
    if told != Usage():
        yield told
