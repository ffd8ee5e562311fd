"""What most dialects have in common: an API that streams events, and keeps nothing."""

from __future__ import annotations

from enum import StrEnum

from ssechat.core.frames import Frame


class Framing(StrEnum):
    """How a body is cut into frames."""

    SSE = "sse"
    NDJSON = "ndjson"
    """One JSON value a line (`application/x-ndjson`): each is an event."""


CUT_NOTE = ""
ENDS_AT_EOF = False
FRAMING = Framing.SSE
SCHEME = ""


def event_id(frame: Frame) -> str:
    """Only the `id:` lines name events."""
    return ""
