"""Gemini's Interactions: what their events and final objects mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ssechat.core.deltas import (
    About,
    Citation,
    Delta,
    EndState,
    Kept,
    Media,
    MediaKind,
    Seal,
    Text,
    Thinking,
    Tool,
    Usage,
    Verdict,
    Whole,
)
from ssechat.core.dialects._events import ASKS_FOR_TOOL, MAX_NOTE, EventDecoder, error_note
from ssechat.core.dialects._gemini import GO_ON, Sources, bare
from ssechat.core.dialects._json import count, mapping, parse, sequence, string
from ssechat.core.dialects._media import encoded, located
from ssechat.core.dialects._text import Mender, brief, mended
from ssechat.core.dialects._tools import whole_call

END_MARK = "[DONE]"

MAX_ID = 8 * 2**10
"""Characters of an interaction's or an event's id; a longer one is none."""

_ENDS = {
    "completed": Verdict(EndState.COMPLETE),
    "requires_action": Verdict(EndState.COMPLETE, ASKS_FOR_TOOL),
    "incomplete": Verdict(EndState.LENGTH),
    "budget_exceeded": Verdict(EndState.LENGTH, "the budget is used up"),
    "requires_continuation": Verdict(EndState.LENGTH, GO_ON),
    "cancelled": Verdict(EndState.STOPPED, "cancelled at the server"),
    "canceled": Verdict(EndState.STOPPED, "cancelled at the server"),
    "failed": Verdict(EndState.FAILED),
}
_UNDER_WAY = ("in_progress", "queued")
_LIFECYCLE = "interaction."
_COMPLETED = "interaction.completed"
_UPDATES = ("interaction.created", "interaction.status_update")
_PASSING = ("gateway_timeout", "deadline_exceeded", "unavailable", "service_unavailable")


class InteractionDecoder(EventDecoder):
    """One interaction. Its steps (thoughts, calls, output) come one after the other, numbered.

    What is not JSON, and an error that says that time was up, are signs of a connection that is
    cut off; they say nothing of an interaction that goes on without it. Neither does `[DONE]`.
    Pictures come whole, speech comes in pieces; a picture in a thought is a draft, and left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._about = About()
        self._kept = ""
        self._sources = Sources()
        self._step = 0
        self._signatures: dict[int, str] = {}
        self._calls: dict[int, Any] = {}
        self._pictures: dict[int, int] = {}
        self._asks = False
        self._chars = 0
        self._verdict: Verdict | None = None

    def fetched(self, body: str) -> list[Delta]:
        try:
            interaction = parse(body)
        except ValueError:
            return []
        status = string(interaction, "status")
        if status not in _ENDS:
            return []
        self._over = True
        self._pictures.clear()
        steps = _answer(interaction)
        result = [delta for at, step in steps for delta in self._result(at, step)]
        verdict = self._end(status, interaction)
        broken = verdict.state in (EndState.FAILED, EndState.STOPPED)
        whole = _whole(steps, self._chars if broken else 0)
        usage = _usage(mapping(interaction, "usage"))
        held = [] if whole else self._mender.close()
        self._mender = Mender()
        return self._mender.mend([*held, *result, *whole, *usage, verdict])

    def _event(self, name: str, data: str) -> list[Delta]:
        if data != END_MARK:
            return super()._event(name, data)
        return [msgspec.structs.replace(self._verdict, last=True)] if self._verdict else []

    def _unreadable(self, name: str, data: str) -> list[Delta]:
        return super()._unreadable(name, data) if name == "error" else []

    def _meaning(self, name: str, event: dict[str, Any]) -> list[Delta]:
        kind = _kind(name, event)
        if kind == "error":
            return self._error(event.get("error") or event)
        told = list(self._told(kind, event))
        usage = [counted for place in _usages(event) for counted in _usage(place)]
        verdict = self._judged(kind, event) if kind.startswith(_LIFECYCLE) else None
        if verdict is None or verdict == self._verdict:
            return [*told, *usage]
        self._verdict = verdict
        return [*told, *usage, verdict]

    def _told(self, kind: str, event: dict[str, Any]) -> Iterator[Delta]:
        match kind:
            case "step.start":
                yield from self._start(self._index(event), mapping(event, "step"))
            case "step.delta":
                yield from self._delta(self._index(event), mapping(event, "delta"))
            case "step.stop":
                yield from self._stop(self._index(event))
            case _ if kind.startswith(_LIFECYCLE):
                yield from self._introduction(event)
                yield from _whole(_answer(mapping(event, "interaction")), self._chars)

    def _index(self, event: dict[str, Any]) -> int:
        """The event's step: if it does not say so, the one that was named last."""
        index = count(event, "index")
        self._step = self._step if index is None else index
        return self._step

    # Lifecycle

    def _introduction(self, event: dict[str, Any]) -> Iterator[About | Kept]:
        interaction = mapping(event, "interaction")
        name = fit(string(interaction, "id") or string(event, "interaction_id"))
        model = string(interaction, "model") or string(interaction, "agent")
        old = self._about
        self._about = About(
            old.model or brief(bare(model), MAX_NOTE), old.remote_id or brief(name, MAX_NOTE)
        )
        if self._about != old:
            yield self._about
        if name and name != self._kept and interaction.get("store") is not False:
            self._kept = name
            yield Kept(name)

    def _judged(self, kind: str, event: dict[str, Any]) -> Verdict | None:
        """None while the server still works, or says what nobody knows."""
        interaction = mapping(event, "interaction") or event
        status = string(interaction, "status") or kind.removeprefix(_LIFECYCLE)
        if status in _ENDS:
            verdict = self._end(status, interaction)
            return msgspec.structs.replace(verdict, last=kind not in _UPDATES)
        if kind == _COMPLETED and status not in _UNDER_WAY:
            return Verdict(EndState.COMPLETE, brief(status, MAX_NOTE))
        return None

    def _end(self, status: str, interaction: dict[str, Any]) -> Verdict:
        if status == "failed":
            errors = sequence(interaction, "errors") or [interaction.get("error")]
            return Verdict(EndState.FAILED, error_note(errors[0]))
        return _ENDS["requires_action" if status == "completed" and self._asks else status]

    def _error(self, error: Any) -> list[Delta]:
        return [] if self._kept and _passes(error) else self._failed(error_note(error))

    # Steps

    def _start(self, index: int, step: dict[str, Any]) -> Iterator[Delta]:
        kind = string(step, "type")
        if kind.endswith("_call"):
            yield self._call(index, kind, step)
        elif kind == "function_result":
            self._asks = False
        elif kind == "thought":
            self._signatures[index] = string(step, "signature")
            for item in sequence(step, "summary"):
                yield from _thinking(item)
        elif kind == "model_output":
            for item in sequence(step, "content"):
                yield from self._content(index, item)

    def _call(self, index: int, kind: str, step: dict[str, Any]) -> Tool:
        """The name of a call; the arguments that its first event tells are held, for it is said
        to tell none, and others may follow."""
        self._asks = self._asks or kind == "function_call"
        self._calls[index] = step.get("arguments")
        name = string(step, "name") or kind.removesuffix("_call")
        return whole_call(index, string(step, "id"), name, None)

    def _delta(self, index: int, delta: dict[str, Any]) -> Iterator[Delta]:
        kind = string(delta, "type")
        if kind == "thought_summary":
            yield from _thinking(delta.get("content") or delta)
        elif kind == "thought_signature":
            self._signatures[index] = string(delta, "signature")
        elif kind == "arguments_delta" or kind.endswith("_call"):
            self._calls[index] = None
            yield whole_call(index, "", "", delta.get("arguments"))
        else:
            yield from self._content(index, delta)

    def _stop(self, index: int) -> Iterator[Seal | Tool]:
        if signature := self._signatures.pop(index, ""):
            yield Seal(signature=mended(signature))
        if arguments := self._calls.get(index):
            self._calls[index] = None
            yield whole_call(index, "", "", arguments)

    def _content(self, index: int, item: Any, *, final: bool = False) -> Iterator[Delta]:
        match string(item, "type"):
            case "text" if not final and (text := string(item, "text")):
                self._chars += len(text)
                yield Text(text)
            case "image":
                at = self._pictures.get(index, 0)
                self._pictures[index] = at + 1
                yield from _media(MediaKind.IMAGE, f"{index}.{at}", item, whole=True)
            case "audio":
                yield from _media(MediaKind.AUDIO, f"{index}", item, whole=final)
        yield from self._cited(item)

    def _cited(self, item: Any) -> Iterator[Citation]:
        for note in sequence(item, "annotations"):
            title = string(note, "title") or string(note, "name") or string(note, "file_name")
            yield from self._sources.new(title, string(note, "url") or string(note, "document_uri"))

    def _result(self, index: int, step: Any) -> Iterator[Delta]:
        """What a step of the final object adds to the text, which is told apart."""
        kind = string(step, "type")
        if kind.endswith("_call") and index not in self._calls:
            yield self._call(index, kind, step)
            yield from self._stop(index)
        elif kind == "function_result":
            self._asks = False
        elif kind == "model_output":
            for item in sequence(step, "content"):
                yield from self._content(index, item, final=True)


