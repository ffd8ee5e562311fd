"""OpenAI Chat Completions and the many servers that speak it.

Source: `CreateChatCompletionStreamResponse` in OpenAI's API schema; for reasoning, the docs of
DeepSeek, vLLM, llama.cpp, OpenRouter and Mistral.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ssechat.core.conversation import Call, Continuation, Prompt
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
from ssechat.core.dialects._bodies import body, error_text, models
from ssechat.core.dialects._continue import by_message, prefilled
from ssechat.core.dialects._events import ASKS_FOR_TOOL, MAX_NOTE, EventDecoder, error_note
from ssechat.core.dialects._json import count, mapping, sequence, string
from ssechat.core.dialects._media import encoded, located
from ssechat.core.dialects._pieces import Chunk
from ssechat.core.dialects._plain import CUT_NOTE, ENDS_AT_EOF, FRAMING, SCHEME, event_id
from ssechat.core.dialects._sources import citations
from ssechat.core.dialects._text import brief, mended
from ssechat.core.dialects._think import ThinkSplitter
from ssechat.core.dialects._tools import ToolCalls

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

END_MARK = "[DONE]"
MODELS_PATH = "models"

DEEPSEEK_BETA = "/beta/chat/completions"
"""Where DeepSeek takes a `prefix`, from the origin's root."""

MAX_CHOICES = 128
"""The API's own bound on `n`."""

_ENDS = {
    "stop": Verdict(EndState.COMPLETE, last=False),
    "length": Verdict(EndState.LENGTH, last=False),
    "content_filter": Verdict(EndState.REFUSED, "content filter", last=False),
    "tool_calls": Verdict(EndState.COMPLETE, ASKS_FOR_TOOL, last=False),
    "function_call": Verdict(EndState.COMPLETE, ASKS_FOR_TOOL, last=False),
    "error": Verdict(EndState.FAILED, "the server reports an error", last=False),
    # vLLM and SGLang · DeepSeek · Mistral
    "abort": Verdict(EndState.FAILED, "the server aborted the answer", last=False),
    "insufficient_system_resource": Verdict(
        EndState.FAILED, "the server ran out of resources", last=False
    ),
    "model_length": Verdict(EndState.LENGTH, last=False),
}
_REFUSED = Verdict(EndState.REFUSED, last=False)
_NO_REASON = Verdict(EndState.COMPLETE, "no finish_reason")
_EMPTY = Verdict(EndState.FAILED, "the server sent an empty answer")


