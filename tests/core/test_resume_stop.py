"""The resume machine: stop, which the server has to confirm, and detach."""

from __future__ import annotations

import pytest

from ssechat.core.deltas import EndState, Verdict
from ssechat.core.resume import (
    LIVE,
    Action,
    Arrived,
    AskStop,
    Close,
    Confirmed,
    Connect,
    Detached,
    Fired,
    Gapped,
    Judged,
    Linger,
    Lost,
    Opened,
    Polled,
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
    submit,
    take_up,
)
from ssechat.core.resume.limits import GIVE_UP_AFTER, STOP_WAIT
from support.resuming import COMPLETE, CUT, MORE_MAY_FOLLOW, run, settled, streaming, waiting


def stopping(**known: bool) -> Stream:
    """A stream that a server is being told to stop."""
    return run(streaming(stoppable=True, **known), Stopped())[0]


@pytest.mark.parametrize("rung", Rung)
@pytest.mark.parametrize("stoppable", [True, False])
def test_a_stop_is_carried_out_in_one_way_whatever_the_server_can(
    rung: Rung, stoppable: bool
) -> None:
    stream, actions = run(streaming(rung, stoppable=stoppable), Stopped())
    assert (stream.state, actions) == (State.CANCELLING, [AskStop()])
    assert run(stream, Confirmed())[1] == [Close(), Settle(EndState.STOPPED)]


def test_how_it_was_stopped_is_said_where_it_is_worth_a_word() -> None:
    stream, _ = run(streaming(Rung.NONE), Stopped())
    stream, actions = run(stream, Confirmed(note="by closing the connection"))
    assert stream.state is State.CANCELLED
    assert settled(actions) == (EndState.STOPPED, "by closing the connection")


def test_a_stop_is_asked_again_until_it_is_confirmed() -> None:
    stream, now = stopping(), 1_000.0
    for _ in range(30):
        stream, actions = run(stream, Confirmed("status 500"), at=now)
        assert stream.state is State.CANCELLING
        assert isinstance(actions[-1], Wait)
        stream, actions = run(stream, Fired(), at=now)
        assert actions == [AskStop()]
        now += 29.0
    assert run(stream, Confirmed(), at=now)[0].state is State.CANCELLED


def test_the_pauses_between_two_requests_to_stop_grow() -> None:
    stream, spreads = stopping(), []
    for _ in range(8):
        stream, actions = run(stream, Confirmed("no answer"))
        spreads += [action.spread for action in actions if isinstance(action, Wait)]
    assert spreads == sorted(spreads)
    assert spreads[0] < 2.0 < 20.0 < spreads[-1]


@pytest.mark.parametrize("began", [0.0, 5_000.0])
def test_it_says_so_when_the_server_has_not_confirmed_for_a_quarter_of_an_hour(
    began: float,
) -> None:
    stream, _ = run(stopping(), Confirmed("status 500"), at=began)
    stream, _ = run(stream, Confirmed("status 500"), at=began + GIVE_UP_AFTER - 1)
    assert stream.state is State.CANCELLING
    stream, actions = run(stream, Confirmed("status 500"), at=began + GIVE_UP_AFTER)
    assert stream.state is State.CANCELLED
    assert settled(actions) == (EndState.STOPPED, "the server did not confirm: status 500")


def test_a_stop_that_a_dead_process_began_has_its_own_quarter_of_an_hour() -> None:
    # The monotonic clock counts from the machine's start, not from the process'.
    stream, actions = take_up(rung=Rung.EXACT, stopping=True, stoppable=True)
    assert (stream.state, actions) == (State.CANCELLING, [AskStop()])
    stream, _ = run(stream, Confirmed("no answer"), at=10 * GIVE_UP_AFTER)
    assert stream.state is State.CANCELLING


def test_woken_it_asks_to_stop_at_once() -> None:
    stream, _ = run(stopping(), Confirmed("no answer"))
    assert run(stream, Woken()) == (stream, [AskStop()])


# The end may come first


@pytest.mark.parametrize("verdict", [COMPLETE, MORE_MAY_FOLLOW, Verdict(EndState.LENGTH)])
def test_an_end_that_came_before_the_stop_is_the_answers_end(verdict: Verdict) -> None:
    stream, actions = run(stopping(), Judged(verdict))
    assert settled(actions)[0] is verdict.state
    assert run(stream, Confirmed()) == (stream, [])


def test_a_final_object_that_says_stopped_ends_it_as_stopped() -> None:
    _, actions = run(stopping(), Judged(Verdict(EndState.STOPPED)))
    assert settled(actions) == (EndState.STOPPED, "")


@pytest.mark.parametrize("late", [Arrived(3), CUT, Sent(), Polled(), Polled(done=True), Gapped()])
def test_nothing_else_that_comes_late_makes_it_anything_but_stopped(late: object) -> None:
    stream, _ = run(stopping(), late)
    assert stream.state is State.CANCELLING
    assert run(stream, Confirmed())[0].state is State.CANCELLED


# What the server says to other requests in the meantime


@pytest.mark.parametrize("late", [Refused("busy", 503), Refused("gone", 404), Unreached("no")])
@pytest.mark.parametrize("before", [[CUT, Fired()], [Woken()], [CUT, Fired(), Opened()]])
def test_a_resume_that_fails_while_it_stops_does_not_show_that_the_server_has_stopped(
    before: list[object], late: object
) -> None:
    stream, _ = run(streaming(stoppable=True), *before, Stopped())
    assert run(stream, late) == (stream, [])