def fit(name: str) -> str:
    """`name` if it can be an id, else ""."""
    return name if len(name) <= MAX_ID and name.isprintable() else ""


def _kind(name: str, event: dict[str, Any]) -> str:
    """The event's type: in the data, else its name; else an error shows by its field."""
    kind = string(event, "event_type") or string(event, "type") or name
    return "error" if kind == "message" and event.get("error") else kind


def _passes(error: Any) -> bool:
    """Whether an error is of the connection's making."""
    code = string(error, "code") or string(error, "status")
    return code.lower() in _PASSING or count(error, "code") in (503, 504)


def _thinking(item: Any) -> Iterator[Thinking]:
    if text := string(item, "text"):
        yield Thinking(text)


def _media(kind: MediaKind, name: str, item: Any, *, whole: bool) -> list[Media]:
    if address := string(item, "uri"):
        return located(kind, name, address)
    mime = string(item, "mime_type")
    rate, channels = count(item, "sample_rate"), count(item, "channels")
    mime += f";rate={rate}" if mime and rate else ""
    mime += f";channels={channels}" if mime and channels else ""
    return encoded(kind, name, string(item, "data"), mime, whole=whole)


def _answer(interaction: Any) -> list[tuple[int, Any]]:
    """The steps after the last question, numbered as in the stream. (A GET tells all of them.)"""
    steps = sequence(interaction, "steps")
    if outputs := sequence(interaction, "outputs"):
        steps = steps or [{"type": "model_output", "content": outputs}]
    asked = [at for at, step in enumerate(steps) if string(step, "type") == "user_input"]
    return list(enumerate(steps[asked[-1] + 1 if asked else 0 :]))


