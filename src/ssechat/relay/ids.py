"""Names of streams and events: `st_…` and `<stream>.<epoch>-<seq>`, opaque to clients."""

from __future__ import annotations

import re

from ssechat.core.errors import Problem

EPOCH = 1
"""With one journal that loses nothing, a stream has one writer after another, but one count."""
_EVENT = re.compile(r"(st_[a-z2-7]{26})\.([0-9]{1,9})-([0-9]{1,12})")
STREAM = re.compile(r"st_[a-z2-7]{26}")


class BadCursor(Problem):
    """What was sent is no id of this stream's events."""


def event_id(stream_id: str, number: int) -> str:
    return f"{stream_id}.{EPOCH}-{number}"


def number_of(cursor: str, stream_id: str) -> int:
    """How many events of the stream the cursor lies behind; "" and "0" are before the first one.
    Raises BadCursor."""
    if cursor in ("", "0"):
        return 0
    match = _EVENT.fullmatch(cursor)
    if match is None:
        raise BadCursor("this is no event id of the relay's")
    if match[1] != stream_id or int(match[3]) == 0:
        raise BadCursor("this event id belongs to another stream")
    return int(match[3]) if int(match[2]) == EPOCH else int(match[3]) + 10**12
