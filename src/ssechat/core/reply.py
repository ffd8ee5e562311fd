"""A reply: the fold of a stream's deltas, in the order in which a reader sees them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from ssechat.core.blob import MOST, REPLY_LIMIT, TOO_MANY, Blob, MediaFile
from ssechat.core.conversation import Thought
from ssechat.core.deltas import (
    About,
    Citation,
    Delta,
    Media,
    Seal,
    Text,
    Thinking,
    Tool,
    Usage,
    Verdict,
)
from ssechat.core.media import TYPES, UNKNOWN
from ssechat.core.sources import Sources

_MAX_INDEX = 200  # characters
_MAX_URL = 4096


class PartKind(StrEnum):
    THINKING = "thinking"
    TEXT = "text"
    TOOL = "tool"
    IMAGE = "image"
    AUDIO = "audio"
    SOURCES = "sources"


BESIDE = frozenset({PartKind.AUDIO, PartKind.SOURCES})
"""What stands beside the text: it comes at the same time and does not interrupt it."""


class Seam(msgspec.Struct):
    """Where a connection was lost, as an offset into the part's text, in characters.

    `after` is how long the stream was away, in seconds; None while it still is. `checked` is the
    number of known events that the server sent again and that proved equal. `how` it went on: "" on
    the stream itself, else a word of `Mended`.
    """

    offset: int
    wall: float
    why: str = ""
    after: float | None = None
    checked: int = 0
    missing: str = ""
    how: str = ""


class Mended(StrEnum):
    """How an answer went on, other than on its stream."""

    FETCHED = "fetched"
    """The rest comes from the server's final object."""
    RESTATED = "restated"
    """The text was put right from the server's final object."""
    CONTINUED = "continued"
    """A new request goes on from here; `why` says by which form."""


class Part:
    """A run of thinking, answer text, one tool call, an image, a sound, or the list of sources.
    `pieces` only ever grows.

    Times are on the stream's monotonic clock; `ended` is None while the part may still grow. That
    is the last part, the tool calls just before it, whose fragments may come interleaved, and what
    stands beside the text. `index` tells tool calls apart, and numbers images and sounds from 1;
    it is -1 for other parts. An image or sound has `media`; its text is where it lies, if it was
    not sent.
    """

    __slots__ = ("began", "chars", "ended", "index", "kind", "media", "name", "pieces", "seams")

    def __init__(self, kind: PartKind, began: float, *, index: int = -1, name: str = "") -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.chars = 0
        self.began = began
        self.ended: float | None = None
        self.seams: list[Seam] = []
        self.index = index
        self.name = name
        self.media: Blob | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def arrived(self) -> bool:
        """Whether this is an image or sound that was kept and can be used."""
        blob = self.media
        return blob is not None and blob.size > 0 and (blob.whole or self.ended is not None)

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
        self._sealed: Part | None = None
        self._lost: Seam | None = None
        self._early: list[Seam] = []
        self._growing: dict[tuple[PartKind, int], Part] = {}
        self._beside: list[Part] = []
        self._things: dict[tuple[str, str], Part] = {}
        self._sources = Sources()
        self._listed: Part | None = None  # the part that lists the sources

    @property
    def answer(self) -> str:
        """The answer's text, without thinking and tool calls."""
        return "".join(part.text for part in self.parts if part.kind is PartKind.TEXT)

    @property
    def chars(self) -> int:
        """How much has been said, in characters of any kind."""
        return sum(part.chars for part in self.parts)

    @property
    def thinking(self) -> str:
        return "\n\n".join(part.text for part in self.parts if part.kind is PartKind.THINKING)

    @property
    def last(self) -> Part | None:
        """The last part of what is read in order, so nothing that stands beside it."""
        return next((part for part in reversed(self.parts) if part.kind not in BESIDE), None)

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
            case Media() if delta.data or delta.url:
                self._media(delta, mono)
            case Citation():
                self._cite(delta, mono)
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
        part = self._latest
        if self._lost is None and part is not None:
            self._lost = Seam(part.chars, wall, why)
            part.seams.append(self._lost)
            self.rev += 1

    def resumed(self, after: float, checked: int, how: str = "") -> None:
        if self._lost is not None:
            self._lost.after, self._lost.checked, self._lost.how = after, checked, how
            self._lost = None
            self.rev += 1

    def gap(self, wall: float, missing: str) -> None:
        """Some events could not be had at all; those before the first part are told of in it."""
        part = self._latest
        seam = Seam(part.chars if part else 0, wall, after=0.0, missing=missing)
        (part.seams if part else self._early).append(seam)
        self.rev += 1

    def begin_with(self, text: str, wall: float, mono: float, how: str) -> None:
        """The answer goes on from `text`, by a new request of the form `how`."""
        part = self._part(PartKind.TEXT, mono)
        part.add(text)
        part.seams.append(Seam(part.chars, wall, how, 0.0, how=Mended.CONTINUED))
        self.rev += 1

    def begin_otherwise(self, how: str) -> None:
        """It goes on in the form `how` after all; nothing but its beginning has come."""
        self.parts[0].seams[0].why = how
        self.rev += 1

    def restate(self, text: str, wall: float, mono: float) -> None:
        """The answer's text is `text`, whatever came: one part takes the place of all."""
        self.end(mono)
        at = next((n for n, p in enumerate(self.parts) if p.kind is PartKind.TEXT), None)
        part = Part(PartKind.TEXT, mono)
        part.add(text)
        part.ended = mono
        part.seams.append(Seam(0, wall, after=0.0, how=Mended.RESTATED))
        kept = [p for p in self.parts if p.kind is not PartKind.TEXT]
        kept.insert(len(kept) if at is None else min(at, len(kept)), part)
        self.parts = kept
        self._unsealed = 0
        self.rev += 1

    def end(self, mono: float) -> None:
        """Nothing will be added."""
        if self._early:
            self._part(PartKind.TEXT, mono)
        self._turn(mono)
        for part in self._beside:
            part.ended = mono
            self.rev += 1
        self._beside.clear()

    def part_of(self, media: Media) -> Part | None:
        """The part that this delta went into, if it had any of its own."""
        return self._things.get((str(media.kind), media.index[:_MAX_INDEX]))

    def media(self) -> list[MediaFile]:
        """The images and sounds that are here, as they are to be kept beside `store`'s parts."""
        files = (part.media.file(part.index) for part in self._things.values() if part.media)
        return [file for file in files if file is not None]

    def forget_media(self) -> None:
        """They are kept elsewhere: let go of their bytes."""
        for part in self._things.values():
            if part.media is not None:
                part.media.forget()

    def store(self) -> list[dict[str, Any]]:
        """The parts as plain values, for a projection; `restore` reads them back."""
        return [_stored(part) for part in self.parts]

    @property
    def _latest(self) -> Part | None:
        return self.last or (self.parts[-1] if self.parts else None)

    def _part(self, kind: PartKind, mono: float, index: int = -1) -> Part:
        key = kind, index
        if key in self._growing:
            return self._growing[key]
        last = self.last
        if last is None or not last.kind is kind is PartKind.TOOL:
            self._turn(mono)
        if last is not None and (last.kind, last.index) == key and last is not self._sealed:
            last.ended = None
        else:
            last = self._new(kind, mono, index)
        self._growing[key] = last
        return last

    def _new(self, kind: PartKind, mono: float, index: int = -1) -> Part:
        part = Part(kind, mono, index=index)
        part.seams, self._early = self._early, []
        self.parts.append(part)
        if kind in BESIDE:
            self._beside.append(part)
        return part

    def _turn(self, mono: float) -> None:
        """Something else begins in what is read in order."""
        for part in self._growing.values():
            part.ended = mono
            self.rev += 1
        self._growing.clear()

    def _media(self, media: Media, mono: float) -> None:
        part = self._thing(media, mono)
        if media.url and not part.chars:
            part.add(media.url[:_MAX_URL])
        if media.data and part.media is not None:
            blobs = (other.media for other in self._things.values() if other is not part)
            part.media.add(media, REPLY_LIMIT - sum(blob.held for blob in blobs if blob))

    def _thing(self, media: Media, mono: float) -> Part:
        """The part of one image or sound; those beyond `MOST` share one, of which nothing is
        kept."""
        key = str(media.kind), media.index[:_MAX_INDEX]
        few = key in self._things or len(self._things) < MOST
        key = key if few else (TOO_MANY, "")
        if key not in self._things:
            kind, number = PartKind(media.kind), len(self._things) + 1
            aside = kind in BESIDE
            part = self._new(kind, mono, number) if aside else self._part(kind, mono, number)
            part.media = Blob(refused="" if few else TOO_MANY)
            self._things[key] = part
        return self._things[key]

    def _cite(self, cited: Citation, mono: float) -> None:
        line = self._sources.line(cited)
        if not line:
            return
        if self._listed is None:
            self._listed = self._new(PartKind.SOURCES, mono)
        self._listed.add(f"\n{line}" if self._listed.chars else line)

    def _seal(self, signature: str, redacted: str, mono: float) -> None:
        if redacted:
            self.thoughts.append(Thought(redacted=redacted))
        if not signature:
            return
        unsealed = self.parts[self._unsealed :]
        text = "".join(part.text for part in unsealed if part.kind is PartKind.THINKING)
        self.thoughts.append(Thought(text=text, signature=signature))
        self._unsealed = len(self.parts)
        last = self.last
        if last is not None and last.kind is PartKind.THINKING:
            self._sealed = last
            self._turn(mono)


