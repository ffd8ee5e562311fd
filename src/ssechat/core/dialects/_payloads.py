"""What events of servers written by hand mean: chunks of Chat Completions, typed objects, text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

import msgspec

from ssechat.core.deltas import (
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
from ssechat.core.dialects import openai_chat
from ssechat.core.dialects._bodies import message_in
from ssechat.core.dialects._events import error_note
from ssechat.core.dialects._json import MAX_COUNT, count, mapping, parse
from ssechat.core.dialects._media import encoded, located
from ssechat.core.dialects._text import Mender
from ssechat.core.dialects._think import ThinkSplitter
from ssechat.core.frames import KEEPALIVES, Frame, FrameKind

DONE = "[DONE]"

Path = tuple[str, ...]
"""Where a value lies in a JSON object: keys, and indices of lists, from the outside in."""


class Fields(msgspec.Struct, frozen=True):
    """Where things lie in an object. No `text` or `thinking`: under the names that are common."""

    text: tuple[Path, ...] = ()
    thinking: tuple[Path, ...] = ()
    kind: Path = ("type",)
    mime: Path = ("mime",)


class _Kind(Enum):
    TEXT = auto()
    CHUNK = auto()
    THINKING = auto()
    IMAGE = auto()
    AUDIO = auto()
    USAGE = auto()
    ERROR = auto()
    END = auto()
    NOTHING = auto()


_KINDS = {
    **dict.fromkeys(("thinking", "thought", "reasoning"), _Kind.THINKING),
    "image": _Kind.IMAGE,
    "audio": _Kind.AUDIO,
    "usage": _Kind.USAGE,
    "error": _Kind.ERROR,
    **dict.fromkeys(("end", "done", "complete", "close"), _Kind.END),
    **dict.fromkeys(KEEPALIVES, _Kind.NOTHING),
    **dict.fromkeys(("start", "open", "connected"), _Kind.NOTHING),
}
"""Names of events, and types of objects, that are not text."""

_NAMES = "text content delta token response message chunk answer data value"
_TEXT = tuple(
    path for name in _NAMES.split() for path in ((name,), (name, "content"), (name, "text"))
)
_THINKING = (("thinking",), ("reasoning",), ("reasoning_content",))
_SOURCE = (("content",), ("data",), ("url",))
_REASON = (("finish_reason",), ("done_reason",), ("choices", "0", "finish_reason"))
_INPUT = ("input_tokens", "prompt_tokens", "input")
_OUTPUT = ("output_tokens", "completion_tokens", "output")

_WAV = "UklGR"
"""`RIFF` in base64: another file begins."""
_COMPLETE = Verdict(EndState.COMPLETE)
_EMPTY = Verdict(EndState.FAILED, "the server sent an empty answer")


class PayloadDecoder:
    """One answer. No payload is lost: what is nothing else is text, as it stands.

    Only data that is `mark` ends it; without a mark, what usually does: `[DONE]`, an event or
    object that is called so, `"done": true`. A failure always does.
    """

    def __init__(self, fields: Fields, mark: str = "") -> None:
        self._fields = fields
        self._mark = mark
        self._kinds = {
            name: kind for name, kind in _KINDS.items() if not (mark and kind is _Kind.END)
        }
        self._chat = openai_chat.decoder()
        self._think = ThinkSplitter()
        self._mender = Mender()
        self._unquoted = False
        self._spoke = False
        self._things = 0
        self._in_pieces = False
        self._reason: Verdict | None = None
        self._over = False

    def decode(self, frame: Frame) -> list[Delta]:
        if self._over or frame.kind is not FrameKind.EVENT:
            return []
        return self._mender.mend(list(self._payload(frame)))

    def is_piece(self, frame: Frame) -> bool:
        return False

    def close(self) -> list[Delta]:
        return [*self._mender.mend(self._rest()), *self._mender.close()]

    def fetched(self, body: str) -> list[Delta]:
        """Such servers keep nothing that could be fetched."""
        return []

    def _payload(self, frame: Frame) -> Iterator[Delta]:
        data = frame.data
        if (self._mark or DONE) in (data, data.strip()):
            return self._end()
        named = self._kinds.get(frame.event.lower(), _Kind.TEXT)
        try:
            value = parse(data)
        except ValueError:
            value, self._unquoted = None, self._unquoted or bool(data)
        if isinstance(value, dict):
            return self._object(self._kind(named, value), value, frame)
        if isinstance(value, str) and (named is _Kind.ERROR or not self._unquoted):
            # Once a text came without quotes, those of another one are its own.
            return self._plain(named, value)
        return self._plain(named, data)

    def _plain(self, kind: _Kind, text: str) -> Iterator[Delta]:
        match kind:
            case _Kind.TEXT | _Kind.THINKING:
                yield from self._say(kind, text)
            case _Kind.IMAGE | _Kind.AUDIO:
                yield from self._media(kind, text)
            case _Kind.ERROR:
                yield from self._failed(text)
            case _Kind.END:
                yield from self._end()

    def _kind(self, named: _Kind, value: dict[str, Any]) -> _Kind:
        """What an object is: an event's name says it, or its type, or its other fields."""
        if named in (_Kind.ERROR, _Kind.END):
            return named
        typed = at(value, self._fields.kind)
        if isinstance(typed, str) and typed.lower() in self._kinds:
            return self._kinds[typed.lower()]
        if isinstance(value.get("choices"), list) and first(value, self._fields.text) is None:
            return _Kind.CHUNK
        return _Kind.ERROR if value.get("error") else named

    def _object(self, kind: _Kind, value: dict[str, Any], frame: Frame) -> Iterator[Delta]:
        match kind:
            case _Kind.TEXT | _Kind.THINKING:
                yield from self._said(kind, value, frame.data)
            case _Kind.CHUNK:
                yield from self._chunk(frame)
            case _Kind.IMAGE | _Kind.AUDIO:
                source = first(value, (*self._fields.text, *_SOURCE))
                yield from self._media(kind, source or "", first(value, (self._fields.mime,)))
            case _Kind.ERROR:
                yield from self._failed(value)
            case _Kind.USAGE:
                yield from _usage(mapping(value, "usage") or mapping(value, "content") or value)
            case _Kind.END:
                yield from self._told(value)
                yield from self._end()

    def _said(self, kind: _Kind, value: dict[str, Any], data: str) -> Iterator[Delta]:
        """An object that holds text, perhaps; and perhaps it is the last one."""
        thought = first(value, self._fields.thinking or _THINKING)
        text = first(value, self._fields.text or _TEXT)
        told = list(self._told(value))
        if text is None and thought is None and not told and self._is_text(value):
            text = data
        yield from self._say(_Kind.THINKING, thought or "")
        yield from self._say(kind, text or "")
        yield from told
        if value.get("done") is True and not self._mark:
            yield from self._end()

    def _is_text(self, value: dict[str, Any]) -> bool:
        """Whether an object that holds nothing known to us can be a piece of the answer itself."""
        known = isinstance(value.get("done"), bool) or isinstance(at(value, self._fields.kind), str)
        return not known and not self._fields.text

    def _told(self, value: dict[str, Any]) -> Iterator[Delta]:
        """What an object says beside its text."""
        yield from _usage(mapping(value, "usage"))
        if reason := first(value, _REASON):
            chunk = {"choices": [{"finish_reason": reason}]}
            yield from self._chunk(Frame(FrameKind.EVENT, json.dumps(chunk)))

    def _chunk(self, frame: Frame) -> Iterator[Delta]:
        """A chunk of Chat Completions. Where only the mark ends, its verdict waits for that."""
        for delta in self._chat.decode(frame):
            self._spoke = self._spoke or isinstance(delta, Text | Thinking | Media | Tool)
            if isinstance(delta, Verdict):
                self._over = self._over or delta.last
                self._reason = delta
                if self._mark and delta.state is not EndState.FAILED:
                    continue
            yield delta

    def _say(self, kind: _Kind, text: str) -> Iterator[Delta]:
        if not text:
            return
        self._spoke = True
        if kind is _Kind.THINKING:
            yield from self._think.close()
            yield Thinking(text)
        else:
            yield from self._think.feed(text)

    def _media(self, kind: _Kind, source: str, mime: str | None = None) -> Iterator[Delta]:
        """An image, or a piece of audio, which goes on until something else or a new file comes."""
        address = source[:5].lower() in ("data:", "http:", "https")
        piece = kind is _Kind.AUDIO and not address
        if not (piece and self._in_pieces) or source.startswith(_WAV):
            self._things += 1
        self._in_pieces = piece
        what = MediaKind.AUDIO if kind is _Kind.AUDIO else MediaKind.IMAGE
        index = f"{what}-{self._things}"
        told = (
            located(what, index, source)
            if address
            else encoded(what, index, source, mime or "", whole=not piece)
        )
        self._spoke = self._spoke or bool(told)
        yield from told

    def _end(self) -> Iterator[Delta]:
        self._over = True
        rest = self._rest()
        yield from rest
        if self._reason is not None:
            yield msgspec.structs.replace(self._reason, last=True)
        else:
            yield _COMPLETE if self._spoke or rest else _EMPTY

    def _failed(self, value: dict[str, Any] | str) -> Iterator[Delta]:
        self._over = True
        error = value.get("error") if isinstance(value, dict) else None
        text = first(value, self._fields.text or _TEXT)
        yield from self._rest()
        yield Verdict(EndState.FAILED, message_in(value) or message_in(text) or error_note(error))

    def _rest(self) -> list[Delta]:
        return [*self._chat.close(), *self._think.close()]


def at(value: Any, path: Path) -> Any:
    """What lies there in `value`, or None."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and _index(step) < len(value):
            value = value[_index(step)]
        else:
            return None
    return value


def _index(step: str) -> int:
    return int(step) if step.isdecimal() and len(step) < 10 else MAX_COUNT


def first(value: Any, paths: tuple[Path, ...]) -> str | None:
    """The first string at `paths` that is not empty; "" if all there are are; None without any."""
    found = None
    for path in paths:
        if isinstance(text := at(value, path), str):
            found = text
        if found:
            break
    return found


def _usage(holder: dict[str, Any]) -> Iterator[Usage]:
    def number(names: tuple[str, ...]) -> int | None:
        return next((n for name in names if (n := count(holder, name)) is not None), None)

    told = Usage(number(_INPUT), number(_OUTPUT), count(holder, "reasoning_tokens"))
    if told != Usage():
        yield told