def _whole(steps: list[tuple[int, Any]], least: int) -> list[Whole]:
    """The final texts, as far as there are any. An object can hold the end of the text only, or no
    more than what was kept of it: less than `least` characters heal nothing."""
    output = [item for _, step in steps for item in _of(step, "model_output", "content")]
    thoughts = [item for _, step in steps for item in _of(step, "thought", "summary")]
    text = "".join(string(item, "text") for item in output if string(item, "type") == "text")
    thinking = "".join(string(item, "text") for item in thoughts)
    text = "" if len(text) < least else mended(text)
    whole = Whole(text or None, mended(thinking) or None)
    return [] if whole == Whole() else [whole]


def _of(step: Any, kind: str, field: str) -> list[Any]:
    return sequence(step, field) if string(step, "type") == kind else []


def _usages(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Where an event tells the counts so far."""
    yield mapping(event, "usage")
    yield mapping(mapping(event, "metadata"), "total_usage")
    yield mapping(mapping(event, "interaction"), "usage")


def _usage(usage: dict[str, Any]) -> Iterator[Usage]:
    """Counts in total. Thoughts are counted apart from the output."""
    kinds = ("input", "output", "thought")
    asked, said, thought = (count(usage, f"total_{kind}_tokens") for kind in kinds)
    output = None if said is thought is None else (said or 0) + (thought or 0)
    told = Usage(asked, output, thought)
    if told != Usage():
        yield told
