"""Moves that rules of several kinds make: to another state, into a pause, to an end."""

from __future__ import annotations

import msgspec

from ssechat.core.deltas import EndState
from ssechat.core.resume.limits import (
    BACKOFF_BASE,
    BACKOFF_CAP,
    FIRST_TRY,
    GIVE_UP_AFTER,
    MAX_ASKED,
    MAX_TRIES,
)
from ssechat.core.resume.words import KEPT, Action, Close, Rung, Settle, State, Stream, Wait

Step = tuple[Stream, list[Action]]

_FORKED = "from a resume; its beginning may be missing"

_ENDS = {
    EndState.COMPLETE: State.COMPLETED,
    EndState.LENGTH: State.INCOMPLETE,
    EndState.REFUSED: State.INCOMPLETE,
    EndState.FAILED: State.FAILED,
    EndState.STOPPED: State.CANCELLED,
    EndState.CUT: State.INTERRUPTED,
}

OUTCOME = {
    State.CANCELLED: EndState.STOPPED,
    State.INTERRUPTED: EndState.CUT,
    State.FAILED: EndState.FAILED,
    State.EXPIRED: EndState.EXPIRED,
}


def to(stream: Stream, state: State, **changes: object) -> Stream:
    return msgspec.structs.replace(stream, state=state, **changes)


def back_off(stream: Stream, why: str, now: float, asked: float | None = None) -> Step:
    tries = stream.tries + 1
    since = now if stream.since is None else stream.since
    if asked is not None and asked > MAX_ASKED:
        return give_up(stream, f"{why}; the server asks to wait {asked:.0f} s")
    idle = now - since > GIVE_UP_AFTER and not stream.polls  # else the server says that it works
    if tries > MAX_TRIES or idle:
        return give_up(stream, f"{why}; no progress in {tries - 1} tries")
    told = bool(asked) or stream.floor > 0
    waiting = to(stream, State.BACKOFF, tries=tries, since=since, note=why, asked=told)
    return waiting, [Close(), Wait(max(stream.floor, asked or 0.0), spread(tries))]


def spread(tries: int) -> float:
    return FIRST_TRY if tries == 1 else min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(tries - 1, 9))


def give_up(stream: Stream, why: str) -> Step:
    if stream.rung in KEPT:
        return interrupt(stream, why)
    if stream.unanswered:
        return interrupt(stream, f"{why}; it may have been billed")
    return fail(stream, why)


def fail(stream: Stream, why: str) -> Step:
    return end(stream, State.FAILED, why)


def interrupt(stream: Stream, why: str) -> Step:
    return end(stream, State.INTERRUPTED, why)


def no_way_back(stream: Stream) -> Stream:
    """The server has nothing more of this answer: only a new request can go on from it."""
    return to(stream, stream.state, rung=Rung.NONE, fetchable=False)


def finish(stream: Stream, _: object, now: float) -> Step:
    """End as the server's verdict says, if there is one."""
    verdict = stream.verdict
    if verdict is None:
        return stream, []
    # A server that sends only what is new looks, after a cut, like one with another answer.
    note = verdict.note or (_FORKED if stream.forked else "")
    ended = to(stream, _ENDS[verdict.state], note=note)
    return ended, [Close(), Settle(verdict.state, note)]


def end(stream: Stream, state: State, why: str) -> Step:
    return to(stream, state, note=why), [Close(), Settle(OUTCOME[state], why)]
