"""OpenAI Responses, and the servers that speak it (vLLM, llama.cpp, Ollama, routers).

An answer made in the background is kept: its stream goes on after any `sequence_number`, and the
finished object can be fetched. Source: `ResponseStreamEvent` and `Response` in OpenAI's API
schema; the guides to background mode and streaming; vLLM's and llama.cpp's sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from ssechat.core.conversation import Call, Continuation, Prompt, Role
from ssechat.core.deltas import (
    About,
    Delta,
    Kept,
    MediaKind,
    Text,
    Thinking,
    Tool,
    Whole,
)
from ssechat.core.dialects._bodies import body, error_text, models
from ssechat.core.dialects._continue import by_message, prefilled
from ssechat.core.dialects._events import MAX_NOTE, EventDecoder, error_note
from ssechat.core.dialects._json import MAX_COUNT, count, mapping, parse, sequence, string
from ssechat.core.dialects._media import encoded
from ssechat.core.dialects._pieces import OutputDelta
from ssechat.core.dialects._plain import CUT_NOTE, ENDS_AT_EOF, FRAMING
from ssechat.core.dialects._responses_items import (
    PAUSE,
    RAW,
    SUMMARY,
    about,
    arguments,
    asking,
    call_id,
    citations_in,
    cited,
    kept,
    pictures,
    tool_name,
    usage,
    verdict,
    whole,
)
from ssechat.core.dialects._responses_runs import Items, Place, Runs
from ssechat.core.dialects._text import brief, mended
from ssechat.core.frames import Frame, FrameKind

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
MODELS_PATH = "models"
SCHEME = "responses"

_DONE = "[DONE]"
"""Some compatible servers send it, as in Chat Completions. It says nothing of how it ended."""

_KEPT = {"background": True, "store": True}

_BEGINS = frozenset(f"response.{step}" for step in ("created", "queued", "in_progress"))
_ENDS = {
    f"response.{status}": status for status in ("completed", "incomplete", "failed", "cancelled")
}

_REFUSAL = "response.refusal"
_RUNS: dict[str, tuple[type[Text | Thinking | Tool], str]] = {
    "response.output_text": (Text, "text"),
    _REFUSAL: (Text, "refusal"),
    "response.audio.transcript": (Text, "transcript"),
    "response.reasoning_summary_text": (Thinking, "text"),
    "response.reasoning_text": (Thinking, "text"),
    "response.function_call_arguments": (Tool, "arguments"),
    "response.mcp_call_arguments": (Tool, "arguments"),
    "response.custom_tool_call_input": (Tool, "input"),
    "response.code_interpreter_call_code": (Tool, "code"),
}
"""What runs in `.delta` events, and the field of its `.done` event that has all of it."""

_VOICES = {"response.reasoning_summary_text": SUMMARY, "response.reasoning_text": RAW}


def auth(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def request(prompt: Prompt) -> Call:
    """Asks for an answer that the server keeps; the fallback for one that it does not."""
    params = prompt.params
    system = "\n\n".join(turn.text for turn in prompt.turns if turn.role is Role.SYSTEM)
    plain = {
        "model": prompt.model,
        "input": [
            {"type": "message", "role": turn.role, "content": mended(turn.text)}
            for turn in prompt.turns
            if turn.role is not Role.SYSTEM
        ],
        "instructions": mended(system) or None,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
    }
    keeps = params.get("background", True) and params.get("store", True)
    return Call(
        "POST",
        "responses",
        {"content-type": "application/json"},
        body({**plain, **_KEPT} if keeps else plain, params),
        body(plain, params) if keeps and "background" not in params else b"",
    )


def continuation(prompt: Prompt, partial: str, server: str) -> Continuation | None:
    """By a message; llama.cpp goes on from a last message of the assistant's, also here."""
    asked = request(by_message(prompt, partial))
    if server.lower() != "llamacpp":
        return Continuation(asked, "by a message", trim=True)
    call = request(prefilled(prompt, partial))
    call = msgspec.structs.replace(call, fallback=asked.fallback or asked.body)
    return Continuation(call, "prefill", trim=True, echoes=True)


class _Numbered(msgspec.Struct):
    sequence_number: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


_NUMBERED = msgspec.json.Decoder(_Numbered)


def event_id(frame: Frame) -> str:
    """The event's `sequence_number`; "" if it has none that can be counted with."""
    if frame.kind is not FrameKind.EVENT:
        return ""
    try:
        return str(_NUMBERED.decode(frame.data).sequence_number)
    except (msgspec.ValidationError, RecursionError):
        return ""
    except ValueError:
        return _mended_id(frame.data)


def _mended_id(data: str) -> str:
    """The same of data that msgspec does not take: surrogate halves."""
    try:
        number = count(parse(data), "sequence_number")
    except ValueError:
        return ""
    return "" if number is None else str(number)


def decoder() -> ResponsesDecoder:
    return ResponsesDecoder()


