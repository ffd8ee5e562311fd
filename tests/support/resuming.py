"""Driving the resume machine through what happens to a stream."""

from __future__ import annotations

from ssechat.core.deltas import EndState, Verdict
from ssechat.core.resume import (
    Action,
    Arrived,
    Happening,
    Lost,
    Opened,
    Rung,
    Sent,
    Settle,
    Step,
    Stream,
    step,
    submit,
)

COMPLETE = Verdict(EndState.COMPLETE)
MORE_MAY_FOLLOW = Verdict(EndState.COMPLETE, last=False)
CUT = Lost("the connection was cut")


def run(stream: Stream, *happenings: Happening, at: float = 0.0) -> Step:
    """The stream after `happenings`, and what the last of them asked for."""
    actions: list[Action] = []
    for happening in happenings:
        stream, actions = step(stream, happening, at)
    return stream, actions


def waiting(**shown: bool) -> Stream:
    """A stream whose request has left."""
    return run(submit(**shown)[0], Sent())[0]


def streaming(rung: Rung = Rung.EXACT, **opened: bool) -> Stream:
    """A stream of which something has come."""
    return run(waiting(), Opened(rung, **opened), Arrived(1, rung=rung))[0]


def settled(actions: list[Action]) -> tuple[EndState, str]:
    """The one end that was asked for, and its note."""
    (found,) = [action for action in actions if isinstance(action, Settle)]
    return found.end, found.note
