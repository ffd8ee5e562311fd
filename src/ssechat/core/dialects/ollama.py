"""Ollama's own API. Source: docs.ollama.com/api/chat and /api/errors.

While it loads a model, for minutes perhaps, it sends nothing at all; a profile's `timeouts.headers`
has to be longer than that. It keeps nothing, and stops when the connection closes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ssechat.core.conversation import Call, Continuation, Prompt
from ssechat.core.deltas import About, Delta, EndState, Thinking, Tool, Usage, Verdict
from ssechat.core.dialects import _bodies
from ssechat.core.dialects._bodies import body, error_text
from ssechat.core.dialects._continue import prefilled
from ssechat.core.dialects._events import ASKS_FOR_TOOL, MAX_NOTE, EventDecoder, error_note
from ssechat.core.dialects._json import count, mapping, sequence, string
from ssechat.core.dialects._pieces import Line
from ssechat.core.dialects._plain import CUT_NOTE, ENDS_AT_EOF, SCHEME, Framing, event_id
from ssechat.core.dialects._text import brief, mended
from ssechat.core.dialects._think import ThinkSplitter
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
MODELS_PATH = "api/tags"
FRAMING = Framing.NDJSON

_ENDS = {
    "stop": Verdict(EndState.COMPLETE),
    "length": Verdict(EndState.LENGTH),
    "": Verdict(EndState.COMPLETE, "no done_reason"),
}
_ASKS = Verdict(EndState.COMPLETE, ASKS_FOR_TOOL)
_NO_ANSWER = {
    "load": Verdict(EndState.FAILED, "the server loaded the model and gave no answer"),
    "unload": Verdict(EndState.FAILED, "the server unloaded the model and gave no answer"),
}


def auth(key: str) -> dict[str, str]:
    """A local server wants none; ollama.com does."""
    return {"Authorization": f"Bearer {key}"}


def request(prompt: Prompt) -> Call:
    fields = {
        "model": prompt.model,
        "messages": [{"role": turn.role, "content": mended(turn.text)} for turn in prompt.turns],
        "stream": True,
    }
    headers = {"content-type": "application/json"}
    return Call("POST", "api/chat", headers, body(fields, prompt.params))


def continuation(prompt: Prompt, partial: str, server: str) -> Continuation | None:
    """The model's template is left open after a last message of the assistant's."""
    return Continuation(request(prefilled(prompt, partial)), "prefill")


def decoder() -> ChatDecoder:
    return ChatDecoder()


def models(body: bytes) -> list[str]:
    return _bodies.models(body, "models", "name")


class ChatDecoder(EventDecoder):
    """One answer, a JSON object a line; the last one says that it is done."""

    PIECE = Line

    def __init__(self) -> None:
        super().__init__()
        self._about = About()
        self._think = ThinkSplitter()
        self._calls = 0
        self._spoke = False

    def _meaning(self, name: str, event: dict[str, Any]) -> list[Delta]:
        said = list(self._said(mapping(event, "message")))
        self._spoke = self._spoke or bool(said)
        deltas = [*self._introduction(event), *said]
        if error := event.get("error"):
            return [*deltas, *self._failed(error_note(error))]
        if event.get("done") is True:
            return [*deltas, *self._done(event)]
        return deltas

    def _rest(self) -> list[Delta]:
        return self._think.close()

    def _introduction(self, event: dict[str, Any]) -> Iterator[About]:
        model = brief(string(event, "model"), MAX_NOTE)
        if model and not self._about.model:
            self._about = About(model)
            yield self._about

    def _said(self, message: dict[str, Any]) -> Iterator[Delta]:
        if thought := string(message, "thinking"):
            # A server that tells thinking apart means a tag in the answer literally.
            yield from self._think.close()
            yield Thinking(thought)
        if text := string(message, "content"):
            yield from self._think.feed(text)
        if calls := sequence(message, "tool_calls"):
            yield from self._think.close()
            yield from map(self._call, calls)

    def _call(self, call: Any) -> Tool:
        function = mapping(call, "function")
        index, self._calls = self._calls, self._calls + 1
        name, arguments = string(function, "name"), function.get("arguments")
        return whole_call(index, string(call, "id"), name, arguments)

    def _done(self, event: dict[str, Any]) -> Iterator[Delta]:
        rest = self._rest()
        yield from rest
        told = Usage(count(event, "prompt_eval_count"), count(event, "eval_count"))
        if told != Usage():
            yield told
        yield self._verdict(string(event, "done_reason"), self._spoke or bool(rest))

    def _verdict(self, reason: str, spoke: bool) -> Verdict:
        if reason in _NO_ANSWER and not spoke:
            return _NO_ANSWER[reason]
        if self._calls and reason in ("stop", ""):
            return _ASKS
        return _ENDS.get(reason) or Verdict(EndState.COMPLETE, brief(reason, MAX_NOTE))