class ResponsesDecoder(EventDecoder):
    """One response, from its beginning or from anywhere within it."""

    PIECE = OutputDelta
    KNOWN = frozenset(
        {f"{run}.{phase}" for run in _RUNS for phase in ("delta", "done")} | _BEGINS | set(_ENDS)
    )

    def __init__(self) -> None:
        super().__init__()
        self._about = About()
        self._kept: Kept | None = None
        self._items = Items()
        self._runs = Runs()
        self._voices: dict[int, str] = {}
        self._thought: Place | None = None
        self._message: int | None = None
        self._named: set[int] = set()
        self._text: list[str] = []
        self._refuses = False
        self._asks = False

    def fetched(self, body: str) -> list[Delta]:
        """What the polled Response object means; nothing while it is queued or in progress."""
        try:
            response = parse(body)
        except ValueError:
            return []
        status = string(response, "status")
        if self._over or status not in _ENDS.values():
            return []
        self._over = True
        items = enumerate(sequence(response, "output"))
        missed = [delta for index, item in items for delta in self._item(index, item, done=True)]
        answer = self._whole(response)
        return self._mender.mend(self._end(status, response, answer, missed))

    def _event(self, name: str, data: str) -> list[Delta]:
        return [] if data == _DONE else super()._event(name, data)

    def _unreadable(self, name: str, data: str) -> list[Delta]:
        """A broken event of an answer that is kept can be had again: its number will be missed."""
        kept = self._kept is not None and name != "error"
        return [] if kept else super()._unreadable(name, data)

    def _meaning(self, name: str, event: dict[str, Any]) -> list[Delta]:
        kind = string(event, "type") or name
        run, _, phase = kind.rpartition(".")
        if run in _RUNS:
            return self._run(run, phase, event)
        response = mapping(event, "response")
        if kind in _BEGINS:
            return list(self._introduction(response))
        if kind in _ENDS:
            return self._terminal(_ENDS[kind], response)
        if kind in ("error", "response.error") or (kind == "message" and event.get("error")):
            return self._failed(_complaint(event))
        return list(self._thing(kind, event))

    def _introduction(self, response: dict[str, Any]) -> Iterator[Delta]:
        told = about(response)
        if told not in (About(), self._about):
            self._about = told
            yield told
        keeps = kept(response)
        if keeps not in (None, self._kept):
            self._kept = keeps
            yield keeps

    def _terminal(self, status: str, response: dict[str, Any]) -> list[Delta]:
        # vLLM ends every answer with `response.completed`: the object says it better.
        told = string(response, "status")
        if status == "completed" and told in _ENDS.values():
            status = told
        # What a failure lists need not be all that came.
        lists_all = status in ("completed", "incomplete")
        answer = self._whole(response) if lists_all else []
        return [*self._introduction(response), *self._end(status, response, answer, [])]

    def _end(
        self, status: str, response: dict[str, Any], answer: list[Whole], missed: list[Delta]
    ) -> list[Delta]:
        """The whole in place of a half that was held back, then what was missed, then the end."""
        held = self._mender.close()
        ending = verdict(status, response, refuses=self._refuses, asks=self._asks)
        return [*(answer or held), *usage(response), *missed, ending]

    def _whole(self, response: dict[str, Any]) -> list[Whole]:
        return whole(response, "".join(self._text), self._voices)

    def _thing(self, kind: str, event: dict[str, Any]) -> Iterator[Delta]:
        match kind:
            case "response.output_item.added" | "response.output_item.done":
                done = kind.endswith("done")
                yield from self._item(self._items.index(event), mapping(event, "item"), done=done)
            case "response.output_text.annotation.added":
                yield from cited(event.get("annotation"))
            case "response.image_generation_call.partial_image":
                name = _name(string(event, "item_id"), self._items.index(event))
                yield from pictures(event, "partial_image_b64", name)
            case "response.audio.delta":
                name = _name(string(event, "item_id"), count(event, "output_index") or 0)
                yield from encoded(
                    MediaKind.AUDIO, name, string(event, "delta"), "audio/pcm", whole=False
                )

    def _run(self, run: str, phase: str, event: dict[str, Any]) -> list[Delta]:
        kind, full = _RUNS[run]
        index = self._items.index(event)
        if kind is Thinking and self._voices.setdefault(index, _VOICES[run]) != _VOICES[run]:
            return []  # the same thinking once more, or its summary
        part = count(event, "summary_index") or count(event, "content_index") or 0
        place = ("" if kind is Tool else run, index, part)
        if phase == "delta":
            text = string(event, "delta")
            self._runs.add(place, text)
        else:
            text = self._runs.missing(place, string(event, full)) if phase == "done" else ""
        self._refuses = self._refuses or bool(text and run == _REFUSAL)
        return [self._said(kind, place, text)] if text else []

    def _said(self, kind: type[Text | Thinking | Tool], place: Place, text: str) -> Delta:
        """A piece of a run, with a blank line before it if it begins another one of its kind."""
        index = place[1]
        before, self._thought = self._thought, place if kind is Thinking else None
        if kind is Tool:
            return Tool(index, arguments=text)
        if kind is Thinking:
            return Thinking(text if before in (None, place) else PAUSE + text)
        self._text.append(text)
        message, self._message = self._message, index
        return Text(text if message in (None, index) else PAUSE + text)

    def _item(self, index: int, item: Any, *, done: bool) -> Iterator[Delta]:
        """What an output item adds to what ran: its tool's name, its picture, its sources."""
        self._asks = self._asks or asking(item)
        if name := tool_name(item):
            yield from self._tool(index, item, name, done=done)
        elif done and string(item, "type") == "image_generation_call":
            yield from pictures(item, "result", _name(string(item, "id"), index))
        elif done:
            yield from citations_in(item)

    def _tool(self, index: int, item: Any, name: str, *, done: bool) -> Iterator[Delta]:
        if index not in self._named:
            self._named.add(index)
            yield Tool(index, call_id(item), name)
        place = ("", index, 0)
        if done and (text := self._runs.missing(place, arguments(item))):
            yield self._said(Tool, place, text)


def _complaint(event: dict[str, Any]) -> str:
    error = event.get("error")
    if error and isinstance(error, dict | str):
        return error_note(error)
    return error_note({key: event.get(key) for key in ("code", "message")})


def _name(item_id: str, index: int) -> str:
    return brief(item_id, MAX_NOTE) or str(index)
