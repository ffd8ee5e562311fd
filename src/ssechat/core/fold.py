"""The fold: journalled frames in, the reply and its measures out; live and replayed alike."""

from __future__ import annotations

from typing import Any

import msgspec

from ssechat.core.deltas import Delta, Text, Thinking, Verdict
from ssechat.core.dialects import Decoder
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.meter import Meter
from ssechat.core.reply import Reply
from ssechat.core.splice import moved


class Fold:
    """The state of one stream, as all its frames so far add up."""

    def __init__(self, decoder: Decoder) -> None:
        self.reply = Reply()
        self.meter = Meter()
        self.resumes = 0
        self.last_id = ""
        self._decoder = decoder
        self._lost: Frame | None = None

    def take(self, frame: Frame) -> list[Delta]:
        """Fold the next frame. Nothing is decoded after the verdict that ends the stream."""
        if frame.kind is FrameKind.MARK:
            self._mark(frame)
            return []
        self.last_id = moved(self.last_id, frame)
        if frame.kind is not FrameKind.EVENT or self._final:
            return []
        self.meter.event(frame.began)
        deltas = self._decoder.decode(frame)
        for delta in deltas:
            self._apply(delta, frame.mono)
        return deltas

    def close(self, mono: float) -> list[Delta]:
        """No frame will follow: what the decoder held back comes out."""
        deltas = [] if self._final else self._decoder.close()
        for delta in deltas:
            self._apply(delta, mono)
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

    def _apply(self, delta: Delta, mono: float) -> None:
        if isinstance(delta, Verdict) and self.reply.verdict is not None and not delta.note:
            delta = msgspec.structs.replace(delta, note=self.reply.verdict.note)
        if isinstance(delta, Text | Thinking) and delta.text:
            self.meter.text(delta.text, mono)
        self.reply.apply(delta, mono)

    def _mark(self, frame: Frame) -> None:
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
                self.meter.back(frame.mono)
                away = frame.wall - self._lost.wall if self._lost else 0.0
                self._lost = None
                self.reply.resumed(max(0.0, away), _count(note.get("checked")))
            case MarkName.GAP:
                self.reply.gap(frame.wall, f"{note.get('from', '?')} … {note.get('to', '?')}")


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
