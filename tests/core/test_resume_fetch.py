"""The resume machine: the server's final object, where its stream cannot go on."""

from __future__ import annotations

import pytest

from ssechat.core.deltas import EndState, Verdict
from ssechat.core.resume import (
    Action,
    Arrived,
    Close,
    Connect,
    Fired,
    Gapped,
    Happening,
    Judged,
    Lost,
    Opened,
    Poll,
    Polled,
    Refused,
    Rung,
    State,
    Stream,
    Unreached,
    Wait,
    Woken,
    take_up,
)
from ssechat.core.resume.limits import (
    MAX_ASKED,
    MAX_TRIES,
    PATIENCE,
    POLL_CAP,
    POLL_FIRST,
    POLL_FOR,
    TRANSIENT,
)
from support.resuming import COMPLETE, CUT, run, settled, streaming


def fetchable(rung: Rung = Rung.EXACT) -> Stream:
    """A stream whose final object can be asked for."""
    return streaming(rung, fetchable=True)


def polling(rung: Rung = Rung.EXACT) -> Stream:
    """A stream that could go on once, or (`fetch`) never could, and is asked for now."""
    if rung is Rung.FETCH:
        return run(fetchable(rung), CUT)[0]
    return run(fetchable(rung), CUT, Fired(), Refused("too old", 400))[0]


def floor_of(actions: list[Action]) -> float:
    (wait,) = [action for action in actions if isinstance(action, Wait)]
    return wait.floor


# When it is asked for


def test_an_answer_that_can_only_be_fetched_is_fetched_when_the_connection_is_lost() -> None:
    stream, actions = run(fetchable(Rung.FETCH), CUT)
    assert (stream.state, actions) == (State.POLLING, [Close(), Poll()])


@pytest.mark.parametrize("status", [None, 204, 400, 405, 501])
def test_a_stream_that_the_server_will_not_continue_is_fetched(status: int | None) -> None:
    resuming, _ = run(fetchable(), CUT, Fired())
    stream, actions = run(resuming, Refused("the window is closed", status))
    assert (stream.state, actions) == (State.POLLING, [Close(), Poll()])


@pytest.mark.parametrize(("status", "state"), [(404, State.EXPIRED), (401, State.INTERRUPTED)])
def test_one_that_is_gone_or_forbidden_is_not(status: int, state: State) -> None:
    resuming, _ = run(fetchable(), CUT, Fired())
    assert run(resuming, Refused("no", status))[0].state is state


def silent() -> Stream:
    """A stream that has brought nothing for some tries."""
    stream = fetchable()
    for _ in range(PATIENCE):
        stream, _ = run(stream, CUT, Fired(), Opened())
    return stream


@pytest.mark.parametrize("trouble", [CUT, Refused("broken", 502)])
def test_a_stream_that_brings_nothing_in_some_tries_is_looked_at(trouble: Happening) -> None:
    stream, actions = run(silent(), trouble)
    assert (stream.state, actions) == (State.POLLING, [Close(), Poll()])
    assert run(stream, Judged(COMPLETE))[0].state is State.COMPLETED
    stopped = run(stream, Judged(Verdict(EndState.STOPPED, "at the server")))
    assert settled(stopped[1]) == (EndState.STOPPED, "at the server")
    assert run(stream, Refused("gone", 404))[0].state is State.EXPIRED


def test_between_two_looks_the_stream_may_go_on() -> None:
    stream, actions = run(silent(), CUT, Polled())
    assert floor_of(actions) == POLL_FIRST
    for event in (Fired(), Woken()):
        again, actions = run(stream, event)
        assert (again.state, actions) == (State.RESUMING, [Close(), Connect(resume=True)])
    assert run(again, Opened(), CUT)[1] == [Close(), Poll()]
    going, _ = run(again, Opened(), Arrived(1))
    assert (going.state, going.rung, going.tries) == (State.STREAMING, Rung.EXACT, 0)
    assert run(going, CUT)[0].state is State.BACKOFF


def test_a_look_that_fails_does_not_end_what_may_go_on() -> None:
    stream, _ = run(silent(), CUT)
    for trouble in (Refused("no", 403), Lost("cut"), Unreached("away")):
        assert run(stream, trouble)[0].state is State.BACKOFF


def test_a_server_that_is_away_is_not_asked_for_the_object() -> None:
    stream = fetchable()
    for _ in range(MAX_TRIES):
        stream, _ = run(stream, Unreached("away") if stream.tries else CUT)
        assert stream.state is State.BACKOFF
        stream, _ = run(stream, Fired())
    assert stream.rung is Rung.EXACT
    assert run(stream, Unreached("away"))[0].state is State.INTERRUPTED


def test_what_a_server_left_out_is_fetched_if_it_can_be() -> None:
    for state in (State.WAITING, State.STREAMING, State.STALLED, State.REPLAYING):
        stream = Stream(state=state, rung=Rung.EXACT, fetchable=True)
        assert run(stream, Gapped())[1] == [Close(), Poll()]
        stream = Stream(state=state, rung=Rung.EXACT)
        assert run(stream, Gapped()) == (stream, [])


