"""A reply: the fold of a stream's deltas, in the order in which a reader sees them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from ssechat.core.conversation import Thought
from ssechat.core.deltas import About, Delta, Seal, Text, Thinking, Tool, Usage, Verdict


class PartKind(StrEnum):
    THINKING = "thinking"
    TEXT = "text"
    TOOL = "tool"


class Seam(msgspec.Struct):
    """Where a connection was lost, as an offset into the part's text, in characters.

    `after` is how long the stream was away, in seconds; None while it still is. `checked` is the
    number of known events that the server sent again and that proved equal.
    """

    offset: int
    wall: float
    why: str = ""
    after: float | None = None
    checked: int = 0
    missing: str = ""


class Part:
    """A run of thinking, answer text, or one tool call. `pieces` only ever grows.

    Times are on the stream's monotonic clock; `ended` is None while the part may still grow. That
    is the last part, and the tool calls just before it, whose fragments may come interleaved.
    `index` tells tool calls apart; it is -1 for other parts.
    """

    __slots__ = ("began", "chars", "ended", "index", "kind", "name", "pieces", "seams")

    def __init__(self, kind: PartKind, began: float, *, index: int = -1, name: str = "") -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.chars = 0
        self.began = began
        self.ended: float | None = None
        self.seams: list[Seam] = []
        self.index = index
        self.name = name

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def add(self, text: str) -> None:
        self.pieces.append(text)
        self.chars += len(text)


class Reply:
    """What has been said so far. `rev` rises with every change, so a view can pull."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.rev = 0
        self.usage = Usage()
        self.about = About()
        self.verdict: Verdict | None = None
        self.thoughts: list[Thought] = []
        self._unsealed = 0  # the part from which on thinking has no seal yet
        self._lost: Seam | None = None
        self._growing: dict[tuple[PartKind, int], Part] = {}

    @property
    def answer(self) -> str:
        """The answer's text, without thinking and tool calls."""
        return "".join(part.text for part in self.parts if part.kind is PartKind.TEXT)

    @property
    def thinking(self) -> str:
        return "\n\n".join(part.text for part in self.parts if part.kind is PartKind.THINKING)

    def apply(self, delta: Delta, mono: float) -> None:
        """Fold one delta that arrived at `mono`."""
        match delta:
            case Text(text) if text:
                self._part(PartKind.TEXT, mono).add(text)
            case Thinking(text) if text:
                self._part(PartKind.THINKING, mono).add(text)
            case Tool(index, _, name, arguments):
                part = self._part(PartKind.TOOL, mono, index)
                part.name = part.name or name
                part.add(arguments)
            case Seal(signature, redacted):
                self._seal(signature, redacted, mono)
            case Usage():
                self.usage = _later(self.usage, delta)
            case About(model, remote_id):
                self.about = About(model or self.about.model, remote_id or self.about.remote_id)
            case Verdict():
                self.verdict = delta
                self.end(mono)
        self.rev += 1

    def lost(self, wall: float, mono: float, why: str) -> None:
        """The connection went at `wall`; a second loss before it is back is the same gap."""
        if self._lost is None and self.parts:
            part = self.parts[-1]
            self._lost = Seam(part.chars, wall, why)
            part.seams.append(self._lost)
            self.rev += 1

    def resumed(self, after: float, checked: int, missing: str = "") -> None:
        if self._lost is not None:
            self._lost.after, self._lost.checked, self._lost.missing = after, checked, missing
            self._lost = None
            self.rev += 1

    def gap(self, wall: float, missing: str) -> None:
        """Some events could not be had at all."""
        if self.parts:
            part = self.parts[-1]
            part.seams.append(Seam(part.chars, wall, after=0.0, missing=missing))
            self.rev += 1

    def end(self, mono: float) -> None:
        """Nothing will be added."""
        for part in self._growing.values():
            part.ended = mono
            self.rev += 1
        self._growing.clear()

    def store(self) -> list[dict[str, Any]]:
        """The parts as plain values, for a projection; `restore` reads them back."""
        return [
            {
                "kind": str(part.kind),
                "text": part.text,
                "index": part.index,
                "name": part.name,
                "seconds": round((part.ended or part.began) - part.began, 3),
                "seams": [msgspec.to_builtins(seam) for seam in part.seams],
            }
            for part in self.parts
        ]

    def _part(self, kind: PartKind, mono: float, index: int = -1) -> Part:
        key = kind, index
        if key in self._growing:
            return self._growing[key]
        last = self.parts[-1] if self.parts else None
        if last is None or not last.kind is kind is PartKind.TOOL:
            self.end(mono)
        if last is not None and (last.kind, last.index) == key and not self._sealed():
            last.ended = None
        else:
            last = Part(kind, mono, index=index)
            self.parts.append(last)
        self._growing[key] = last
        return last

    def _sealed(self) -> bool:
        """Whether the last part is thinking with its seal, to which nothing may be added."""
        return self._unsealed == len(self.parts) and self.parts[-1].kind is PartKind.THINKING

    def _seal(self, signature: str, redacted: str, mono: float) -> None:
        if redacted:
            self.thoughts.append(Thought(redacted=redacted))
        if not signature:
            return
        unsealed = self.parts[self._unsealed :]
        text = "".join(part.text for part in unsealed if part.kind is PartKind.THINKING)
        self.thoughts.append(Thought(text=text, signature=signature))
        self._unsealed = len(self.parts)
        if self.parts and self._sealed():
            self.end(mono)


def _later(old: Usage, new: Usage) -> Usage:
    return Usage(
        old.input if new.input is None else new.input,
        old.output if new.output is None else new.output,
        old.reasoning if new.reasoning is None else new.reasoning,
    )


class _Stored(msgspec.Struct):
    kind: PartKind
    text: str
    index: int = -1
    name: str = ""
    seconds: float = 0.0
    seams: list[Seam] = []


def restore(parts: object, verdict: Verdict | None = None) -> Reply:
    """The reply that `store` wrote. ValueError if it is not one."""
    reply = Reply()
    reply.verdict = verdict
    for stored in msgspec.convert(parts, list[_Stored]):
        part = Part(stored.kind, 0.0, index=stored.index, name=stored.name)
        part.add(stored.text)
        part.ended = stored.seconds
        part.seams = stored.seams
        reply.parts.append(part)
    reply.rev = 1
    return reply