def _later(old: Usage, new: Usage) -> Usage:
    return Usage(
        old.input if new.input is None else new.input,
        old.output if new.output is None else new.output,
        old.reasoning if new.reasoning is None else new.reasoning,
    )


class _StoredMedia(msgspec.Struct):
    """`mime` is by the content; the bytes lie in the journal under the part's `index`."""

    mime: str
    size: int = 0
    detail: str = ""
    refused: str = ""


class _Stored(msgspec.Struct):
    kind: PartKind
    text: str
    index: int = -1
    name: str = ""
    seconds: float = 0.0
    seams: list[Seam] = []
    media: _StoredMedia | None = None


def _stored(part: Part) -> dict[str, Any]:
    stored: dict[str, Any] = {
        "kind": str(part.kind),
        "text": part.text,
        "index": part.index,
        "name": part.name,
        "seconds": round((part.ended or part.began) - part.began, 3),
        "seams": [msgspec.to_builtins(seam) for seam in part.seams],
    }
    if (blob := part.media) is not None:
        kept = _StoredMedia(blob.type.mime, blob.size, blob.detail, blob.refused)
        stored["media"] = msgspec.to_builtins(kept)
    return stored


def _blob(kept: _StoredMedia) -> Blob:
    known = TYPES.get(kept.mime, UNKNOWN), kept.detail
    return Blob(refused=kept.refused, size=kept.size, known=known)


def restore(parts: object, verdict: Verdict | None = None) -> Reply:
    """The reply that `store` wrote. ValueError if it is not one."""
    reply = Reply()
    reply.verdict = verdict
    for stored in msgspec.convert(parts, list[_Stored]):
        part = Part(stored.kind, 0.0, index=stored.index, name=stored.name)
        part.add(stored.text)
        part.ended = stored.seconds
        part.seams = stored.seams
        part.media = _blob(stored.media) if stored.media is not None else None
        reply.parts.append(part)
    reply.rev = 1
    return reply
