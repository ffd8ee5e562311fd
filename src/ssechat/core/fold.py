"""The fold: journalled frames in, the reply and its measures out; live and replayed alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from ssechat.core.deltas import Delta, EndState, Kept, Text, Thinking, Verdict, Whole
from ssechat.core.dialects import Decoder
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.meter import Meter
from ssechat.core.overlap import Overlap
from ssechat.core.reply import Mended, Reply
from ssechat.core.splice import moved

_PIECE: list[Delta] = [Text("")]
"""Stands for what was not read."""


class Fold:
    """The state of one stream, as all its frames so far add up.

    `kept` is the server's word that it keeps the answer, if it gave it. `continued`: it goes on
    from another one's text.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.reply = Reply()
        self.meter = Meter()
        self.resumes = 0
        self.forked = False
        self.last_id = ""
        self.kept: Kept | None = None
        self.continued = False
        self._from = ""
        self._trim: Callable[[], Overlap] | None = None
        self._overlap: Overlap | None = None
        self._decoder = decoder
        self._lost: Frame | None = None

    def take(self, frame: Frame) -> list[Delta]:
        """Fold the next frame. Nothing is decoded after the verdict that ends the stream."""
        if frame.kind is FrameKind.MARK:
            return self._mark(frame)
        self.last_id = moved(self.last_id, frame)
        if frame.kind is not FrameKind.EVENT or self._final:
            return []
        self.meter.event(frame.began)
        return self._add(self._decoder.decode(frame), frame.wall, frame.mono)

    def close(self, mono: float) -> list[Delta]:
        """No frame will follow: what the decoder held back comes out."""
        deltas = [] if self._final else self._add(self._decoder.close(), 0.0, mono)
        deltas += self._add(self._held(), 0.0, mono)
        self.reply.end(mono)
        return deltas

    @property
    def away(self) -> bool:
        """Whether the connection was lost and the stream has not gone on since."""
        return self._lost is not None

    @property
    def tokens(self) -> int:
        """Output tokens: the server's count once it has told the last one, else an estimate."""
        told = self.reply.usage.output
        if told is None:
            return self.meter.tokens
        return max(told, self.meter.tokens) if self.estimated else told

    @property
    def estimated(self) -> bool:
        """Counts told before the end (`message_start`) lag behind what has come."""
        return self.reply.usage.output is None or self.reply.verdict is None

    @property
    def rate(self) -> float | None:
        """Tokens per second of the whole stream; hidden reasoning does not count."""
        usage = self.reply.usage
        if usage.output is None:
            return self.meter.mean()
        shown_thinking = any(part.kind == "thinking" for part in self.reply.parts)
        hidden = 0 if shown_thinking else usage.reasoning or 0
        return self.meter.mean(max(0, usage.output - hidden))

    @property
    def _final(self) -> bool:
        verdict = self.reply.verdict
        return verdict is not None and verdict.last

    def _add(self, deltas: list[Delta], wall: float, mono: float) -> list[Delta]:
        """Fold what was decoded; what readers need to know of it, in order."""
        told: list[Delta] = []
        for delta in deltas:
            for meant in self._meant(delta):
                self._apply(meant, wall, mono)
                told.append(meant)
        return told

    def _meant(self, delta: Delta) -> list[Delta]:
        """What a delta adds to what stands: a final object mostly nothing, a repetition nothing."""
        if isinstance(delta, Whole):
            return self._missing(delta)
        if isinstance(delta, Text) and self._overlap is not None:
            new = self._overlap.feed(delta.text)
            return [Text(new)] if new else []
        if isinstance(delta, Verdict):
            return [*self._held(), delta]
        return [delta]

    def _held(self) -> list[Delta]:
        overlap, self._overlap = self._overlap, None
        rest = overlap.close() if overlap else ""
        return [Text(rest)] if rest else []

    def _missing(self, whole: Whole) -> list[Delta]:
        """What the final object has beyond what came. A text that contradicts it is restated; of
        thinking only a missing end is added, and only before the answer has begun."""
        found: list[Delta] = []
        text, thinking = self.reply.answer, self.reply.thinking
        rest = (whole.thinking or "").removeprefix(thinking)
        if rest and not text and (whole.thinking or "").startswith(thinking):
            found.append(Thinking(rest))
        if whole.text is None:
            return found
        answer = self._answer(whole.text)
        if answer.startswith(text):
            rest = answer[len(text) :]
            return [*found, Text(rest)] if rest else found
        return [*found, Whole(text=answer)]

    def _answer(self, whole: str) -> str:
        """The answer that a final object's text makes, behind the text that it goes on from. What
        was held back as a repetition is in it."""
        self._overlap = None
        if self._trim is not None:
            overlap = self._trim()
            whole = overlap.feed(whole) + overlap.close()
        return self._from + whole

    def _apply(self, delta: Delta, wall: float, mono: float) -> None:
        if isinstance(delta, Verdict) and self.reply.verdict is not None and not delta.note:
            delta = msgspec.structs.replace(delta, note=self.reply.verdict.note)
        match delta:
            case Text(text) | Thinking(text) if text:
                self.meter.text(text, mono)
            case Kept():
                self.kept = delta
            case Whole(str(text)):
                self.reply.restate(text, wall, mono)
        self.reply.apply(delta, mono)

    def _mark(self, frame: Frame) -> list[Delta]:
        note = mark_note(frame)
        match frame.event:
            case MarkName.SENT:
                self.meter.request(frame.mono)
            case MarkName.LOST:
                self.meter.away()
                self._lost = self._lost or frame
                self.reply.lost(frame.wall, frame.mono, str(note.get("why", "")))
            case MarkName.RESUMED:
                self.resumes += 1
                self._back(frame, _count(note.get("checked")))
            case MarkName.GAP:
                self.reply.gap(frame.wall, f"{note.get('from', '?')} … {note.get('to', '?')}")
            case MarkName.FETCHED:
                return self._fetched(frame, str(note.get("body", "")))
            case MarkName.FORKED:
                self.forked = True
            case MarkName.CONTINUED:
                self._go_on(frame, note)
            case MarkName.EOF if not self._final:
                return self._ended(frame)
        return []

    def _back(self, frame: Frame, checked: int = 0, how: str = "") -> None:
        self.meter.back(frame.mono)
        away = frame.wall - self._lost.wall if self._lost else 0.0
        self._lost = None
        self.reply.resumed(max(0.0, away), checked, how)

    def _fetched(self, frame: Frame, body: str) -> list[Delta]:
        deltas = [] if self._final else self._decoder.fetched(body)
        if deltas:
            self._back(frame, how=Mended.FETCHED)
        return self._add(deltas, frame.wall, frame.mono)

    def _go_on(self, frame: Frame, note: dict[str, Any]) -> None:
        text, how = str(note.get("text", "")), str(note.get("how", ""))
        trim = partial(Overlap, text, echoes=bool(note.get("echoes")))
        self._from, self._trim = text, trim if note.get("trim") else None
        self._overlap = self._trim() if self._trim else None
        if self.continued:
            self.reply.begin_otherwise(how)
        else:
            self.reply.begin_with(text, frame.wall, frame.mono, how)
        self.continued = True

    def _ended(self, frame: Frame) -> list[Delta]:
        """The body ended, and the server's user said that this is its end mark."""
        rest = self._decoder.close()
        empty = not self.reply.parts and not rest
        verdict = Verdict(EndState.COMPLETE)
        if empty:
            verdict = Verdict(EndState.FAILED, "the server sent an empty answer")
        return self._add([*rest, verdict], frame.wall, frame.mono)


class Watch(Fold):
    """A fold that only waits for the end: pieces of text are counted, and not kept."""

    def take(self, frame: Frame) -> list[Delta]:
        waits = self.reply.verdict is None and frame.kind is FrameKind.EVENT
        if not (waits and self._decoder.is_piece(frame)):
            return super().take(frame)
        self.last_id = moved(self.last_id, frame)
        self.meter.event(frame.began)
        return _PIECE


def mark(name: MarkName, wall: float, mono: float, **note: Any) -> Frame:
    """One of our own marks, for the journal."""
    data = msgspec.json.encode(note).decode() if note else ""
    return Frame(FrameKind.MARK, data, name, wall=wall, mono=mono, began=mono)


def mark_note(frame: Frame) -> dict[str, Any]:
    """What a mark says; empty if it does not parse."""
    try:
        note = msgspec.json.decode(frame.data) if frame.data else {}
    except msgspec.DecodeError:
        return {}
    return note if isinstance(note, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
