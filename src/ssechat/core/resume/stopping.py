"""Rules for the user's two verbs: stop, which the server must confirm, and detach."""

from __future__ import annotations

from ssechat.core.deltas import EndState
from ssechat.core.resume.limits import GIVE_UP_AFTER, STOP_WAIT
from ssechat.core.resume.moves import Step, end, finish, interrupt, spread, to
from ssechat.core.resume.words import (
    KEPT,
    Arrived,
    AskStop,
    Close,
    Confirmed,
    Detached,
    Fired,
    Linger,
    Lost,
    Opened,
    Refused,
    Settle,
    State,
    Stopped,
    Stream,
    Unreached,
    Wait,
    Woken,
)


def detached(stream: Stream, _: Detached, now: float) -> Step:
    if stream.rung not in KEPT or stream.verdict is not None:
        return stream, []
    return interrupt(stream, "detached; the server goes on with it")


def _began(stream: Stream) -> bool:
    """Whether the server may be at work on the answer, whatever it says to the next request."""
    return stream.rung in KEPT or stream.unanswered


def stop(stream: Stream, what: Stopped, now: float) -> Step:
    """A server that has promised to go on without us has to be told, so it must be known where."""
    if stream.verdict is not None:
        return finish(stream, what, now)
    if stream.state is State.BACKOFF and not _began(stream):
        return end(stream, State.CANCELLED, "")
    stopping = to(stream, State.CANCELLING, tries=0, since=None)
    unnamed = stream.promised and not stream.stoppable and not stream.begun
    if unnamed and stream.state in (State.SUBMITTING, State.WAITING, State.STALLED):
        return stopping, [Linger(STOP_WAIT)]
    return stopping, [AskStop()]


def named(stream: Stream, what: Opened | Arrived, now: float) -> Step:
    if stream.stoppable or not what.stoppable:
        return stream, []
    return to(stream, State.CANCELLING, stoppable=True, rung=what.rung), [AskStop()]


def never_began(stream: Stream, what: Refused | Unreached, now: float) -> Step:
    """The request was refused. Of a resume, or of a request that had left before, that says
    nothing: the server is being told to stop."""
    if _began(stream):
        return stream, []
    return to(stream, State.CANCELLED), [Close(), Settle(EndState.STOPPED, what.why)]


def confirmed(stream: Stream, what: Confirmed, now: float) -> Step:
    tries = stream.tries + 1
    since = now if stream.since is None else stream.since
    if not what.why:
        return to(stream, State.CANCELLED), [Close(), Settle(EndState.STOPPED, what.note)]
    if now - since < GIVE_UP_AFTER:
        waiting = to(stream, State.CANCELLING, tries=tries, since=since)
        return waiting, [Wait(0.0, spread(tries + 1))]
    note = f"the server did not confirm: {what.why}"
    return to(stream, State.CANCELLED), [Close(), Settle(EndState.STOPPED, note)]


def ask_again(stream: Stream, what: Fired | Woken | Lost, now: float) -> Step:
    if isinstance(what, Woken) and stream.promised and not stream.stoppable:
        return stream, []  # it waits for the answer's name
    return stream, [AskStop()]
