"""The frames of a stream as entries of a Redis stream, `<epoch>-<number of the last frame>`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from ssechat.core.fold import mark
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.journal.codec import decoded, encoded

Entry = tuple[bytes, dict[bytes, bytes]]
"""As redis-py reads it: the id, and the fields."""

_FRAMES = 64  # in an entry
_BYTES = 64 * 2**10  # of data in an entry, unless one frame has more
_TAIL_TIME = 10.0  # s
_TAIL_BYTES = 512 * 2**10
_FRAME_SIZE = 250  # bytes, about, of a frame beside its data


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in the log: the epoch, and the number of the frame before it."""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


def entries(frames: Sequence[Frame], epoch: int, first: int) -> Iterator[bytes]:
    """Ids and values of the entries that hold these frames, the first of which has this number."""
    start = size = 0
    for at, frame in enumerate(frames, 1):
        size += len(frame.data)
        if at == len(frames) or at - start >= _FRAMES or size >= _BYTES:
            yield f"{epoch}-{first + at - 1}".encode()
            yield encoded(frames[start:at])
            start, size = at, 0


def taken() -> bytes:
    """The value of the entry with which a new owner begins its epoch."""
    now = time.time()
    return encoded([mark(MarkName.EPOCH, now, time.monotonic())])


def read(entry: Entry) -> tuple[Position, list[Frame]]:
    """The place behind the entry, and its frames. Raises Damaged."""
    epoch, _, seq = entry[0].partition(b"-")
    value = entry[1].get(b"f", b"")
    frames = decoded(value) if value else []
    return Position(int(epoch), int(seq)), [_told(frame, int(epoch)) for frame in frames]


def _told(frame: Frame, epoch: int) -> Frame:
    """The first frame of an epoch was written before its writer knew which one it would be."""
    if frame.kind is FrameKind.MARK and frame.event == MarkName.EPOCH:
        return msgspec.structs.replace(frame, data=f'{{"epoch": {epoch}}}')
    return frame


class Tail:
    """The last frames that were written, should Redis come back without them: it syncs its log to
    the disk each second (`appendfsync everysec`)."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, Frame, float]] = deque()
        self._size = 0

    def add(self, first: int, frames: Sequence[Frame]) -> None:
        """These were written, numbered from `first`."""
        now, held = time.monotonic(), self._frames
        while held and held[-1][0] >= first:  # written again
            self._size -= len(held.pop()[1].data) + _FRAME_SIZE
        if held and held[-1][0] < first - 1:
            held.clear()
            self._size = 0
        for number, frame in enumerate(frames, first):
            self._frames.append((number, frame, now))
            self._size += len(frame.data) + _FRAME_SIZE
        while held and (now - held[0][2] > _TAIL_TIME or self._size > _TAIL_BYTES):
            self._size -= len(held.popleft()[1].data) + _FRAME_SIZE

    def since(self, after: int) -> list[Frame] | None:
        """What was written behind number `after`; None if not all of it is held."""
        if not self._frames or self._frames[0][0] > after + 1:
            return None
        return [frame for number, frame, _ in self._frames if number > after]
