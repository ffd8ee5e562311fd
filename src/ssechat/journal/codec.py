"""Several frames as one value, as the relay's journals keep what was committed together."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ssechat.core.frames import Frame
from ssechat.journal.rows import storable, unreadable

_TEXTS = ("data", "event", "id")


class _Row(Frame, frozen=True, array_like=True, gc=False):
    """A frame without its fields' names, which would take as much room as a token does."""


_DECODER = msgspec.msgpack.Decoder(list[_Row])


def encoded(frames: Sequence[Frame]) -> bytes:
    """MessagePack: a list of the frames' fields, in order. What is no text (lone surrogates)
    becomes U+FFFD."""
    try:
        return msgspec.msgpack.encode([msgspec.structs.astuple(frame) for frame in frames])
    except UnicodeEncodeError:
        return encoded([_scrubbed(frame) for frame in frames])


def _scrubbed(frame: Frame) -> Frame:
    texts = {name: storable(getattr(frame, name)) for name in _TEXTS}
    return msgspec.structs.replace(frame, **texts)


def decoded(value: bytes) -> list[Frame]:
    """Raises Damaged."""
    try:
        return [Frame(*msgspec.structs.astuple(row)) for row in _DECODER.decode(value)]
    except msgspec.MsgspecError as error:
        raise unreadable(error) from None