def auth(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def request(prompt: Prompt) -> Call:
    """Asks for usage and, which servers other than OpenAI's may refuse, for no padding."""
    fields, params = _fields(prompt), prompt.params
    plain = body(fields, params)
    if "stream_options" in params:
        return _call(plain)
    options = {**fields["stream_options"], "include_obfuscation": False}
    return _call(body({**fields, "stream_options": options}, params), plain)


def _fields(prompt: Prompt) -> dict[str, Any]:
    return {
        "model": prompt.model,
        "messages": [{"role": turn.role, "content": mended(turn.text)} for turn in prompt.turns],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _call(wanted: bytes, fallback: bytes = b"", path: str = "chat/completions") -> Call:
    return Call("POST", path, {"content-type": "application/json"}, wanted, fallback)


def continuation(prompt: Prompt, partial: str, server: str) -> Continuation:
    """By a prefill where the server is known to take one, by a message where it refuses that."""
    fields, params = _fields(prefilled(prompt, partial)), prompt.params
    asked = by_message(prompt, partial)
    match server.lower():
        case "vllm" | "sglang":
            fields |= {"add_generation_prompt": False, "continue_final_message": True}
            call = _call(body(fields, params), body(_fields(asked), params))
            return Continuation(call, "prefill")
        case "llamacpp":
            call = _call(body(fields, params), body(_fields(asked), params))
            return Continuation(call, "prefill", trim=True, echoes=True)
        case "deepseek" | "api.deepseek.com":
            fields["messages"][-1]["prefix"] = True
            call = _call(body(fields, params), body(_fields(asked), params), path=DEEPSEEK_BETA)
            return Continuation(call, "prefix")
    return Continuation(request(asked), "by a message", trim=True)


def decoder() -> ChatDecoder:
    return ChatDecoder()


class ChatDecoder(EventDecoder):
    """One answer. Only the choice with index 0 speaks; all of them must finish."""

    PIECE = Chunk

    def __init__(self) -> None:
        super().__init__()
        self._about = About()
        self._think = ThinkSplitter()
        self._tools = ToolCalls()
        self._audio = "audio"
        self._images = 0
        self._reasons: dict[int, str] = {}
        self._spoke = False
        self._refuses = False
        self._verdict: Verdict | None = None

    def _event(self, name: str, data: str) -> list[Delta]:
        return self._done() if data == END_MARK else super()._event(name, data)

    def _meaning(self, name: str, event: dict[str, Any]) -> list[Delta]:
        deltas = [*self._introduction(event), *self._choices(event), *_usage(event)]
        if error := _error(name, event):
            return [*deltas, *self._failed(error)]
        verdict = self._judged()
        if verdict is not None and verdict != self._verdict:
            self._verdict = verdict
            deltas.append(verdict)
        return deltas

    def _unreadable(self, name: str, data: str) -> list[Delta]:
        finished = self._verdict is not None and name != "error"
        return [] if finished else super()._unreadable(name, data)

    def _rest(self) -> list[Delta]:
        return self._think.close()

    def _introduction(self, chunk: dict[str, Any]) -> Iterator[About]:
        old = self._about
        if not (old.model and old.remote_id):
            self._about = About(
                old.model or brief(string(chunk, "model"), MAX_NOTE),
                old.remote_id or brief(string(chunk, "id"), MAX_NOTE),
            )
            if self._about != old:
                yield self._about

    def _choices(self, chunk: dict[str, Any]) -> list[Delta]:
        deltas: list[Delta] = []
        for place, choice in enumerate(sequence(chunk, "choices")):
            told = count(choice, "index")
            index = place if told is None else told
            if index >= MAX_CHOICES:
                continue
            reason = string(choice, "finish_reason")
            self._reasons[index] = reason or self._reasons.get(index, "")
            if index == 0:
                deltas += self._spoken(self._delta(choice))
                deltas += self._rest() if reason else []
        self._spoke = self._spoke or bool(deltas)
        return deltas

    def _delta(self, choice: Any) -> dict[str, Any]:
        """What the choice adds. A server may send one whole `message` instead; another one tells
        the whole answer again in it, at the end."""
        name = "delta" if self._spoke or mapping(choice, "delta") else "message"
        return mapping(choice, name)

    def _spoken(self, delta: dict[str, Any]) -> Iterator[Delta]:
        if thought := _thought(delta):
            # A server that tells thinking apart means a tag in the answer literally.
            yield from self._think.close()
            yield Thinking(thought)
        if text := _text(delta):
            yield from self._think.feed(text)
        rest: list[Delta] = [*self._unsplit(delta), *self._calls(delta), *self._media(delta)]
        if rest:
            yield from self._think.close()
            yield from rest
        yield from _citations(delta)

    def _unsplit(self, delta: dict[str, Any]) -> Iterator[Text]:
        """What is said elsewhere than in `content`, where no tag tells thinking apart."""
        if refusal := string(delta, "refusal"):
            self._refuses = True
            yield Text(refusal)
        if transcript := string(mapping(delta, "audio"), "transcript"):
            yield Text(transcript)

    def _media(self, delta: dict[str, Any]) -> Iterator[Media]:
        if audio := mapping(delta, "audio"):
            self._audio = brief(string(audio, "id"), MAX_NOTE) or self._audio
            yield from encoded(
                MediaKind.AUDIO, self._audio, string(audio, "data"), "audio/pcm", whole=False
            )
        for part in [*sequence(delta, "images"), *sequence(delta, "content")]:
            url = string(part, "image_url") or string(mapping(part, "image_url"), "url")
            for image in located(MediaKind.IMAGE, str(self._images), url):
                self._images += 1
                yield image

    def _calls(self, delta: dict[str, Any]) -> Iterator[Tool]:
        for fragment in sequence(delta, "tool_calls"):
            yield self._tools.read(fragment)
        if function := mapping(delta, "function_call"):
            yield self._tools.read({"index": 0, "function": function})

    def _judged(self) -> Verdict | None:
        """The verdict, once the first choice and every other one seen has a reason."""
        if 0 not in self._reasons or not all(self._reasons.values()):
            return None
        return self._verdict_on(self._reasons[0])

    def _verdict_on(self, reason: str) -> Verdict:
        verdict = _ENDS.get(reason)
        if verdict is None:
            # Zhipu says `network_error`, others have errors of their own.
            state = EndState.FAILED if "error" in reason.lower() else EndState.COMPLETE
            verdict = Verdict(state, brief(reason, MAX_NOTE), last=False)
        if self._refuses and verdict.state is not EndState.FAILED:
            return _REFUSED
        if self._tools and reason == "stop":
            return _ENDS["tool_calls"]
        return verdict

    def _done(self) -> list[Delta]:
        rest = self._rest()
        if reason := self._reasons.get(0):
            verdict = self._verdict_on(reason)
        elif self._refuses:
            verdict = _REFUSED
        elif self._tools:
            verdict = _ENDS["tool_calls"]
        else:
            verdict = _NO_REASON if rest or self._spoke else _EMPTY
        return [*rest, msgspec.structs.replace(verdict, last=True)]


def _error(name: str, chunk: dict[str, Any]) -> str:
    # OpenRouter has room for an error beside the choices and in each of them.
    first = next(iter(sequence(chunk, "choices")), None)
    error = chunk.get("error") or mapping(first, "error")
    if error or name == "error":
        return error_note(error if isinstance(error, dict | str) and error else chunk)
    # FastChat and older vLLM put the error's fields at the top.
    return error_note(chunk) if chunk.get("object") == "error" else ""


def _thought(delta: dict[str, Any]) -> str:
    """The reasoning in one chunk. Servers repeat it under several names: the first one counts."""
    for key in ("reasoning_content", "reasoning"):
        if text := string(delta, key):
            return text
    details = sequence(delta, "reasoning_details")
    if text := "".join(string(item, "text") or string(item, "summary") for item in details):
        return text
    pieces = (piece for part in sequence(delta, "content") for piece in sequence(part, "thinking"))
    return "".join(string(piece, "text") for piece in pieces)


def _text(delta: dict[str, Any]) -> str:
    """The content of one chunk: a string, or Mistral's list of typed parts."""
    parts = sequence(delta, "content")
    return string(delta, "content") or "".join(string(part, "text") for part in parts)


def _citations(delta: dict[str, Any]) -> Iterator[Citation]:
    for note in sequence(delta, "annotations"):
        cited = mapping(note, "url_citation")
        yield from citations(string(cited, "title"), string(cited, "url"), string(cited, "content"))


def _usage(chunk: dict[str, Any]) -> Iterator[Usage]:
    usage = mapping(chunk, "usage")
    told = Usage(
        count(usage, "prompt_tokens"),
        count(usage, "completion_tokens"),
        count(mapping(usage, "completion_tokens_details"), "reasoning_tokens"),
    )
    if told != Usage():
        yield told
