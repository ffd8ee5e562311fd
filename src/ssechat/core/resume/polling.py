"""Rules for the rung `fetch`: the stream cannot go on, but the server's final object can be had."""

from __future__ import annotations

from ssechat.core.resume.limits import (
    MAX_FLOOR,
    MAX_TRIES,
    POLL_CAP,
    POLL_FIRST,
    POLL_FOR,
    TRANSIENT,
)
from ssechat.core.resume.moves import Step, end, finish, interrupt, spread, to
from ssechat.core.resume.words import (
    STREAMS,
    Close,
    Fired,
    Gapped,
    Lost,
    Poll,
    Polled,
    Refused,
    Rung,
    State,
    Stream,
    Unreached,
    Wait,
    Woken,
)


def gapped(stream: Stream, what: Gapped, now: float) -> Step:
    if stream.verdict is not None:
        return finish(stream, what, now)
    return poll(stream, now) if stream.fetchable else (stream, [])


def poll(stream: Stream, now: float) -> Step:
    """The stream cannot go on, but its final object can be had."""
    lapsed = stream.lapsed or stream.rung in STREAMS
    fresh = {"rung": Rung.FETCH, "lapsed": lapsed, "tries": 0, "polls": 0, "since": now}
    return to(stream, State.POLLING, **fresh), [Close(), Poll()]


def polled(stream: Stream, what: Polled, now: float) -> Step:
    if what.done:
        return interrupt(stream, "the server's final object does not say how the answer ended")
    since = now if stream.since is None else stream.since
    if now - since > POLL_FOR:
        return interrupt(stream, "the server still works on it; F6 asks again")
    waiting = to(stream, State.POLLING, polls=stream.polls + 1, tries=0, since=since)
    return waiting, [Wait(min(POLL_CAP, POLL_FIRST * 1.5 ** min(stream.polls, 9)), 1.0)]


def unpolled(stream: Stream, what: Refused | Lost | Unreached, now: float) -> Step:
    """No final object this time."""
    status = what.status if isinstance(what, Refused) else 0
    if status in (404, 410):
        state = State.EXPIRED if stream.lapsed else State.INTERRUPTED
        return end(stream, state, "the server no longer has this answer")
    asked = what.retry_after if isinstance(what, Refused) else None
    tries = stream.tries + 1
    if (status and status not in TRANSIENT) or status is None or tries > MAX_TRIES:
        return interrupt(stream, what.why)
    waiting = to(stream, State.POLLING, tries=tries)
    return waiting, [Wait(min(asked or 0.0, MAX_FLOOR), spread(tries + 1))]


def poll_again(stream: Stream, _: Fired | Woken, now: float) -> Step:
    return stream, [Close(), Poll()]