def test_nor_does_a_poll_that_fails() -> None:
    polling, _ = run(streaming(Rung.FETCH, stoppable=True, fetchable=True), CUT)
    stream, _ = run(polling, Stopped())
    assert run(stream, Refused("busy", 503)) == (stream, [])


def test_nor_does_a_request_that_fails_after_one_whose_answer_was_lost() -> None:
    sought, _ = run(waiting(idempotent=True, stoppable=True), Lost("reset"), Fired())
    stream, _ = run(sought, Stopped())
    assert run(stream, Unreached("no route")) == (stream, [])
    assert run(stream, Refused("busy", 503)) == (stream, [])


@pytest.mark.parametrize("late", [Refused("no such model", 404), Unreached("no route")])
@pytest.mark.parametrize("stoppable", [True, False])
def test_a_request_that_is_refused_while_it_stops_never_began(
    stoppable: bool, late: object
) -> None:
    stream, _ = run(waiting(stoppable=stoppable), Stopped())
    stream, actions = run(stream, late)
    assert stream.state is State.CANCELLED
    assert settled(actions)[0] is EndState.STOPPED


def test_while_a_refused_request_waits_to_be_sent_again_there_is_nothing_to_stop() -> None:
    for before in ([Sent(), Refused("busy", 429, 60.0)], [Unreached("no route")]):
        stream, _ = run(submit(idempotent=True, stoppable=True)[0], *before)
        stream, actions = run(stream, Stopped())
        assert (stream.state, actions) == (State.CANCELLED, [Close(), Settle(EndState.STOPPED)])


def test_while_a_lost_one_waits_to_be_sent_again_there_is() -> None:
    stream, _ = run(waiting(idempotent=True, stoppable=True), Lost("reset"))
    assert run(stream, Stopped())[1] == [AskStop()]


# A server that promised to go on without us, and has not said yet where


def test_a_stop_waits_for_the_name_by_which_the_server_is_told() -> None:
    for before in (submit(promised=True)[0], waiting(promised=True)):
        stream, actions = run(before, Stopped())
        assert (stream.state, actions) == (State.CANCELLING, [Linger(STOP_WAIT)])
        for news in (Opened(stoppable=True), Arrived(1, stoppable=True)):
            told, actions = run(stream, Sent(), Opened(), Arrived(1), news)
            assert actions == [AskStop()]
            assert run(told, Arrived(1, stoppable=True))[1] == []


def test_once_it_has_a_name_what_breaks_the_connection_does_not_show_that_it_has_stopped() -> None:
    stream, _ = run(waiting(promised=True), Stopped(), Opened())
    stream, _ = run(stream, Arrived(1, rung=Rung.EXACT, stoppable=True))
    assert run(stream, Refused("an event is too large")) == (stream, [])


def test_while_it_waits_for_a_name_a_wake_up_does_not_make_it_let_go() -> None:
    stream, _ = run(waiting(promised=True), Stopped())
    assert run(stream, Woken()) == (stream, [])


@pytest.mark.parametrize("end", [Fired(), CUT])
def test_without_a_name_it_stops_as_it_can(end: object) -> None:
    stream, _ = run(waiting(promised=True), Stopped())
    assert run(stream, end)[1] == [AskStop()]


def test_a_refusal_ends_the_wait_for_the_name() -> None:
    stream, _ = run(waiting(promised=True, fallback=True), Stopped())
    stream, actions = run(stream, Refused("unknown field", 400))
    assert stream.state is State.CANCELLED
    assert not any(isinstance(action, Connect) for action in actions)


def test_a_server_that_has_streamed_without_a_name_is_not_waited_for() -> None:
    stream, _ = run(waiting(promised=True), Opened(), Arrived(1))
    assert run(stream, Stopped())[1] == [AskStop()]


def test_nor_is_one_that_the_humbler_request_asks_to_keep_nothing() -> None:
    stream, _ = run(waiting(promised=True, fallback=True), Refused("unknown field", 400))
    assert run(stream, Stopped())[1] == [AskStop()]


# Detach


@pytest.mark.parametrize("rung", [Rung.EXACT, Rung.REPLAY, Rung.FETCH])
def test_a_server_that_goes_on_without_us_is_left_without_a_word(rung: Rung) -> None:
    stream, actions = run(streaming(rung, stoppable=True), Detached())
    assert stream.state is State.INTERRUPTED
    assert settled(actions) == (EndState.CUT, "detached; the server goes on with it")
    assert AskStop() not in actions


@pytest.mark.parametrize("rung", [Rung.CONTINUE, Rung.NONE])
def test_one_that_would_stop_with_our_connection_is_not_left(rung: Rung) -> None:
    assert run(streaming(rung), Detached()) == (streaming(rung), [])


def test_an_answer_that_has_ended_is_not_left_before_it_is_written_down() -> None:
    stream, _ = run(streaming(), Judged(MORE_MAY_FOLLOW))
    assert run(stream, Detached()) == (stream, [])


@pytest.mark.parametrize("state", LIVE)
def test_every_live_state_can_be_stopped_and_left(state: State) -> None:
    stream = Stream(state=state, rung=Rung.EXACT, stoppable=True)
    stopped: list[Action] = run(stream, Stopped())[1]
    assert stopped == [AskStop()]
    assert run(stream, Detached())[0].state is State.INTERRUPTED
