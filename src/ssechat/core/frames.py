"""A frame: one thing that came over a stream."""

from __future__ import annotations

from enum import StrEnum

import msgspec

KEEPALIVES = frozenset({"ping", "heartbeat", "keepalive", "keep-alive"})
"""Names of events that are signs of life and nothing else; Anthropic's are called `ping`."""


class FrameKind(StrEnum):
    EVENT = "event"
    """A dispatched server-sent event, or a line of NDJSON."""
    COMMENT = "comment"
    """A comment line: no meaning, but a sign of life."""
    CURSOR = "cursor"
    """A block without data that moved the id or set `retry`: it paints nothing."""
    MARK = "mark"
    """Our own note between frames; `event` holds one of `MarkName`, `data` a JSON object."""


class MarkName(StrEnum):
    """What we note in the journal about a stream's connections."""

    SENT = "sent"
    """The request left; `mono` is the zero of TTFB."""
    LOST = "lost"
    """The connection ended early. `{"why": str}`"""
    RESUMED = "resumed"
    """The stream goes on. `{"checked": known events verified}`"""
    GAP = "gap"
    """Ordered ids skip some events that could not be fetched. `{"from": id, "to": id}`"""
    FETCHED = "fetched"
    """The server's final object, asked for where the stream could not go on. `{"body": str}`"""
    EOF = "eof"
    """The body ended cleanly, at a server whose user says that this completes an answer."""
    FORKED = "forked"
    """This is the other answer that a server sent when it was asked to go on with one."""
    CONTINUED = "continued"
    """This answer goes on from another one's text. `{"text": str, "trim": bool, "how": str,
    "echoes": bool}`; once more if that form is refused and another one is asked for."""
    EPOCH = "epoch"
    """Another relay has taken the stream over, and numbers its events anew. `{"epoch": int}`"""
    ENDED = "ended"
    """Nothing will follow, which a relay's readers are told. `{"state": str, "note": str}`"""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event, comment or mark, as it is journalled.

    `id` is the last event id in force when the event was dispatched ("" if none); `own_id` says
    that the event's own block carried the `id:` line, or that its API or its place in the body
    names it. `retry` is in milliseconds. `end` is the offset in the response body,
    in bytes, just after the frame. `wall` is seconds since the epoch, `mono` seconds on the
    monotonic clock, both of arrival; `began` is when its block's first byte arrived, on `mono`.
    """

    kind: FrameKind
    data: str = ""
    event: str = "message"
    id: str = ""
    own_id: bool = False
    retry: int | None = None
    end: int = 0
    wall: float = 0.0
    mono: float = 0.0
    began: float = 0.0


def is_payload(frame: Frame) -> bool:
    """Whether the frame says more than that the connection lives."""
    return frame.kind is FrameKind.EVENT and frame.event not in KEEPALIVES
