"""The resume machine: requests, what their refusal means, and streams that others left."""

from __future__ import annotations

import pytest

from ssechat.core.deltas import EndState
from ssechat.core.resume import (
    Close,
    Connect,
    Fired,
    Linger,
    Lost,
    Opened,
    Poll,
    Refused,
    Rung,
    Sent,
    State,
    Unreached,
    Wait,
    submit,
    take_up,
)
from ssechat.core.resume.limits import (
    BUSY,
    FIRST_TRY,
    MAX_CONNECT_TRIES,
    MAX_TRIES,
    REST,
    TOO_MUCH,
    TRANSIENT,
)
from support.resuming import COMPLETE, MORE_MAY_FOLLOW, run, settled, waiting


@pytest.mark.parametrize("status", sorted(BUSY))
def test_a_busy_server_is_asked_again_after_the_time_that_it_names(status: int) -> None:
    stream, actions = run(waiting(), Refused("busy", status, 7.0))
    assert stream.state is State.BACKOFF
    assert actions == [Close(), Wait(7.0, FIRST_TRY)]
    assert run(stream, Fired())[1] == [Close(), Connect(resume=False)]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502, None])
def test_another_refusal_of_a_request_is_final(status: int | None) -> None:
    stream, _ = run(waiting(), Refused("no", status))
    assert (stream.state, stream.note) == (State.FAILED, "no")


def test_a_wait_that_is_too_long_is_reported_instead() -> None:
    stream, _ = run(waiting(), Refused("busy", 429, 3600.0))
    assert stream.state is State.FAILED
    assert "3600" in stream.note


@pytest.mark.parametrize("status", sorted(TOO_MUCH))
def test_a_request_that_asks_for_too_much_is_followed_once_by_a_humbler_one(status: int) -> None:
    stream, actions = run(waiting(fallback=True, promised=True), Refused("unknown field", status))
    assert actions == [Close(), Connect(resume=False, fallback=True)]
    assert (stream.state, stream.fell_back, stream.promised) == (State.SUBMITTING, True, False)
    assert run(stream, Sent(), Refused("no", status))[0].state is State.FAILED


def test_the_humbler_request_stays_in_use_when_it_has_to_be_sent_again() -> None:
    stream, _ = run(waiting(fallback=True), Refused("unknown field", 400))
    assert run(stream, Sent(), Refused("busy", 503), Fired())[1] == [
        Close(),
        Connect(resume=False, fallback=True),
    ]


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_other_refusals_do_not_make_a_request_humbler(status: int) -> None:
    _, actions = run(waiting(fallback=True), Refused("no", status))
    assert not any(isinstance(action, Connect) for action in actions)


def test_a_request_whose_answer_is_lost_is_never_sent_again_by_itself() -> None:
    stream, actions = run(waiting(), Lost("reset"))
    assert stream.state is State.INTERRUPTED
    assert "may have been billed" in settled(actions)[1]


def test_with_an_idempotency_key_it_is() -> None:
    stream, _ = run(waiting(idempotent=True), Lost("reset"))
    assert run(stream, Fired())[1] == [Close(), Connect(resume=False)]


def test_a_server_that_shows_no_way_to_continue_is_not_trusted_with_a_key() -> None:
    stream, _ = run(waiting(idempotent=True), Opened(Rung.NONE), Lost("reset"))
    assert stream.state is State.INTERRUPTED


def test_a_connection_that_fails_before_a_byte_left_is_tried_a_few_times() -> None:
    stream, _ = submit()
    for _ in range(MAX_CONNECT_TRIES - 1):
        stream, _ = run(stream, Unreached("no route"))
        assert stream.state is State.BACKOFF
        stream, actions = run(stream, Fired())
        assert actions[-1] == Connect(resume=False)
    assert run(stream, Unreached("no route"))[0].state is State.FAILED


def test_a_futile_connection_fails_at_once() -> None:
    assert run(submit()[0], Unreached("nothing listens", futile=True))[0].state is State.FAILED


def test_an_answer_that_may_have_begun_is_sought_for_as_long_as_a_stream() -> None:
    # The network went with the request's answer: the server may be at work on it.
    stream, _ = run(waiting(idempotent=True), Lost("reset"))
    for _ in range(MAX_TRIES - 1):
        stream, _ = run(stream, Fired(), Unreached("no route"))
        assert stream.state is State.BACKOFF
    stream, actions = run(stream, Fired(), Unreached("no route"))
    assert settled(actions)[0] is EndState.CUT
    assert "may have been billed" in stream.note


def test_an_answer_that_may_have_begun_is_sought_while_its_server_starts_again() -> None:
    stream, _ = run(waiting(idempotent=True), Lost("reset"), Fired(), Unreached("no", futile=True))
    assert stream.state is State.BACKOFF
    while stream.state is State.BACKOFF:
        stream, _ = run(stream, Fired(), Unreached("no", futile=True))
    assert stream.state is State.INTERRUPTED
    assert "may have been billed" in stream.note


@pytest.mark.parametrize("status", sorted(TRANSIENT))
def test_an_answer_that_may_have_begun_is_sought_again_after_what_may_pass(status: int) -> None:
    stream, _ = run(
        waiting(idempotent=True), Lost("reset"), Fired(), Refused("bad gateway", status)
    )
    assert run(stream, Fired())[1] == [Close(), Connect(resume=False)]


@pytest.mark.parametrize("status", [401, 404, None])
def test_nor_is_it_called_failed_where_the_server_does_not_say(status: int | None) -> None:
    stream, _ = run(waiting(idempotent=True), Lost("reset"), Fired(), Refused("no", status))
    assert (stream.state, stream.note) == (State.INTERRUPTED, "no; it may have been billed")


# Streams that another process left


def test_a_stream_of_a_dead_process_goes_on_by_its_rung() -> None:
    assert take_up(rung=Rung.EXACT)[1] == [Connect(resume=True)]
    assert take_up(rung=Rung.REPLAY)[1] == [Connect(resume=True)]
    assert take_up(rung=Rung.FETCH)[1] == [Poll()]
    assert take_up(rung=Rung.NONE, idempotent=True)[1] == [Connect(resume=False)]
    assert take_up(rung=Rung.NONE)[0].state is State.INTERRUPTED
    assert take_up(rung=Rung.CONTINUE)[0].state is State.INTERRUPTED
    assert "billed" in take_up(rung=Rung.NONE, opened=False)[0].note
    assert take_up(rung=Rung.EXACT, verdict=COMPLETE)[0].state is State.COMPLETED
    for rung in (Rung.NONE, Rung.FETCH):
        assert take_up(rung=rung, verdict=MORE_MAY_FOLLOW)[0].state is State.COMPLETED
    stopping = take_up(rung=Rung.EXACT, verdict=MORE_MAY_FOLLOW, stopping=True)
    assert stopping[0].state is State.COMPLETED
    assert take_up(rung=Rung.EXACT, verdict=MORE_MAY_FOLLOW)[1] == [
        Connect(resume=True),
        Linger(REST),
    ]


def test_a_dead_process_may_have_sent_the_humbler_request() -> None:
    # Under one key the server takes one body only.
    stream, _ = take_up(rung=Rung.NONE, idempotent=True, fallback=True)
    assert run(stream, Sent(), Refused("another body", 422))[1] == [
        Close(),
        Connect(resume=False, fallback=True),
    ]