def test_that_it_can_be_fetched_may_show_in_an_event_and_is_remembered() -> None:
    stream, _ = run(streaming(), Arrived(1, fetchable=True), Arrived(1))
    assert run(stream, Gapped())[1] == [Close(), Poll()]


def test_an_answer_of_a_dead_process_is_fetched() -> None:
    stream, actions = take_up(rung=Rung.FETCH, fetchable=True)
    assert (stream.state, actions) == (State.POLLING, [Poll()])
    stream, _ = run(stream, Polled(), at=10 * POLL_FOR)
    assert stream.state is State.POLLING


# What it says


def test_its_end_is_the_answers_end() -> None:
    for verdict in (COMPLETE, Verdict(EndState.LENGTH), Verdict(EndState.FAILED, "why")):
        _, actions = run(polling(), Judged(verdict))
        assert settled(actions) == (verdict.state, verdict.note)


def test_a_server_that_still_works_on_it_is_asked_again_less_and_less_often() -> None:
    stream, floors = polling(), []
    for _ in range(12):
        stream, actions = run(stream, Polled())
        assert stream.state is State.POLLING
        floors.append(floor_of(actions))
        stream, actions = run(stream, Fired())
        assert actions == [Close(), Poll()]
    assert floors[0] == POLL_FIRST
    assert floors == sorted(floors)
    assert floors[-1] == POLL_CAP


def test_a_server_that_works_on_it_for_an_hour_is_left_to_the_user() -> None:
    stream, _ = run(polling(), Polled(), at=POLL_FOR)
    assert stream.state is State.POLLING
    stream, actions = run(stream, Polled(), at=POLL_FOR + 1)
    assert settled(actions) == (EndState.CUT, "the server still works on it; F6 asks again")


def test_woken_it_asks_at_once() -> None:
    stream, _ = run(polling(), Polled())
    assert run(stream, Woken())[1] == [Close(), Poll()]


def test_an_object_that_tells_no_end_leaves_the_answer_cut() -> None:
    _, actions = run(polling(), Polled(done=True))
    assert settled(actions)[0] is EndState.CUT


def test_an_answer_that_ended_because_we_left_was_cut_and_not_stopped() -> None:
    # A server that only keeps the object ends the answer with our connection.
    _, actions = run(polling(Rung.FETCH), Judged(Verdict(EndState.STOPPED)))
    assert settled(actions) == (EndState.CUT, "the server ended the answer with our connection")
    _, actions = run(polling(), Judged(Verdict(EndState.STOPPED)))
    assert settled(actions)[0] is EndState.STOPPED


@pytest.mark.parametrize(
    ("rung", "stopping", "end"),
    [
        (Rung.FETCH, False, EndState.CUT),
        (Rung.FETCH, True, EndState.STOPPED),
        (Rung.EXACT, False, EndState.STOPPED),
    ],
)
def test_nor_is_it_where_the_process_dies_before_it_has_written_that(
    rung: Rung, stopping: bool, end: EndState
) -> None:
    _, actions = take_up(rung=rung, stopping=stopping, verdict=Verdict(EndState.STOPPED))
    assert settled(actions)[0] is end


# What else the server may say


@pytest.mark.parametrize("status", [404, 410])
def test_an_object_that_is_gone_ends_it(status: int) -> None:
    assert run(polling(), Refused("gone", status))[0].state is State.EXPIRED
    assert run(polling(Rung.FETCH), Refused("gone", status))[0].state is State.INTERRUPTED


@pytest.mark.parametrize("status", [None, 400, 401, 403, 405])
def test_a_refusal_for_good_leaves_the_answer_cut(status: int | None) -> None:
    _, actions = run(polling(), Refused("no", status))
    assert settled(actions) == (EndState.CUT, "no")


@pytest.mark.parametrize(
    "trouble",
    [Lost("cut"), Unreached("no route"), *(Refused("busy", s) for s in sorted(TRANSIENT))],
    ids=repr,
)
def test_what_may_pass_is_asked_again_some_times(trouble: object) -> None:
    stream = polling()
    for _ in range(MAX_TRIES):
        stream, actions = run(stream, trouble)
        assert isinstance(actions[-1], Wait)
        stream, actions = run(stream, Fired())
        assert actions == [Close(), Poll()]
    stream, actions = run(stream, trouble)
    assert settled(actions) == (
        EndState.CUT,
        f"{trouble.why}; no progress in {MAX_TRIES} tries",
    )


def test_an_answer_in_between_begins_the_count_anew() -> None:
    stream, _ = run(polling(), *[Lost("cut")] * MAX_TRIES, Polled())
    assert run(stream, Lost("cut"))[0].state is State.POLLING


def test_a_time_that_the_server_names_is_waited_for_up_to_a_bound() -> None:
    for asked, floor in ((7.0, 7.0), (1e9, MAX_ASKED), (None, 0.0)):
        _, actions = run(polling(), Refused("busy", 429, asked))
        assert floor_of(actions) == floor
