"""Moves that rules of several kinds make: to another state, into a pause, to an end."""

from __future__ import annotations

import msgspec

from ssechat.core.deltas import EndState
from ssechat.core.resume.limits import (
    BACKOFF_BASE,
    BACKOFF_CAP,
    FIRST_TRY,
    GIVE_UP_AFTER,
    MAX_FLOOR,
    MAX_TRIES,
)
from ssechat.core.resume.words import KEPT, Action, Close, Settle, State, Stream, Wait

Step = tuple[Stream, list[Action]]

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
    if asked is not None and asked > MAX_FLOOR:
        return _give_up(stream, f"{why}; the server asks to wait {asked:.0f} s")
    if tries > MAX_TRIES or now - since > GIVE_UP_AFTER:
        return _give_up(stream, f"{why}; no progress in {tries - 1} tries")
    waiting = to(stream, State.BACKOFF, tries=tries, since=since, note=why)
    return waiting, [Close(), Wait(max(stream.floor, asked or 0.0), spread(tries))]


def spread(tries: int) -> float:
    return FIRST_TRY if tries == 1 else min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(tries - 1, 9))


def _give_up(stream: Stream, why: str) -> Step:
    nothing_yet = stream.state is State.SUBMITTING or stream.rung not in KEPT
    return fail(stream, why) if nothing_yet else interrupt(stream, why)


def fail(stream: Stream, why: str) -> Step:
    return end(stream, State.FAILED, why)


def interrupt(stream: Stream, why: str) -> Step:
    return end(stream, State.INTERRUPTED, why)


def end(stream: Stream, state: State, why: str) -> Step:
    return to(stream, state, note=why), [Close(), Settle(OUTCOME[state], why)]
