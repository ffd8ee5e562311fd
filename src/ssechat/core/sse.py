"""Server-sent events: bytes to frames and back.

The rules are those of "Interpreting an event stream" in the HTML standard,
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation,
with bounds of our own on what a server can make us hold. Two things that the rules ignore become
events named `error`: a field `error` that holds an object, in a block without data (llama.cpp),
and an error object that stands between the lines (Gemini).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ssechat.core._stray import Stray
from ssechat.core.errors import LinkProblem
from ssechat.core.frames import Frame, FrameKind

MAX_EVENT = 16 * 2**20
"""Bytes that one line, or the data lines of one event together, may have."""
MAX_NAME = 8 * 2**10
"""Bytes that an `id` or `event` line may have: an id must fit into a request header."""
MAX_RETRY = 2**31 - 1
"""Milliseconds; a longer `retry` means this."""

_BOM = b"\xef\xbb\xbf"
_EOL = re.compile("\r\n|\r|\n")
_UNSENDABLE = {ord(char): None for char in "\0\r\n"}


class SseDecoder:
    """The frames of one response body, however its bytes are cut into chunks.

    `last_event_id` is in force until a block changes it. `end_mark` is data that counts even where
    the body ends before its blank line. `offset` is where in the whole body the first chunk
    starts; only at 0 can there be a byte order mark. Work is linear in the bytes fed, and memory
    is a small multiple of `max_event` at most.
    """

    last_event_id: str
    """What to send on a reconnect. It changes at a blank line, never within a block."""
    retry: int | None
    """The reconnection time in milliseconds, from the newest valid `retry` line."""
    offset: int
    """In bytes, just after the last complete blank line: where the body can be continued."""

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
        self._fed = offset
        self._at_start = offset == 0
        self._after_cr = False
        self._tail = bytearray()
        self._tail_began = 0.0
        self._block = _Block()
        self._wall = self._mono = 0.0
        self._problem: LinkProblem | None = None

    def feed(self, chunk: bytes, wall: float = 0.0, mono: float = 0.0) -> list[Frame]:
        """All frames that `chunk` completes, in order; it arrived at `wall` and `mono`.

        A frame's `end` lies just after the first byte of its last line ending, so it is the same
        whether the LF of a CRLF has come or not. An event's `began` is when the first byte of its
        first field came; comments before it do not count. Raises LinkProblem of kind `limit` where
        a bound is passed, but only after the frames before that were returned.
        """
        if self._problem is not None:
            raise self._problem
        self._wall, self._mono = wall, mono
        frames = []
        try:
            for line, end, began in self._lines(chunk):
                frame = self._line(line, end, began)
                if frame is not None:
                    frames.append(frame)
        except LinkProblem as problem:
            self._problem = problem
            if not frames:
                raise
        return frames

    def close(self, wall: float = 0.0, mono: float = 0.0) -> list[Frame]:
        """The body ended. The unfinished block is dropped, unless its data is the end mark, or its
        last line completes an error between the lines.

        An end mark without its blank line moves neither the id nor `offset`.
        """
        if self._problem is not None:
            raise self._problem
        self._wall, self._mono = wall, mono
        block = self._block
        line = self._without_bom(bytes(self._tail))
        self._tail.clear()
        name, value = _field(line)
        error = None
        if name == b"data":
            block.add(value, self._tail_began)
        else:
            error = self._unknown(line, self._fed, self._tail_began)
        self._block = _Block()
        if error is not None:
            return [error]
        if not self._end_mark or block.data is None or block.data != self._end_mark:
            return []
        return [self._event(block, self._fed, own_id=False)]

    def _lines(self, chunk: bytes) -> Iterator[tuple[bytes, int, float]]:
        """Each line that `chunk` completes, where it ends, and when its first byte came."""
        if not chunk:
            return
        at = self._fed
        self._fed += len(chunk)
        pieces = chunk.splitlines(keepends=True)  # of bytes: at LF, CRLF and CR only
        if self._after_cr and pieces[0] == b"\n":
            del pieces[0]
            self._line_feed(at)
            at += 1
        self._after_cr = chunk.endswith(b"\r")
        rest = b"" if chunk.endswith((b"\r", b"\n")) else pieces.pop()
        for piece in pieces:
            line = piece.rstrip(b"\r\n")
            end = at + len(line) + 1
            at += len(piece)
            yield self._whole(line, end)
            if at > end:
                self._line_feed(end)
        if rest:
            self._keep(rest)

    def _line_feed(self, at: int) -> None:
        """The LF of a CRLF lies at `at`; it may belong to the last blank line."""
        if at == self.offset:
            self.offset += 1

    def _whole(self, line: bytes, end: int) -> tuple[bytes, int, float]:
        began = self._mono
        if self._tail:
            self._tail += line
            line, began = bytes(self._tail), self._tail_began
            self._tail.clear()
        self._check(len(line))
        return self._without_bom(line), end, began

    def _keep(self, rest: bytes) -> None:
        self._check(len(self._tail) + len(rest))
        if not self._tail:
            self._tail_began = self._mono
        self._tail += rest

    def _check(self, line: int) -> None:
        if line and self._block.size + line > self._max_event:
            raise too_large("an event", self._max_event)

    def _without_bom(self, line: bytes) -> bytes:
        if not self._at_start:
            return line
        self._at_start = False
        return line.removeprefix(_BOM)

    def _line(self, line: bytes, end: int, began: float) -> Frame | None:
        if not line:
            return self._blank_line(end)
        if line.startswith(b":"):
            return self._comment(line[1:].removeprefix(b" "), end, began)
        block = self._block
        name, value = _field(line)
        if name == b"data":
            block.add(value, began)
            block.size += len(line) + 1
            return None
        block.start(began)
        if name in (b"id", b"event") and len(line) > MAX_NAME:
            raise too_large(f"an {name.decode()}", MAX_NAME)
        if name == b"event":
            block.event = _text(value)
        elif name == b"id" and b"\0" not in value:
            block.id = _text(value)
        elif name == b"retry" and value.isdigit():
            self.retry = block.retry = _milliseconds(value)
        elif name == b"error" and value.startswith(b"{"):
            block.error = value
        else:
            return self._unknown(line, end, began)
        return None

    def _unknown(self, line: bytes, end: int, began: float) -> Frame | None:
        """A line that the rules ignore: an event all the same where it completes an error."""
        if self._block.stray is None:
            self._block.stray = Stray()
        text = self._block.stray.take(line)
        if not text:
            return None
        error = _Block()
        error.add(text.encode(), began)
        error.event = "error"
        return self._event(error, end, own_id=False)

    def _blank_line(self, end: int) -> Frame | None:
        self.offset = end
        block, self._block = self._block, _Block()
        own_id = block.id is not None
        if block.id is not None:
            self.last_event_id = block.id
        if block.data is None and block.error is not None:
            block.data, block.event = bytearray(block.error), "error"
        if block.data is not None:
            return self._event(block, end, own_id)
        if own_id or block.retry is not None:
            return self._cursor(block, end, own_id)
        return None

    def _event(self, block: _Block, end: int, own_id: bool) -> Frame:
        return Frame(
            FrameKind.EVENT,
            _text(block.data or b""),
            block.event or "message",
            self.last_event_id,
            own_id,
            block.retry,
            end,
            self._wall,
            self._mono,
            block.began or 0.0,
        )

    def _cursor(self, block: _Block, end: int, own_id: bool) -> Frame:
        return Frame(
            FrameKind.CURSOR,
            id=self.last_event_id,
            own_id=own_id,
            retry=block.retry,
            end=end,
            wall=self._wall,
            mono=self._mono,
            began=block.began or 0.0,
        )

    def _comment(self, text: bytes, end: int, began: float) -> Frame:
        return Frame(
            FrameKind.COMMENT,
            _text(text),
            id=self.last_event_id,
            end=end,
            wall=self._wall,
            mono=self._mono,
            began=began,
        )


class _Block:
    """What has come of an event since the last blank line. `size` is that of its data lines."""

    __slots__ = ("began", "data", "error", "event", "id", "retry", "size", "stray")

    def __init__(self) -> None:
        self.began: float | None = None
        self.data: bytearray | None = None
        self.event = ""
        self.id: str | None = None
        self.retry: int | None = None
        self.error: bytes | None = None
        self.stray: Stray | None = None
        self.size = 0

    def start(self, began: float) -> None:
        if self.began is None:
            self.began = began

    def add(self, value: bytes, began: float) -> None:
        self.start(began)
        if self.data is None:
            self.data = bytearray(value)
        else:
            self.data += b"\n"
            self.data += value


def encode(frame: Frame) -> bytes:
    """The frame as it goes over the wire, in UTF-8; nothing for a mark.

    CR LF and CR in `data` come out as LF, for no data line can hold one; line breaks and NUL are
    left out of `id` and `event`. A comment has no blank line after it.
    """
    id = frame.id.translate(_UNSENDABLE) if frame.own_id else None
    return encode_as(frame, id, frame.retry)


def encode_as(frame: Frame, id: str | None, retry: int | None) -> bytes:
    """The same under another id, which has to be fit to be sent, and with another `retry`."""
    match frame.kind:
        case FrameKind.EVENT:
            text = f"{_head(frame, id, retry)}{_lines_of('data', frame.data)}\n"
        case FrameKind.CURSOR:
            text = f"{_head(frame, id, retry)}\n"
        case FrameKind.COMMENT:
            text = _lines_of("", frame.data)
        case FrameKind.MARK:
            text = ""
    return text.encode("utf-8", "replace")


def _head(frame: Frame, id: str | None, retry: int | None) -> str:
    head = "" if id is None else _field_line("id", id)
    if frame.event != "message":
        head += _field_line("event", frame.event.translate(_UNSENDABLE))
    return head if retry is None else f"{head}retry: {retry}\n"


def _lines_of(name: str, text: str) -> str:
    if "\n" in text or "\r" in text:
        return "".join(_field_line(name, line) for line in _EOL.split(text))
    return _field_line(name, text)


def _field_line(name: str, value: str) -> str:
    return f"{name}: {value}\n" if value else f"{name}:\n"


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")


def _text(value: bytes | bytearray) -> str:
    return value.decode("utf-8", "replace")


def _milliseconds(digits: bytes) -> int:
    # Cut first: int() refuses more than 4300 digits.
    return min(int(digits.lstrip(b"0")[:11] or b"0"), MAX_RETRY)


def too_large(what: str, limit: int) -> LinkProblem:
    """A bound on `what`, in bytes, that a server passed."""
    size = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit} bytes"
    return LinkProblem(
        f"the server sent {what} of more than {size}",
        kind="limit",
        detail="reading stopped there, so that it cannot fill the memory",
        remedy="check that base_url is that of a chat API; the text up to here is kept",
    )
