"""The resume machine: what to do next with a stream, decided without doing any of it.

`step(stream, happening, now)` returns the stream's next condition and the actions that its owner
(the hub) must carry out. There is no socket, clock or chance in here: the owner says what happened
and what time it is (seconds, monotonic), and rolls the dice for `Wait`. What is not in `TABLE` does
not change anything, so a late word from a connection that was given up is harmless.

Three rules explain most of the table:

1. A generation costs money. Once a request has left, it is sent again only if the server knows it
   by its idempotency key; otherwise a lost answer is `interrupted`, and the user decides.
2. Only the dialect's own terminal event completes a stream. The body's end, clean or not, is a cut.
3. Trying again is free of blame only while it brings something: `tries` falls to zero when a new
   frame was committed, never because a connection opened.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ssechat.core.deltas import EndState, Verdict
from ssechat.core.resume.words import (
    LIVE,
    RECEIVING,
    REJOINING,
    Action,
    Arrived,
    AskStop,
    Close,
    Confirmed,
    Connect,
    Differed,
    Fired,
    Fork,
    Happening,
    Judged,
    Linger,
    Lost,
    Opened,
    Quiet,
    Refused,
    Rung,
    Sent,
    Settle,
    State,
    Stopped,
    Stream,
    Unreached,
    Wait,
    Woken,
)

_FORKED = "from a resume; its beginning may be missing"
MAX_TRIES = 8
MAX_CONNECT_TRIES = 3
MAX_CANCEL_TRIES = 5
GIVE_UP_AFTER = 900.0  # s without a new frame
MAX_FLOOR = 120.0  # s; a server that asks for more is not waited for
BACKOFF_BASE = 0.5  # s
BACKOFF_CAP = 30.0  # s
FIRST_TRY = 0.25  # s; the spread before the first try after a healthy stream
LINGER = 1.0  # s for usage and an end mark after the verdict
STALL_AFTER = 10.0  # s without payload until it is shown

BUSY = frozenset({429, 503, 529})
"""Refusals that say `later`: no generation was started, so even a POST may be sent again."""
TRANSIENT = BUSY | {408, 425, 500, 502, 504}
"""Refusals of a resume that may pass."""


OUTCOME = {
    State.CANCELLED: EndState.STOPPED,
    State.INTERRUPTED: EndState.CUT,
    State.FAILED: EndState.FAILED,
    State.EXPIRED: EndState.EXPIRED,
}
_ENDS = {
    EndState.COMPLETE: State.COMPLETED,
    EndState.LENGTH: State.INCOMPLETE,
    EndState.REFUSED: State.INCOMPLETE,
    EndState.FAILED: State.FAILED,
}


Step = tuple[Stream, list[Action]]


def submit(*, idempotent: bool = False) -> Step:
    """A new request."""
    return Stream(idempotent=idempotent), [Connect(resume=False)]


def take_up(
    *,
    rung: Rung,
    idempotent: bool = False,
    stoppable: bool = False,
    stopping: bool = False,
    opened: bool = True,
    verdict: Verdict | None = None,
    forked: bool = False,
) -> Step:
    """A stream that another process left, or that the user resumes.

    `opened`: the journal holds an answer's beginning. If it does not, nobody knows whether the
    request was ever seen. `verdict`: the terminal event that the journal holds, if it does.
    `forked`: it is the other answer that a server sent on an earlier resume.
    """
    stream = Stream(
        rung=rung, idempotent=idempotent, stoppable=stoppable, verdict=verdict, forked=forked
    )
    if verdict is not None:
        return _finish(stream, None, 0.0)
    if stopping:
        return _stop(stream, Stopped(), 0.0)
    if rung is not Rung.NONE:
        return _to(stream, State.RESUMING), [Connect(resume=True)]
    if idempotent:
        return stream, [Connect(resume=False)]
    if opened:
        return _interrupt(stream, "ssechat ended")
    return _interrupt(stream, "ssechat ended before an answer came; it may have been billed")


def step(stream: Stream, happening: Happening, now: float) -> Step:
    """What follows from `happening` at `now`."""
    rule = TABLE.get((stream.state, type(happening)))
    return rule(stream, happening, now) if rule else (stream, [])


def _to(stream: Stream, state: State, **changes: object) -> Stream:
    return msgspec.structs.replace(stream, state=state, **changes)


def _sent(stream: Stream, _: Sent, now: float) -> Step:
    return _to(stream, State.WAITING), []


def _unreached(stream: Stream, what: Unreached, now: float) -> Step:
    if what.futile or stream.tries + 1 >= MAX_CONNECT_TRIES:
        return _fail(stream, what.why)
    return _back_off(stream, what.why, now)


def _refused(stream: Stream, what: Refused, now: float) -> Step:
    """A refused request may be sent again only when the server says `later`."""
    if what.status not in BUSY:
        return _fail(stream, what.why)
    return _back_off(stream, what.why, now, what.retry_after)


def _opened(stream: Stream, what: Opened, now: float) -> Step:
    """Capability is what the server shows: one that names no place to continue keeps no keys."""
    idempotent = stream.idempotent and what.rung is not Rung.NONE
    shown = {"rung": what.rung, "stoppable": what.stoppable, "idempotent": idempotent}
    return _to(stream, State.WAITING, **shown), []


def _arrived(stream: Stream, what: Arrived, now: float) -> Step:
    floor = stream.floor if what.floor is None else min(what.floor, MAX_FLOOR)
    stream = msgspec.structs.replace(stream, floor=floor, rung=_better(stream.rung, what.rung))
    if not what.new:
        return stream, []
    return _to(stream, State.STREAMING, tries=0, since=None, from_start=False, note=""), []


def _judged(stream: Stream, what: Judged, now: float) -> Step:
    stream = msgspec.structs.replace(stream, verdict=what.verdict)
    return _finish(stream, what, now) if what.verdict.last else (stream, [Linger(LINGER)])


def _finish(stream: Stream, _: object, now: float) -> Step:
    verdict = stream.verdict
    if verdict is None:
        return stream, []
    # A server that sends only what is new looks, after a cut, like one with another answer.
    note = verdict.note or (_FORKED if stream.forked else "")
    ended = _to(stream, _ENDS[verdict.state], note=note)
    return ended, [Close(), Settle(verdict.state, note)]


def _quiet(stream: Stream, what: Quiet, now: float) -> Step:
    return (_to(stream, State.STALLED), []) if what.seconds >= STALL_AFTER else (stream, [])


def _lost(stream: Stream, what: Lost, now: float) -> Step:
    """A cut: after the verdict it costs nothing; else by the best rung."""
    if stream.verdict is not None:
        return _finish(stream, what, now)
    if stream.rung is not Rung.NONE or stream.idempotent:
        return _back_off(stream, what.why, now)
    if stream.state is State.WAITING:
        return _interrupt(stream, f"{what.why}; it may have been billed")
    return _interrupt(stream, what.why)


def _fired(stream: Stream, what: Fired | Woken, now: float) -> Step:
    if stream.rung is not Rung.NONE:
        effects: list[Action] = [Close(), Connect(resume=True, from_start=stream.from_start)]
        return _to(stream, State.RESUMING), effects
    return _to(stream, State.SUBMITTING), [Close(), Connect(resume=False)]


def _rejoined(stream: Stream, what: Opened, now: float) -> Step:
    return _to(stream, State.REPLAYING, stoppable=stream.stoppable or what.stoppable), []


def _turned_away(stream: Stream, what: Refused, now: float) -> Step:
    """The server's answer to a resume that is not a stream."""
    match what.status:
        case 204:
            return _interrupt(stream, "the server has nothing more, and sent no end mark")
        case 404 | 410:
            return _end(stream, State.EXPIRED, "the server no longer has this stream")
        case 400 if not stream.from_start:
            return _back_off(_to(stream, stream.state, from_start=True), what.why, now)
        case 400:
            return _end(stream, State.EXPIRED, what.why)
        case status if status in TRANSIENT:
            return _back_off(stream, what.why, now, what.retry_after)
    return _interrupt(stream, what.why)


