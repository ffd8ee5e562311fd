"""Rules for the rung `fetch`: the stream cannot go on, but the server's final object can be had."""

from __future__ import annotations

from ssechat.core.resume.limits import (
    MAX_ASKED,
    MAX_TRIES,
    PATIENCE,
    POLL_CAP,
    POLL_FIRST,
    POLL_FOR,
    TRANSIENT,
)
from ssechat.core.resume.moves import (
    Step,
    back_off,
    end,
    finish,
    interrupt,
    no_way_back,
    spread,
    to,
)
from ssechat.core.resume.words import (
    STREAMS,
    Close,
    Connect,
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


def look(stream: Stream, now: float) -> Step:
    """The stream brings nothing: its final object tells whether there is more to wait for."""
    since = now if stream.since is None else stream.since
    return to(stream, State.POLLING, since=since), [Close(), Poll()]


def polled(stream: Stream, what: Polled, now: float) -> Step:
    if what.done:
        return interrupt(stream, "the server's final object does not say how the answer ended")
    since = now if stream.since is None else stream.since
    if now - since > POLL_FOR:
        return interrupt(stream, "the server still works on it; F6 asks again")
    tries = min(stream.tries, PATIENCE) if stream.rung in STREAMS else 0
    waiting = to(stream, State.POLLING, polls=stream.polls + 1, tries=tries, since=since)
    return waiting, [Wait(min(POLL_CAP, POLL_FIRST * 1.5 ** min(stream.polls, 9)), 1.0)]


def unpolled(stream: Stream, what: Refused | Lost | Unreached, now: float) -> Step:
    """No final object this time."""
    status = what.status if isinstance(what, Refused) else 0
    if status in (404, 410):
        return _gone(stream)
    asked = what.retry_after if isinstance(what, Refused) else None
    if stream.rung in STREAMS:
        return back_off(stream, what.why, now, asked)
    tries = stream.tries + 1
    if status is None or (status and status not in TRANSIENT):
        return interrupt(stream, what.why)
    if tries > MAX_TRIES:
        return interrupt(stream, f"{what.why}; no progress in {MAX_TRIES} tries")
    waiting = to(stream, State.POLLING, tries=tries)
    return waiting, [Wait(min(asked or 0.0, MAX_ASKED), spread(tries + 1))]


def _gone(stream: Stream) -> Step:
    kept = stream.lapsed or stream.rung in STREAMS
    state = State.EXPIRED if kept else State.INTERRUPTED
    return end(no_way_back(stream), state, "the server no longer has this answer")


def poll_again(stream: Stream, _: Fired | Woken, now: float) -> Step:
    """Between two looks at the object of a stream that brings nothing, it may have more to say."""
    if stream.rung in STREAMS:
        again = Connect(resume=True, from_start=stream.from_start)
        return to(stream, State.RESUMING), [Close(), again]
    return stream, [Close(), Poll()]
