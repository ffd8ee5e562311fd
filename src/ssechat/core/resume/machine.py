"""The resume machine: what to do next with a stream, decided without doing any of it.

`step(stream, happening, now)` returns the stream's next condition and the actions that its owner
(the hub) must carry out. There is no socket, clock or chance in here: the owner says what happened
and what time it is (seconds, monotonic), and rolls the dice for `Wait`. What is not in `TABLE` does
not change anything, so a late word from a connection that was given up is harmless.

Three rules explain most of the table:

1. A generation costs money. Once a request has left, it is sent again only if the server knows it
   by its idempotency key or said that it did not begin; otherwise a lost answer is `interrupted`,
   and the user decides.
2. Only the dialect's own terminal event completes a stream, and not if text follows it: the body's
   end, clean or not, is a cut.
3. Trying again is free of blame only while it brings something: `tries` falls to zero when an event
   that means something was committed, never because a connection opened.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ssechat.core.deltas import EndState, Verdict
from ssechat.core.resume.limits import (
    BUSY,
    DOUBT,
    LINGER,
    MAX_CONNECT_TRIES,
    MAX_FLOOR,
    PATIENCE,
    REST,
    STALL_AFTER,
    TOO_MUCH,
    TRANSIENT,
    UNSTREAMED,
)
from ssechat.core.resume.moves import (
    Step,
    back_off,
    end,
    finish,
    give_up,
    interrupt,
    no_way_back,
    to,
)
from ssechat.core.resume.polling import gapped, look, poll, poll_again, polled, unpolled
from ssechat.core.resume.stopping import ask_again, confirmed, detached, named, never_began, stop
from ssechat.core.resume.words import (
    KEPT,
    LIVE,
    RECEIVING,
    REJOINING,
    STREAMS,
    Action,
    Arrived,
    Close,
    Confirmed,
    Connect,
    Detached,
    Differed,
    Fired,
    Fork,
    Gapped,
    Happening,
    Judged,
    Linger,
    Lost,
    Opened,
    Poll,
    Polled,
    Quiet,
    Refused,
    Rung,
    Sent,
    State,
    Stopped,
    Stream,
    Unreached,
    Withdrawn,
    Woken,
)

__all__ = ["TABLE", "Step", "step", "submit", "take_up"]

S = State


def submit(
    *,
    idempotent: bool = False,
    stoppable: bool = False,
    promised: bool = False,
    fallback: bool = False,
) -> Step:
    """A new request. `stoppable`: it can be stopped before the server has answered."""
    stream = Stream(
        idempotent=idempotent, stoppable=stoppable, promised=promised, fallback=fallback
    )
    return stream, [Connect(resume=False)]


def take_up(
    *,
    rung: Rung,
    idempotent: bool = False,
    stoppable: bool = False,
    fetchable: bool = False,
    stopping: bool = False,
    fallback: bool = False,
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
        rung=rung,
        idempotent=idempotent,
        stoppable=stoppable,
        fetchable=fetchable,
        fallback=fallback,
        verdict=verdict,
        forked=forked,
        unanswered=True,
        begun=opened,
    )
    if verdict is not None:
        unasked = verdict.state is EndState.STOPPED and rung is Rung.FETCH and not stopping
        if unasked:
            return _left(stream)
        return finish(stream, None, 0.0) if stopping or not _has_more(stream) else _rest(stream)
    if stopping:
        return stop(stream, Stopped(), 0.0)
    if rung in STREAMS:
        return to(stream, State.RESUMING), [Connect(resume=True)]
    if rung is Rung.FETCH:
        return to(stream, State.POLLING), [Poll()]
    if idempotent:
        return stream, [Connect(resume=False)]
    if opened:
        return interrupt(stream, "ssechat ended")
    return interrupt(stream, "ssechat ended before an answer came; it may have been billed")


def step(stream: Stream, happening: Happening, now: float) -> Step:
    """What follows from `happening` at `now`."""
    rule = TABLE.get((stream.state, type(happening)))
    return rule(stream, happening, now) if rule else (stream, [])


def _sent(stream: Stream, _: Sent, now: float) -> Step:
    return to(stream, State.WAITING), []


def _unreached(stream: Stream, what: Unreached, now: float) -> Step:
    if stream.unanswered:
        return _lost(stream, what, now)
    if what.futile or stream.tries + 1 >= MAX_CONNECT_TRIES:
        return give_up(stream, what.why)
    return back_off(stream, what.why, now)


def _refused(stream: Stream, what: Refused, now: float) -> Step:
    """A refused request may be sent again only when the server says `later`, and a humbler one in
    its place only when it says `not that`. One that only seeks the answer of an earlier one goes on
    as a resume does."""
    if what.status in TOO_MUCH and stream.fallback:
        humbler = to(stream, State.SUBMITTING, fallback=False, fell_back=True, promised=False)
        return humbler, [Close(), Connect(resume=False, fallback=True)]
    if what.status in BUSY or (stream.unanswered and what.status in TRANSIENT):
        return back_off(stream, what.why, now, what.retry_after)
    return give_up(stream, what.why)


def _opened(stream: Stream, what: Opened, now: float) -> Step:
    """Capability is what the server shows: one that names no place to continue keeps no keys."""
    shown = {
        "rung": what.rung,
        "stoppable": what.stoppable,
        "fetchable": what.fetchable,
        "idempotent": stream.idempotent and what.rung in KEPT,
    }
    return to(stream, State.WAITING, **shown), []


def _arrived(stream: Stream, what: Arrived, now: float) -> Step:
    floor = stream.floor if what.floor is None else min(what.floor, MAX_FLOOR)
    stream = msgspec.structs.replace(
        stream,
        floor=floor,
        rung=_better(stream.rung, what.rung),
        stoppable=stream.stoppable or what.stoppable,
        fetchable=stream.fetchable or what.fetchable,
    )
    if not what.new:
        return stream, []
    fresh = {"tries": 0, "polls": 0, "since": None, "from_start": False, "note": "", "begun": True}
    if stream.verdict is None:
        return to(stream, State.STREAMING, **fresh), []
    # Some servers name a reason to finish in every chunk: what still comes is waited for.
    unsure = stream.unsure or what.late
    return to(stream, State.STREAMING, **fresh, unsure=unsure), [] if unsure else [Linger(LINGER)]


def _judged(stream: Stream, what: Judged, now: float) -> Step:
    fetched = stream.state is S.POLLING and stream.rung is Rung.FETCH and not stream.lapsed
    unasked = what.verdict.state is EndState.STOPPED and stream.state in LIVE
    if unasked and (fetched or what.fragile):
        return _left(stream)
    stream = msgspec.structs.replace(stream, verdict=what.verdict)
    if what.verdict.last or stream.state not in (*RECEIVING, S.REPLAYING):
        return finish(stream, what, now)
    return stream, [Linger(DOUBT if what.at_once else LINGER)]


def _left(stream: Stream) -> Step:
    """An object that only tells of a stop that nobody asked for."""
    return interrupt(no_way_back(stream), "the server ended the answer with our connection")


def _lingered(stream: Stream, what: Fired, now: float) -> Step:
    """Nothing followed the verdict."""
    return (stream, []) if stream.unsure else finish(stream, what, now)


def _quiet(stream: Stream, what: Quiet, now: float) -> Step:
    return (to(stream, State.STALLED), []) if what.seconds >= STALL_AFTER else (stream, [])


def _lost(stream: Stream, what: Lost | Unreached, now: float) -> Step:
    """A cut: after the verdict it costs no text; else by the best rung."""
    clean = isinstance(what, Lost) and what.clean
    if stream.unsure and not clean:
        stream = msgspec.structs.replace(stream, verdict=None)
    if stream.verdict is not None:
        if clean or stream.state is S.RESUMING or not _has_more(stream):
            return finish(stream, what, now)
        seeking, actions = _rest(stream)
        return seeking, [Close(), *actions]
    if stream.rung is Rung.FETCH:
        return poll(stream, now)
    if stream.fetchable and stream.tries >= PATIENCE and isinstance(what, Lost):
        return look(stream, now)
    if stream.rung in STREAMS:
        return back_off(stream, what.why, now)
    if stream.idempotent:
        return back_off(to(stream, stream.state, unanswered=True), what.why, now)
    return interrupt(stream, what.why if stream.begun else f"{what.why}; it may have been billed")


def _has_more(stream: Stream) -> bool:
    """Whether something may follow the verdict (usage, an end mark) that can still be had."""
    verdict = stream.verdict
    more = verdict is not None and not verdict.last
    return more and stream.rung in STREAMS and not stream.sought


def _rest(stream: Stream) -> Step:
    """Ask for what may follow the verdict, once and not for long."""
    return to(stream, State.RESUMING, sought=True), [Connect(resume=True), Linger(REST)]


def _fired(stream: Stream, what: Fired | Woken, now: float) -> Step:
    if isinstance(what, Woken) and not what.by_user and stream.asked and stream.state is S.BACKOFF:
        return stream, []
    if stream.rung in STREAMS:
        actions: list[Action] = [Close(), Connect(resume=True, from_start=stream.from_start)]
        return to(stream, State.RESUMING), actions
    again = Connect(resume=False, fallback=stream.fell_back)
    return to(stream, State.SUBMITTING), [Close(), again]


def _probe(stream: Stream, what: Woken, now: float) -> Step:
    """The connection may be dead without knowing it: a new one tells at once."""
    if stream.verdict is not None or stream.rung not in STREAMS:
        return stream, []
    return _fired(stream, what, now)


def _rejoined(stream: Stream, what: Opened, now: float) -> Step:
    return to(stream, State.REPLAYING, stoppable=stream.stoppable or what.stoppable), []


def _turned_away(stream: Stream, what: Refused, now: float) -> Step:
    """The server's answer to a resume that is not a stream."""
    if stream.verdict is not None:
        return finish(stream, what, now)
    if stream.fetchable and what.status in UNSTREAMED:
        return poll(stream, now)
    if stream.fetchable and stream.tries >= PATIENCE and what.status in TRANSIENT - BUSY:
        return look(stream, now)
    match what.status:
        case 204:
            return interrupt(stream, "the server has nothing more, and sent no end mark")
        case 404 | 410:
            return end(stream, State.EXPIRED, "the server no longer has this stream")
        case 400 if not stream.from_start:
            return back_off(to(stream, stream.state, from_start=True), what.why, now)
        case 400:
            return end(stream, State.EXPIRED, what.why)
        case status if status in TRANSIENT:
            return back_off(stream, what.why, now, what.retry_after)
    return interrupt(stream, what.why)