def _differed(stream: Stream, _: Differed, now: float) -> Step:
    """A server whose every answer is another one does not make attempts without end."""
    if stream.forked:
        return _interrupt(stream, "the server sends another answer each time")
    note = "the server now sends another text than the one that came"
    ended, actions = _interrupt(stream, note)
    return ended, [*actions, Fork()]


def _stop(stream: Stream, _: Stopped, now: float) -> Step:
    if stream.stoppable:
        return _to(stream, State.CANCELLING, tries=0), [Close(), AskStop()]
    ended = _to(stream, State.CANCELLED)
    return ended, [Close(), Settle(EndState.STOPPED, "by closing the connection")]


def _confirmed(stream: Stream, what: Confirmed, now: float) -> Step:
    tries = stream.tries + 1
    if not what.why:
        return _to(stream, State.CANCELLED), [Settle(EndState.STOPPED)]
    if tries < MAX_CANCEL_TRIES:
        waiting = _to(stream, State.CANCELLING, tries=tries)
        return waiting, [Wait(0.0, BACKOFF_BASE * 2**tries)]
    note = f"the server did not confirm: {what.why}"
    return _to(stream, State.CANCELLED), [Settle(EndState.STOPPED, note)]


def _ask_again(stream: Stream, _: Fired | Woken, now: float) -> Step:
    return stream, [Close(), AskStop()]


