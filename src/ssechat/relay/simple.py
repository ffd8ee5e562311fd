"""The simple view: what a stream says, in the same few words whatever API it came from.

It is a fold over the journalled frames and nothing else, so whoever folds them again, after a
restart too, gets the same events under the same numbers.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import msgspec

from ssechat.core.deltas import Delta, EndState, Media, Text, Thinking, Usage, Whole
from ssechat.core.dialects import Dialect
from ssechat.core.fold import Fold, mark, mark_note
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.reply import Part

VIEW = "simple"
"""The name under which a stream's row says that it is served like this."""

Event = dict[str, Any]
"""`{"type", "content", …}`, ready for JSON."""

_FAILURES = (EndState.FAILED, EndState.EXPIRED)


def end_mark(state: str, note: str) -> Frame:
    """What is journalled behind a stream's last frame: how it ended."""
    return mark(MarkName.ENDED, time.time(), time.monotonic(), state=state, note=note)


def encoded(event: Event) -> str:
    """The event as JSON. Halves of surrogate pairs, which a server may send, stay escaped."""
    try:
        return msgspec.json.encode(event).decode()
    except UnicodeEncodeError:
        return json.dumps(event, separators=(",", ":"))


class View:
    """The state of one reading.

    `thinking` and `text` hold pieces; a text that `replaces` takes the place of all text so far.
    `image` and `audio` hold base64, with a `mime` that is the content's and a `number`: a later one
    of the same number is a better one. Where nothing came but an address, it is in `url`, and why
    nothing is kept, in `note`. `usage` holds counts of tokens so far. `error` is for people.
    `end` is the last event, has the `state`, and in `content` a few words for people.
    """

    def __init__(self, codec: Dialect) -> None:
        self._fold = Fold(codec.decoder())
        self._sent: set[int] = set()
        self._usage: Event = {}

    def take(self, frame: Frame) -> list[Event]:
        """The events that the next frame makes."""
        deltas = self._fold.take(frame)
        if frame.kind is FrameKind.MARK and frame.event == MarkName.ENDED:
            return self._ended(frame)
        if frame.kind is FrameKind.MARK and frame.event == MarkName.GAP:
            return [_event("error", "some of the answer is missing here")]
        return self._events(deltas)

    def _events(self, deltas: list[Delta]) -> list[Event]:
        events: list[Event] = []
        for delta in deltas:
            match delta:
                case Thinking(text) if text:
                    _add(events, "thinking", text)
                case Text(text) if text:
                    _add(events, "text", text)
                case Whole(str(text)):
                    events.append(_event("text", text, replaces=True))
                case Media(whole=True):
                    events += self._thing(self._fold.reply.part_of(delta))
                case Usage():
                    events += self._counts()
        return events

    def _counts(self) -> list[Event]:
        told = self._fold.reply.usage
        counts = {name: n for name in told.__struct_fields__ if (n := getattr(told, name))}
        if counts == self._usage:
            return []
        self._usage = counts
        return [_event("usage", counts)]

    def _thing(self, part: Part | None) -> list[Event]:
        """An image or a sound, as far as it came."""
        if part is None or (blob := part.media) is None:
            return []
        more: Event = {"number": part.index}
        content = ""
        if (file := blob.file(part.index)) is not None:
            content, more["mime"] = base64.b64encode(file.data).decode(), file.type.mime
        elif part.text:
            more["url"] = part.text
        else:
            more["note"] = blob.refused or "nothing came"
        self._sent.add(part.index)
        return [_event(part.kind, content, **more)]

    def _ended(self, frame: Frame) -> list[Event]:
        events = self._events(self._fold.close(frame.mono))
        for part in self._fold.reply.parts:
            if part.media is not None and part.index not in self._sent:
                events += self._thing(part)
        note = mark_note(frame)
        state, why = str(note.get("state", EndState.CUT)), str(note.get("note", ""))
        if state in _FAILURES:
            events.append(_event("error", why or "the answer failed"))
        return [*events, _event("end", why, state=state)]


def _event(kind: str, content: object, **more: object) -> Event:
    return {"type": str(kind), "content": content, **more}


def _add(events: list[Event], kind: str, text: str) -> None:
    """A piece of text; pieces of one kind that came in one frame are one."""
    if events and events[-1]["type"] == kind:
        events[-1]["content"] += text
    else:
        events.append(_event(kind, text))
