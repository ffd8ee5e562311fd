"""A stream: its clock, its ids, its state. The clock runs on by itself, whoever reads."""

from __future__ import annotations

import base64
import re
import secrets
from bisect import bisect_right
from typing import Annotated

import msgspec

from ssechat.core.deltas import EndState
from ssechat.demo.faults import Pause
from ssechat.demo.request import Dialect

KEPT = 3600.0
"""How long an ended stream is kept, in seconds."""
_EPOCH = 1
_ID = re.compile(r"st_[a-z2-7]{32}")
_CURSOR = re.compile(r"(st_[a-z2-7]{32})\.([1-9][0-9]{0,8})-([1-9][0-9]{0,8})", re.ASCII)


class BadCursor(Exception):
    """Not an event id, or not one of this stream."""


class AheadCursor(Exception):
    """An id newer than anything this stream will ever send."""


class Stream(msgspec.Struct):
    """One answer as it is kept on disk. Times are seconds since the epoch.

    `total` is the number of its events, `natural` the state in which they end; `key` and `digest`
    are the idempotency key ("" for none) and the hash of the request. `stopped` is the number of
    events that were due when it was stopped at `stopped_at`.
    """

    id: str
    dialect: Dialect
    model: str
    key: str
    digest: str
    began: float
    rate: Annotated[float, msgspec.Meta(gt=0)]
    slow: float
    stalls: tuple[Pause, ...]
    total: int
    natural: EndState
    fingerprint: str
    plain: bool = False
    fired: list[str] = []
    stopped: int | None = None
    stopped_at: float = 0.0

    def due(self, number: int) -> float:
        """When event `number`, from 1, is to be sent."""
        stalled = sum(stall.seconds for stall in self.stalls if stall.after < number)
        return self.began + self.slow + number / self.rate + stalled

    def due_by(self, now: float) -> int:
        """How many events are due."""
        return bisect_right(range(1, self.last + 1), now, key=self.due)

    @property
    def last(self) -> int:
        """The number of the last event that there will be."""
        return self.total if self.stopped is None else self.stopped

    @property
    def ends(self) -> float:
        return self.due(self.total) if self.stopped is None else self.stopped_at

    def state(self, now: float) -> str:
        """`live`, or how it ended."""
        if self.stopped is not None:
            return EndState.STOPPED
        return self.natural if now >= self.ends else "live"

    def stalls_after(self, number: int) -> bool:
        return any(stall.after == number for stall in self.stalls)

    def event_id(self, number: int) -> str:
        return f"{self.id}.{_EPOCH}-{number}"

    def number(self, cursor: str) -> int:
        """The event that a cursor names; 0 for none. Raises BadCursor or AheadCursor."""
        if not cursor:
            return 0
        match = _CURSOR.fullmatch(cursor)
        if match is None:
            raise BadCursor("the cursor is not an event id of this server")
        if match[1] != self.id:
            raise BadCursor("the cursor belongs to another stream")
        if int(match[2]) != _EPOCH or int(match[3]) > self.last:
            raise AheadCursor
        return int(match[3])


def new_id() -> str:
    """160 random bits: whoever does not know a stream's id cannot guess it."""
    return "st_" + base64.b32encode(secrets.token_bytes(20)).decode().lower()


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None
