"""The resume machine's words: states, what can happen, and what must then be done."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ssechat.core.deltas import EndState, Verdict


class State(StrEnum):
    SUBMITTING = "submitting"
    WAITING = "waiting"
    STREAMING = "streaming"
    STALLED = "stalled"
    BACKOFF = "backoff"
    RESUMING = "resuming"
    REPLAYING = "replaying"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    EXPIRED = "expired"


ENDED = frozenset(
    {
        State.COMPLETED,
        State.INCOMPLETE,
        State.CANCELLED,
        State.INTERRUPTED,
        State.FAILED,
        State.EXPIRED,
    }
)
RECEIVING = (State.WAITING, State.STREAMING, State.STALLED)
REJOINING = (State.RESUMING, State.REPLAYING)
LIVE = (State.SUBMITTING, *RECEIVING, State.BACKOFF, *REJOINING)


class Rung(StrEnum):
    """How a stream can continue, best first."""

    EXACT = "exact"
    REPLAY = "replay"
    NONE = "none"


class Stream(msgspec.Struct, frozen=True):
    """The machine's memory of one stream.

    `rung` is what the server has shown so far. `idempotent`: the request may be sent again under
    its key. `stoppable`: the server has a way to be told to stop. `floor` is the server's `retry:`
    in seconds. `tries` counts connections since the last new frame, `since` is when the first of
    them was lost. `forked`: it is itself what a `Fork` kept.
    """

    state: State = State.SUBMITTING
    rung: Rung = Rung.NONE
    idempotent: bool = False
    stoppable: bool = False
    verdict: Verdict | None = None
    floor: float = 0.0
    tries: int = 0
    since: float | None = None
    from_start: bool = False
    forked: bool = False
    note: str = ""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


# What can happen to a stream.


class Sent(msgspec.Struct, frozen=True):
    """The request has left."""


class Unreached(msgspec.Struct, frozen=True):
    """No connection; not one byte of the request left. `futile`: trying again would not help."""

    why: str
    futile: bool = False


class Refused(msgspec.Struct, frozen=True):
    """An answer that is not a stream. `status` is None if it was refused for its content."""

    why: str
    status: int | None = None
    retry_after: float | None = None


class Opened(msgspec.Struct, frozen=True):
    """Headers of a stream came. `rung` is what they offer."""

    rung: Rung = Rung.NONE
    stoppable: bool = False


class Arrived(msgspec.Struct, frozen=True):
    """Events came and were committed: `new` ones, and `known` ones that were only compared."""

    new: int
    known: int = 0
    rung: Rung = Rung.NONE
    floor: float | None = None


class Judged(msgspec.Struct, frozen=True):
    """The dialect's terminal event came and was committed."""

    verdict: Verdict


class Quiet(msgspec.Struct, frozen=True):
    """No payload for `seconds`, though the connection lives."""

    seconds: float


class Lost(msgspec.Struct, frozen=True):
    """The connection ended, by an error, by silence, or cleanly."""

    why: str


class Differed(msgspec.Struct, frozen=True):
    """The server sends another answer than the one we hold."""


class Fired(msgspec.Struct, frozen=True):
    """The time of the last `Wait` is over."""


class Woken(msgspec.Struct, frozen=True):
    """The user, or a wake-up of the machine, asks to try at once."""


class Stopped(msgspec.Struct, frozen=True):
    """The user wants the generation to end."""


class Confirmed(msgspec.Struct, frozen=True):
    """How the server took the request to stop; `why` is "" if it agreed."""

    why: str = ""


Happening = (
    Sent
    | Unreached
    | Refused
    | Opened
    | Arrived
    | Judged
    | Quiet
    | Lost
    | Differed
    | Fired
    | Woken
    | Stopped
    | Confirmed
)

# What the owner must do.


class Connect(msgspec.Struct, frozen=True):
    """Open a connection: the request itself, or its continuation.

    `from_start` continues without a cursor; the splice compares what we hold.
    """

    resume: bool
    from_start: bool = False


class Wait(msgspec.Struct, frozen=True):
    """Say `Fired` after max(floor, a random part of `spread`) seconds; a floor is stretched by up
    to a quarter, at random, so that clients told the same do not return together."""

    floor: float
    spread: float


class Linger(msgspec.Struct, frozen=True):
    """Say `Fired` after `seconds` if nothing else has happened."""

    seconds: float


class Close(msgspec.Struct, frozen=True):
    """Drop the connection and any timer."""


class AskStop(msgspec.Struct, frozen=True):
    """Persist that we are stopping, then ask the server; say `Confirmed`."""


class Settle(msgspec.Struct, frozen=True):
    """The stream has ended: write how, with the folded reply."""

    end: EndState
    note: str = ""


class Fork(msgspec.Struct, frozen=True):
    """Ask for the answer that the server now sends, from its start, as a sibling attempt."""


Action = Connect | Wait | Linger | Close | AskStop | Settle | Fork