def _withdrawn(stream: Stream, what: Withdrawn, now: float) -> Step:
    """What still comes is taken; a connection that is lost already was the last one."""
    stream = msgspec.structs.replace(no_way_back(stream), stoppable=False)
    if stream.state is S.RESUMING and stream.verdict is not None:
        return finish(stream, what, now)
    if stream.state in (S.BACKOFF, S.RESUMING):
        return interrupt(stream, stream.note or "the server does not keep the stream")
    return stream, []


def _differed(stream: Stream, what: Differed, now: float) -> Step:
    """A server whose every answer is another one does not make attempts without end."""
    if stream.verdict is not None:
        return finish(stream, what, now)
    if stream.forked:
        return interrupt(stream, "the server sends another answer each time")
    note = "the server now sends another text than the one that came"
    ended, actions = interrupt(stream, note)
    return ended, [*actions, Fork()]


def _better(one: Rung, other: Rung) -> Rung:
    order = list(Rung)
    return min(one, other, key=order.index)


Rule = Callable[[Stream, object, float], Step]


def _rows(
    rows: list[tuple[tuple[State, ...], type, Callable[..., Step]]],
) -> dict[tuple[State, type], Rule]:
    return {(state, what): rule for states, what, rule in rows for state in states}


TABLE = _rows(
    [
        ((S.SUBMITTING,), Sent, _sent),
        ((S.SUBMITTING,), Unreached, _unreached),
        ((S.SUBMITTING, S.WAITING), Refused, _refused),
        ((S.SUBMITTING, S.WAITING), Opened, _opened),
        (RECEIVING, Arrived, _arrived),
        (RECEIVING, Judged, _judged),
        ((S.WAITING, S.STREAMING), Quiet, _quiet),
        ((S.SUBMITTING, *RECEIVING), Lost, _lost),
        (RECEIVING, Fired, _lingered),
        (RECEIVING, Differed, _differed),
        (RECEIVING, Gapped, gapped),
        ((*RECEIVING, S.BACKOFF, *REJOINING), Withdrawn, _withdrawn),
        (RECEIVING, Woken, _probe),
        ((S.BACKOFF,), Fired, _fired),
        ((S.BACKOFF,), Woken, _fired),
        ((S.RESUMING,), Unreached, _lost),
        ((S.RESUMING,), Refused, _turned_away),
        ((S.RESUMING,), Opened, _rejoined),
        ((S.RESUMING,), Judged, _judged),
        ((S.RESUMING,), Fired, _lingered),
        ((S.STREAMING, S.STALLED, S.REPLAYING), Refused, _turned_away),
        ((S.REPLAYING,), Arrived, _arrived),
        ((S.REPLAYING,), Judged, _judged),
        ((S.REPLAYING,), Fired, _lingered),
        ((S.REPLAYING,), Differed, _differed),
        ((S.REPLAYING,), Gapped, gapped),
        (REJOINING, Lost, _lost),
        (REJOINING, Woken, _probe),
        ((S.POLLING,), Judged, _judged),
        ((S.POLLING,), Polled, polled),
        ((S.POLLING,), Refused, unpolled),
        ((S.POLLING,), Unreached, unpolled),
        ((S.POLLING,), Lost, unpolled),
        ((S.POLLING,), Fired, poll_again),
        ((S.POLLING,), Woken, poll_again),
        (LIVE, Stopped, stop),
        (LIVE, Detached, detached),
        ((S.CANCELLING,), Opened, named),
        ((S.CANCELLING,), Arrived, named),
        ((S.CANCELLING,), Judged, _judged),
        ((S.CANCELLING,), Refused, never_began),
        ((S.CANCELLING,), Unreached, never_began),
        ((S.CANCELLING,), Lost, ask_again),
        ((S.CANCELLING,), Confirmed, confirmed),
        ((S.CANCELLING,), Fired, ask_again),
        ((S.CANCELLING,), Woken, ask_again),
    ]
)
"""(state, happening) -> rule. Printed in docs/resume-machine.md."""
