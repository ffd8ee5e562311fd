"""Newline-delimited JSON: bytes to frames, one a line.

Source: https://github.com/ndjson/ndjson-spec. Nothing in it names an event or asks for patience, so
ids and `retry` stay what they were.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ssechat.core.errors import LinkProblem
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.sse import MAX_EVENT, too_large

_BOM = b"\xef\xbb\xbf"


class NdjsonDecoder:
    """The frames of one response body, however its bytes are cut into chunks.

    It is used as an `SseDecoder` is. Each line that is not blank is an event named `message`; a
    line ends at LF or CR LF. Work is linear in the bytes fed, and memory is a small multiple of
    `max_event` at most.
    """

    last_event_id: str
    """As it was given."""
    retry: int | None
    """Never known."""
    offset: int
    """In bytes, just after the last complete line: where the body can be continued."""

    def __init__(
        self,
        *,
        last_event_id: str = "",
        end_mark: str = "",
        max_event: int = MAX_EVENT,
        offset: int = 0,
    ) -> None:
        self.last_event_id = last_event_id
        self.retry = None
        self.offset = offset
        self._end_mark = end_mark.encode()
        self._max_event = max_event
        self._at_start = offset == 0
        self._tail = bytearray()
        self._tail_began = 0.0
        self._problem: LinkProblem | None = None

    def feed(self, chunk: bytes, wall: float = 0.0, mono: float = 0.0) -> list[Frame]:
        """All frames that `chunk` completes, in order; it arrived at `wall` and `mono`.

        A frame's `end` lies just after its line's LF. Raises LinkProblem of kind `limit` where a
        line is longer than `max_event`, but only after the frames before that were returned.
        """
        if self._problem is not None:
            raise self._problem
        frames = []
        try:
            for line, began in self._lines(chunk, mono):
                if line.strip():
                    frames.append(self._event(line, self.offset, wall, mono, began))
        except LinkProblem as problem:
            self._problem = problem
            if not frames:
                raise
        return frames

    def close(self, wall: float = 0.0, mono: float = 0.0) -> list[Frame]:
        """The body ended. The unfinished line counts only if it is the end mark or whole JSON.

        Then too, `offset` stays where the last complete line ends.
        """
        if self._problem is not None:
            raise self._problem
        end = self.offset + len(self._tail)
        line = self._without_bom(bytes(self._tail))
        self._tail.clear()
        if not _is_whole(line) and (not self._end_mark or line.strip() != self._end_mark):
            return []
        return [self._event(line, end, wall, mono, self._tail_began)]

    def _lines(self, chunk: bytes, mono: float) -> Iterator[tuple[bytes, float]]:
        """Each line that `chunk` completes, without its LF, and when its first byte came."""
        *ends, rest = chunk.split(b"\n")
        for piece in ends:
            began = self._keep(piece, mono)
            self.offset += len(self._tail) + 1
            line = bytes(self._tail)
            self._tail.clear()
            yield self._without_bom(line), began
        if rest:
            self._keep(rest, mono)

    def _keep(self, piece: bytes, mono: float) -> float:
        if len(self._tail) + len(piece) > self._max_event:
            raise too_large("a line", self._max_event)
        if not self._tail:
            self._tail_began = mono
        self._tail += piece
        return self._tail_began

    def _without_bom(self, line: bytes) -> bytes:
        if not self._at_start:
            return line
        self._at_start = False
        return line.removeprefix(_BOM)

    def _event(self, line: bytes, end: int, wall: float, mono: float, began: float) -> Frame:
        return Frame(
            FrameKind.EVENT,
            line.removesuffix(b"\r").decode("utf-8", "replace"),
            id=self.last_event_id,
            end=end,
            wall=wall,
            mono=mono,
            began=began,
        )


def _is_whole(line: bytes) -> bool:
    """Whether `line` is JSON that cannot be the beginning of other JSON, as a number could be."""
    try:
        value = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return type(value) not in (int, float)
