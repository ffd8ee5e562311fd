"""Names of streams and events: `st_…` and `<stream>.<epoch>-<seq>`, opaque to clients."""

from __future__ import annotations

import re

from ssechat.core.errors import Problem

_EVENT = re.compile(r"(st_[a-z2-7]{26})\.([0-9]{1,9})-([0-9]{1,12})")
STREAM = re.compile(r"st_[a-z2-7]{26}")


class BadCursor(Problem):
    """What was sent is no id of this stream's events."""


def event_id(stream_id: str, epoch: int, seq: int) -> str:
    """The name of an epoch's event number `seq`, counted from 1."""
    return f"{stream_id}.{epoch}-{seq}"


def place_of(cursor: str, stream_id: str) -> tuple[int, int] | None:
    """The epoch, and the number in it, of the event that the cursor names; None for "" and "0",
    which are before the first one. Raises BadCursor."""
    if cursor in ("", "0"):
        return None
    match = _EVENT.fullmatch(cursor)
    if match is None:
        raise BadCursor("this is no event id of the relay's")
    if match[1] != stream_id or int(match[3]) == 0:
        raise BadCursor("this event id belongs to another stream")
    return int(match[2]), int(match[3])
