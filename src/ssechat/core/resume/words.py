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
    POLLING = "polling"
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
LIVE = (State.SUBMITTING, *RECEIVING, State.BACKOFF, *REJOINING, State.POLLING)


class Rung(StrEnum):
    """How a stream can continue, best first. The first three happen by themselves."""

    EXACT = "exact"
    """From the cursor on."""
    REPLAY = "replay"
    """From the start; what is known is compared and dropped."""
    FETCH = "fetch"
    """The final object can be asked for."""
    CONTINUE = "continue"
    """By a new request that goes on from the partial; only the user may ask for that."""
    NONE = "none"


STREAMS = frozenset({Rung.EXACT, Rung.REPLAY})
"""Rungs on which the stream itself goes on."""
KEPT = STREAMS | {Rung.FETCH}
"""Rungs on which the server goes on without us."""


class Stream(msgspec.Struct, frozen=True):
    """The machine's memory of one stream.

    `rung` is what the server has shown so far. `idempotent`: the request may be sent again under
    its key. `stoppable`: the server has a way to be told to stop; `fetchable`: its final object
    can be asked for; `promised`: an answer that goes on without us was asked for, but the server
    has not said yet where it is. `fallback`: a humbler request is left to be tried; `fell_back`:
    it is the one in use. `floor` is the server's `retry:` in seconds. `tries` counts connections
    since the last new frame, `since` is when the first of them was lost. `asked`: the pause under
    way is one that the server asked for. `lapsed`: the stream could go on once, and cannot any
    more; `polls` counts how often the final object was not finished. `forked`: it is itself what a
    `Fork` kept. `unanswered`: a request has left and its answer was lost, so that it may have begun
    one. `begun`: something of the answer came. `unsure`: text came after a verdict, so that the
    server's verdicts say nothing of the end. `sought`: what may follow the verdict was asked for.
    """

    state: State = State.SUBMITTING
    rung: Rung = Rung.NONE
    idempotent: bool = False
    stoppable: bool = False
    fetchable: bool = False
    promised: bool = False
    fallback: bool = False
    fell_back: bool = False
    verdict: Verdict | None = None
    floor: float = 0.0
    tries: int = 0
    polls: int = 0
    lapsed: bool = False
    asked: bool = False
    since: float | None = None
    from_start: bool = False
    forked: bool = False
    unanswered: bool = False
    begun: bool = False
    unsure: bool = False
    sought: bool = False
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
    """An answer that is not a stream. `status` is None if it was refused for its content, or if it
    broke a bound of ours in mid-stream."""

    why: str
    status: int | None = None
    retry_after: float | None = None


class Opened(msgspec.Struct, frozen=True):
    """Headers of a stream came. `rung` is what they offer."""

    rung: Rung = Rung.NONE
    stoppable: bool = False
    fetchable: bool = False


class Arrived(msgspec.Struct, frozen=True):
    """Frames came and were committed, `new` events among them that meant something (none if all
    were known), `late` if text among them came after a verdict. `floor` is the server's `retry:`,
    in seconds."""

    new: int
    late: bool = False
    rung: Rung = Rung.NONE
    floor: float | None = None
    stoppable: bool = False
    fetchable: bool = False


class Judged(msgspec.Struct, frozen=True):
    """The dialect's terminal event came and was committed, `at_once` with a piece of the answer.
    `fragile`: the connection was lost on
    the way, and nobody had promised that the answer would go on without it."""

    verdict: Verdict
    fragile: bool = False
    at_once: bool = False


class Quiet(msgspec.Struct, frozen=True):
    """No payload for `seconds`, though the connection lives."""

    seconds: float


class Lost(msgspec.Struct, frozen=True):
    """The connection ended, by an error, by silence, or `clean`ly."""

    why: str
    clean: bool = False


class Gapped(msgspec.Struct, frozen=True):
    """Events are missing, and the server does not send them when it is asked again."""


class Polled(msgspec.Struct, frozen=True):
    """The server was asked for its final object. Not `done`: it still works on it. An object that
    tells the end is committed first, and told of by `Judged`."""

    done: bool = False


class Withdrawn(msgspec.Struct, frozen=True):
    """The server turns out not to keep the stream, though its headers let one think so."""


class Differed(msgspec.Struct, frozen=True):
    """The server sends another answer than the one we hold."""


class Fired(msgspec.Struct, frozen=True):
    """The time of the last `Wait` or `Linger` is over."""


class Woken(msgspec.Struct, frozen=True):
    """The user asks to try at once; or, not `by_user`, this computer slept, or its network changed:
    then a time that the server has named is kept all the same."""

    by_user: bool = True


class Stopped(msgspec.Struct, frozen=True):
    """The user wants the generation to end."""


class Detached(msgspec.Struct, frozen=True):
    """The user wants to leave the generation to the server."""


class Confirmed(msgspec.Struct, frozen=True):
    """How the server took the request to stop; `why` is "" if it agreed. `note` says how it was
    stopped, if that is worth a word."""

    why: str = ""
    note: str = ""


Happening = (
    Sent
    | Unreached
    | Refused
    | Opened
    | Arrived
    | Judged
    | Quiet
    | Lost
    | Gapped
    | Polled
    | Withdrawn
    | Differed
    | Fired
    | Woken
    | Stopped
    | Detached
    | Confirmed
)

# What the owner must do.


class Connect(msgspec.Struct, frozen=True):
    """Open a connection: the request itself, or its continuation.

    `from_start` continues without a cursor; the splice compares what we hold. `fallback`: send the
    humbler request.
    """

    resume: bool
    from_start: bool = False
    fallback: bool = False


class Poll(msgspec.Struct, frozen=True):
    """Ask for the server's final object; say `Polled`, `Refused`, `Unreached` or `Lost`."""


class Wait(msgspec.Struct, frozen=True):
    """Say `Fired` after max(floor, a random part of `spread`) seconds; a floor is stretched by up
    to a quarter, at random, so that clients told the same do not return together."""

    floor: float
    spread: float


class Linger(msgspec.Struct, frozen=True):
    """Say `Fired` after `seconds`, unless a later `Wait`, `Linger` or `Close` comes first."""

    seconds: float


class Close(msgspec.Struct, frozen=True):
    """Drop the connection, a question under way, and any timer."""


class AskStop(msgspec.Struct, frozen=True):
    """Write down that we are stopping, drop the connection, then ask the server if it can be asked;
    say `Confirmed`."""


class Settle(msgspec.Struct, frozen=True):
    """The stream has ended: write how, with the folded reply."""

    end: EndState
    note: str = ""


class Fork(msgspec.Struct, frozen=True):
    """Ask for the answer that the server now sends, from its start, as a sibling attempt."""


Action = Connect | Poll | Wait | Linger | Close | AskStop | Settle | Fork
