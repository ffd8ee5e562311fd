"""Blobs: the bytes of an answer's images and sounds, gathered within bounds."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from ssechat.core.deltas import Media
from ssechat.core.media import UNKNOWN, WAV, Data, Type, detail_of, kind_of

BLOB_LIMIT = 16 * 2**20
"""The most that is kept of one image or sound, in bytes."""
REPLY_LIMIT = 64 * 2**20
"""The most that is kept of an answer's images and sounds together, in bytes."""
MOST = 32
"""How many images and sounds of an answer are kept."""

TOO_LARGE = "too large"
TOO_MANY = "too many"

_PCM = frozenset({"pcm", "pcm16", "audio/pcm", "audio/pcm16", "audio/l16"})
_RATE = re.compile(r";\s*rate=([0-9]{4,6})\b")
_PCM_RATE = 24_000  # Hz


class MediaFile(NamedTuple):
    """An image or sound to be kept. `number` is its part's index."""

    number: int
    type: Type
    data: bytes


def media_file(number: int, data: bytes) -> MediaFile:
    return MediaFile(number, kind_of(data) or UNKNOWN, data)


class Blob:
    """The bytes of one image or sound, as far as they have come.

    `size` is in bytes; `whole`: it can be used, though a better one may come. `refused` says why
    nothing is kept of it. `known` is what it is, if that was read back and the bytes are not here.
    """

    __slots__ = ("_data", "_declared", "_known", "refused", "size", "whole")

    def __init__(
        self, *, refused: str = "", size: int = 0, known: tuple[Type, str] | None = None
    ) -> None:
        self.refused = refused
        self.size = size
        self.whole = known is not None
        self._data: Data = b""
        self._declared = ""
        self._known = known

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return len(self._data)

    @property
    def type(self) -> Type:
        return self._known[0] if self._known else self._look()[0]

    @property
    def detail(self) -> str:
        """What its beginning tells: "1024×768", "3.2 s" or ""."""
        return self._known[1] if self._known else self._look()[1]

    def add(self, media: Media, room: int) -> None:
        """The next piece, not empty, or a better whole; `room` is what may be held, in bytes."""
        if self.refused == TOO_MANY:
            return
        self._declared = media.mime or self._declared
        if media.whole:
            self._data, self.refused, self.whole = b"", "", True
        size = len(self._data) + len(media.data)
        if self.refused or size > min(BLOB_LIMIT, room):
            self._data, self.refused, self.whole = b"", TOO_LARGE, False
        elif not self._data:
            self._data = media.data
        else:
            self._data = bytearray(self._data) if isinstance(self._data, bytes) else self._data
            self._data += media.data
        self.size = len(self._data)

    def forget(self) -> None:
        """The bytes are kept elsewhere: let go of them."""
        self._known = self.type, self.detail
        self._data = b""

    def file(self, number: int) -> MediaFile | None:
        """What is to be kept; None if there is nothing here. Raw samples become a WAV."""
        if not self._data:
            return None
        data = bytes(self._data)
        rate = self._pcm_rate()
        return media_file(number, wav(data, rate) if rate else data)

    def _look(self) -> tuple[Type, str]:
        rate = self._pcm_rate()
        if rate:
            return WAV, f"{len(self._data) / (2 * rate):.1f} s"
        type_ = kind_of(self._data) or UNKNOWN
        return type_, detail_of(self._data, type_)

    def _pcm_rate(self) -> int:
        """Samples a second if these are raw samples, which only the server can tell; else 0."""
        name = self._declared.partition(";")[0].strip().lower()
        if name not in _PCM or kind_of(self._data) is not None:
            return 0
        told = _RATE.search(self._declared.lower())
        return int(told[1]) if told else _PCM_RATE


def wav(samples: bytes, rate: int) -> bytes:
    """Raw samples as OpenAI (`pcm16`) and Gemini (`audio/L16`) send them, 16 bits, mono,
    little-endian, in a WAV file; `rate` is in Hz."""
    size = len(samples)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
        + form
        + struct.pack("<4sI", b"data", size)
        + samples
    )
