"""The resume machine's table: every row does something, and is documented; no history breaks it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.deltas import EndState, Verdict
from ssechat.core.resume import (
    ENDED,
    KEPT,
    LIVE,
    RECEIVING,
    REJOINING,
    Action,
    Arrived,
    AskStop,
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
    Opened,
    Poll,
    Polled,
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
    Withdrawn,
    Woken,
    machine,
    step,
    submit,
)
from ssechat.core.resume.limits import BUSY, STALL_AFTER, TOO_MUCH
from support.resuming import COMPLETE, CUT

S = State
PAGE = Path(__file__).parents[2].joinpath("docs/resume-machine.md").read_text()
LATE = Verdict(EndState.COMPLETE, last=False)

# From any of these states, with what is known of the stream: a happening leads to a state, and
# asks for these kinds of actions.
ROWS: list[tuple[tuple[State, ...], dict[str, object], object, State, list[type]]] = [
    ((S.SUBMITTING,), {}, Sent(), S.WAITING, []),
    ((S.SUBMITTING,), {}, Unreached("no"), S.BACKOFF, [Close, Wait]),
    ((S.SUBMITTING, S.WAITING), {}, Refused("no", 503), S.BACKOFF, [Close, Wait]),
    ((S.SUBMITTING, S.WAITING), {}, Opened(Rung.EXACT), S.WAITING, []),
    (RECEIVING, {"tries": 3}, Arrived(1), S.STREAMING, []),
    (RECEIVING, {}, Judged(COMPLETE), S.COMPLETED, [Close, Settle]),
    ((S.WAITING, S.STREAMING), {}, Quiet(STALL_AFTER), S.STALLED, []),
    ((S.SUBMITTING, *RECEIVING), {}, CUT, S.INTERRUPTED, [Close, Settle]),
    (RECEIVING, {"verdict": LATE}, Fired(), S.COMPLETED, [Close, Settle]),
    (RECEIVING, {}, Differed(), S.INTERRUPTED, [Close, Settle, Fork]),
    (RECEIVING, {"fetchable": True}, Gapped(), S.POLLING, [Close, Poll]),
    ((S.WAITING,), {"rung": Rung.EXACT}, Withdrawn(), S.WAITING, []),
    ((S.STREAMING,), {"rung": Rung.EXACT}, Withdrawn(), S.STREAMING, []),
    ((S.STALLED,), {"rung": Rung.EXACT}, Withdrawn(), S.STALLED, []),
    ((S.REPLAYING,), {"rung": Rung.EXACT}, Withdrawn(), S.REPLAYING, []),
    ((S.BACKOFF, S.RESUMING), {}, Withdrawn(), S.INTERRUPTED, [Close, Settle]),
    (RECEIVING, {"rung": Rung.EXACT}, Woken(), S.RESUMING, [Close, Connect]),
    ((S.BACKOFF,), {"rung": Rung.EXACT}, Fired(), S.RESUMING, [Close, Connect]),
    ((S.BACKOFF,), {}, Woken(), S.SUBMITTING, [Close, Connect]),
    ((S.RESUMING,), {"rung": Rung.EXACT}, Unreached("no"), S.BACKOFF, [Close, Wait]),
    ((S.RESUMING,), {}, Opened(), S.REPLAYING, []),
    ((S.RESUMING,), {}, Judged(LATE), S.COMPLETED, [Close, Settle]),
    ((S.RESUMING,), {"verdict": LATE}, Fired(), S.COMPLETED, [Close, Settle]),
    ((S.RESUMING, S.REPLAYING), {}, Refused("no", 404), S.EXPIRED, [Close, Settle]),
    ((S.STREAMING, S.STALLED), {}, Refused("no"), S.INTERRUPTED, [Close, Settle]),
    ((S.REPLAYING,), {}, Arrived(1), S.STREAMING, []),
    ((S.REPLAYING,), {}, Judged(COMPLETE), S.COMPLETED, [Close, Settle]),
    ((S.REPLAYING,), {"verdict": LATE}, Fired(), S.COMPLETED, [Close, Settle]),
    ((S.REPLAYING,), {}, Differed(), S.INTERRUPTED, [Close, Settle, Fork]),
    ((S.REPLAYING,), {"fetchable": True}, Gapped(), S.POLLING, [Close, Poll]),
    (REJOINING, {"rung": Rung.EXACT}, CUT, S.BACKOFF, [Close, Wait]),
    (REJOINING, {"rung": Rung.EXACT}, Woken(), S.RESUMING, [Close, Connect]),
    ((S.POLLING,), {}, Judged(COMPLETE), S.COMPLETED, [Close, Settle]),
    ((S.POLLING,), {}, Polled(), S.POLLING, [Wait]),
    ((S.POLLING,), {}, Refused("busy", 503), S.POLLING, [Wait]),
    ((S.POLLING,), {}, Unreached("no"), S.POLLING, [Wait]),
    ((S.POLLING,), {}, CUT, S.POLLING, [Wait]),
    ((S.POLLING,), {}, Fired(), S.POLLING, [Close, Poll]),
    ((S.POLLING,), {}, Woken(), S.POLLING, [Close, Poll]),
    (LIVE, {"rung": Rung.EXACT}, Stopped(), S.CANCELLING, [AskStop]),
    (LIVE, {"rung": Rung.EXACT}, Detached(), S.INTERRUPTED, [Close, Settle]),
    ((S.CANCELLING,), {}, Opened(stoppable=True), S.CANCELLING, [AskStop]),
    ((S.CANCELLING,), {}, Arrived(1, stoppable=True), S.CANCELLING, [AskStop]),
    ((S.CANCELLING,), {}, Judged(COMPLETE), S.COMPLETED, [Close, Settle]),
    ((S.CANCELLING,), {}, Refused("no", 400), S.CANCELLED, [Close, Settle]),
    ((S.CANCELLING,), {}, Unreached("no"), S.CANCELLED, [Close, Settle]),
    ((S.CANCELLING,), {}, CUT, S.CANCELLING, [AskStop]),
    ((S.CANCELLING,), {}, Confirmed(), S.CANCELLED, [Close, Settle]),
    ((S.CANCELLING,), {}, Fired(), S.CANCELLING, [AskStop]),
    ((S.CANCELLING,), {}, Woken(), S.CANCELLING, [AskStop]),
]


@pytest.mark.parametrize(
    ("state", "known", "what", "then", "asks"),
    [(state, *row) for states, *row in ROWS for state in states],
    ids=lambda value: type(value).__name__ if isinstance(value, get_args(Happening)) else None,
)
def test_every_row_does_what_it_says(
    state: State, known: dict[str, object], what: object, then: State, asks: list[type]
) -> None:
    before = Stream(state=state, **known)
    after, actions = step(before, what, 0.0)
    assert (after.state, [type(action) for action in actions]) == (then, asks)
    assert after != before or actions


def test_no_row_of_the_table_is_left_out() -> None:
    assert {(s, type(what)) for states, _, what, *_ in ROWS for s in states} == set(machine.TABLE)


def test_nothing_leads_out_of_an_end() -> None:
    assert {state for state, _ in machine.TABLE} == set(LIVE) | {S.CANCELLING}
    assert set(State) == set(LIVE) | {S.CANCELLING} | ENDED


# The page


def test_every_row_of_the_table_is_documented() -> None:
    assert resume_table() in PAGE


@pytest.mark.parametrize("word", [*get_args(Happening), *get_args(Action)])
def test_every_word_of_the_machine_is_documented(word: type) -> None:
    assert f"`{word.__name__}`" in PAGE


def resume_table() -> str:
    """The table of docs/resume-machine.md, from the code."""
    rows = ["| state | happening | rule |", "|---|---|---|"]
    rows += [
        f"| {state} | {what.__name__} | `{rule.__name__}` |"
        for (state, what), rule in sorted(
            machine.TABLE.items(),
            key=lambda row: (list(State).index(row[0][0]), row[0][1].__name__),
        )
    ]
    return "\n".join(rows)


# Whatever happens, in whatever order. (test_resume_stateful.py has a server that makes sense.)

HAPPENINGS = st.one_of(
    st.just(Sent()),
    st.builds(Unreached, st.just("x"), st.booleans()),
    st.builds(
        Refused,
        st.just("x"),
        st.sampled_from([None, 204, 400, 401, 404, 410, 422, 429, 500, 503]),
        st.sampled_from([None, 1.0, 1e6]),
    ),
    st.builds(Opened, st.sampled_from(Rung), st.booleans(), st.booleans()),
    st.builds(
        Arrived,
        st.integers(0, 2),
        rung=st.sampled_from(Rung),
        stoppable=st.booleans(),
        fetchable=st.booleans(),
    ),
    st.builds(
        Judged,
        st.builds(
            Verdict,
            st.sampled_from(sorted(set(EndState) - {EndState.CUT, EndState.EXPIRED})),
            last=st.booleans(),
        ),
    ),
    st.builds(Quiet, st.sampled_from([1.0, 30.0])),
    st.builds(Polled, st.booleans()),
    st.builds(Confirmed, st.sampled_from(["", "x"])),
    st.sampled_from([CUT, Gapped(), Differed(), Fired(), Woken(), Stopped(), Detached()]),
)


@given(
    st.lists(HAPPENINGS, max_size=40),
    st.fixed_dictionaries(
        {name: st.booleans() for name in ("idempotent", "stoppable", "promised", "fallback")}
    ),
)
def test_no_history_posts_twice_completes_falsely_or_settles_twice(
    happenings: list[Happening], asked: dict[str, bool]
) -> None:
    stream, actions = submit(**asked)
    settles: list[Settle] = []
    verdicts: set[EndState] = set()
    may_post = asked["idempotent"]
    for now, happening in enumerate(happenings):
        before, (stream, actions) = stream, step(stream, happening, float(now))
        if before.ended:
            assert (stream, actions) == (before, [])
        if isinstance(happening, Judged):
            verdicts.add(happening.verdict.state)
        refused = isinstance(happening, Refused) and happening.status in BUSY | TOO_MUCH
        may_post = may_post or refused or isinstance(happening, Unreached)
        for action in actions:
            assert may_post or not isinstance(action, Connect) or action.resume
        settles += [action for action in actions if isinstance(action, Settle)]
        assert len(settles) == stream.ended
        if stream.state is State.POLLING:
            assert stream.rung in KEPT
    for settle in settles:
        wanted = {Stopped, Detached} & {type(happening) for happening in happenings}
        ours = {EndState.CUT, EndState.FAILED, EndState.EXPIRED}
        ours |= {EndState.STOPPED} if Stopped in wanted else set()
        assert settle.end in verdicts | ours