def _back_off(stream: Stream, why: str, now: float, asked: float | None = None) -> Step:
    tries = stream.tries + 1
    since = now if stream.since is None else stream.since
    if asked is not None and asked > MAX_FLOOR:
        return _give_up(stream, f"{why}; the server asks to wait {asked:.0f} s")
    if tries > MAX_TRIES or now - since > GIVE_UP_AFTER:
        return _give_up(stream, f"{why}; no progress in {tries - 1} tries")
    spread = FIRST_TRY if tries == 1 else min(BACKOFF_CAP, BACKOFF_BASE * 2 ** (tries - 1))
    waiting = _to(stream, State.BACKOFF, tries=tries, since=since, note=why)
    return waiting, [Close(), Wait(max(stream.floor, asked or 0.0), spread)]


def _give_up(stream: Stream, why: str) -> Step:
    nothing_yet = stream.state is State.SUBMITTING or stream.rung is Rung.NONE
    return _fail(stream, why) if nothing_yet else _interrupt(stream, why)


def _fail(stream: Stream, why: str) -> Step:
    return _end(stream, State.FAILED, why)


def _interrupt(stream: Stream, why: str) -> Step:
    return _end(stream, State.INTERRUPTED, why)


def _end(stream: Stream, state: State, why: str) -> Step:
    return _to(stream, state, note=why), [Close(), Settle(OUTCOME[state], why)]


def _better(one: Rung, other: Rung) -> Rung:
    order = list(Rung)
    return min(one, other, key=order.index)


Rule = Callable[[Stream, object, float], Step]


def _rows(
    rows: list[tuple[tuple[State, ...], type, Callable[..., Step]]],
) -> dict[tuple[State, type], Rule]:
    return {(state, what): rule for states, what, rule in rows for state in states}


S = State
TABLE = _rows(
    [
        ((S.SUBMITTING,), Sent, _sent),
        ((S.SUBMITTING,), Unreached, _unreached),
        ((S.SUBMITTING, S.WAITING), Refused, _refused),
        ((S.SUBMITTING, S.WAITING), Opened, _opened),
        (RECEIVING, Arrived, _arrived),
        (RECEIVING, Judged, _judged),
        (RECEIVING, Quiet, _quiet),
        ((S.SUBMITTING, *RECEIVING), Lost, _lost),
        (RECEIVING, Fired, _finish),
        (RECEIVING, Differed, _differed),
        ((S.BACKOFF,), Fired, _fired),
        ((S.BACKOFF,), Woken, _fired),
        ((S.RESUMING,), Unreached, _lost),
        ((S.RESUMING,), Refused, _turned_away),
        ((S.RESUMING,), Opened, _rejoined),
        ((S.STREAMING, S.STALLED, S.REPLAYING), Refused, _turned_away),
        ((S.REPLAYING,), Arrived, _arrived),
        ((S.REPLAYING,), Judged, _judged),
        ((S.REPLAYING,), Fired, _finish),
        ((S.REPLAYING,), Differed, _differed),
        (REJOINING, Lost, _lost),
        (LIVE, Stopped, _stop),
        ((S.CANCELLING,), Confirmed, _confirmed),
        ((S.CANCELLING,), Fired, _ask_again),
        ((S.CANCELLING,), Woken, _ask_again),
    ]
)
"""(state, happening) -> rule. Printed in docs/resume-machine.md."""
