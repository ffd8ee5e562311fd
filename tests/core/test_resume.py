"""The resume machine: how an answer begins, breaks off, goes on and completes."""

from __future__ import annotations

import pytest

from ssechat.core.deltas import EndState, Verdict
from ssechat.core.resume import (
    RECEIVING,
    STREAMS,
    Arrived,
    Close,
    Connect,
    Differed,
    Fired,
    Fork,
    Gapped,
    Judged,
    Linger,
    Lost,
    Opened,
    Quiet,
    Refused,
    Rung,
    Settle,
    State,
    Stopped,
    Stream,
    Unreached,
    Wait,
    Withdrawn,
    Woken,
    take_up,
)
from ssechat.core.resume.limits import (
    BACKOFF_CAP,
    FIRST_TRY,
    GIVE_UP_AFTER,
    LINGER,
    MAX_FLOOR,
    MAX_TRIES,
    REST,
    STALL_AFTER,
    TRANSIENT,
)
from support.resuming import COMPLETE, CUT, MORE_MAY_FOLLOW, run, settled, streaming, waiting

# The end


def test_a_stream_completes_by_its_terminal_event() -> None:
    stream, actions = run(streaming(), Judged(COMPLETE))
    assert stream.state is State.COMPLETED
    assert actions == [Close(), Settle(EndState.COMPLETE)]


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (EndState.LENGTH, State.INCOMPLETE),
        (EndState.REFUSED, State.INCOMPLETE),
        (EndState.FAILED, State.FAILED),
        (EndState.STOPPED, State.CANCELLED),
    ],
)
def test_every_other_verdict_has_its_state_and_keeps_its_note(end: EndState, state: State) -> None:
    stream, actions = run(streaming(), Judged(Verdict(end, "because")))
    assert (stream.state, settled(actions)) == (state, (end, "because"))


AFTER_THE_VERDICT = [
    Fired(),
    Lost("the server closed the stream", clean=True),
    Judged(COMPLETE),
    Refused("an event is too large"),
    Differed(),
    Gapped(),
    Stopped(),
]


@pytest.mark.parametrize("end", AFTER_THE_VERDICT, ids=lambda end: type(end).__name__)
@pytest.mark.parametrize("rung", [Rung.NONE, Rung.EXACT])
def test_a_verdict_that_may_be_followed_lingers_and_then_any_end_is_fine(
    rung: Rung, end: object
) -> None:
    stream, actions = run(streaming(rung, fetchable=True), Judged(MORE_MAY_FOLLOW))
    assert (stream.state, actions) == (State.STREAMING, [Linger(LINGER)])
    stream, actions = run(stream, end)
    assert (stream.state, settled(actions)) == (State.COMPLETED, (EndState.COMPLETE, ""))


def test_what_may_follow_a_verdict_is_asked_for_once_where_it_can_be_had() -> None:
    """Usage and end marks: not needed for the answer, but whoever reads along may wait for them."""
    judged, _ = run(streaming(Rung.EXACT), Judged(MORE_MAY_FOLLOW))
    stream, actions = run(judged, CUT)
    assert (stream.state, actions) == (
        State.RESUMING,
        [Close(), Connect(resume=True), Linger(REST)],
    )
    for end in (Unreached("no"), Refused("gone", 404), Refused("busy", 503), Withdrawn(), Fired()):
        after, actions = run(stream, end)
        assert (after.state, settled(actions)) == (State.COMPLETED, (EndState.COMPLETE, ""))
    stream, actions = run(stream, Opened(Rung.EXACT), Arrived(1))
    assert (stream.state, actions) == (State.STREAMING, [Linger(LINGER)])
    for end in (Judged(COMPLETE), CUT, Fired(), Stopped()):
        after, actions = run(stream, end)
        assert (after.state, settled(actions)) == (State.COMPLETED, (EndState.COMPLETE, ""))


@pytest.mark.parametrize(
    ("rung", "verdict"), [(Rung.NONE, MORE_MAY_FOLLOW), (Rung.FETCH, MORE_MAY_FOLLOW)]
)
def test_what_cannot_be_had_is_not_asked_for(rung: Rung, verdict: Verdict) -> None:
    stream, _ = run(streaming(rung), Judged(verdict))
    stream, actions = run(stream, CUT)
    assert (stream.state, settled(actions)) == (State.COMPLETED, (EndState.COMPLETE, ""))


def test_a_verdict_that_is_committed_while_a_probe_connects_counts() -> None:
    # Woken, the machine connects anew while events of the old connection are still written down.
    for verdict in (COMPLETE, MORE_MAY_FOLLOW):
        stream, actions = run(streaming(), Woken(), Judged(verdict))
        assert (stream.state, actions) == (
            State.COMPLETED,
            [Close(), Settle(EndState.COMPLETE)],
        )


def test_a_clean_end_without_a_verdict_is_a_cut() -> None:
    stream, actions = run(streaming(Rung.NONE), Lost("the server closed the stream"))
    assert stream.state is State.INTERRUPTED
    assert settled(actions) == (EndState.CUT, "the server closed the stream")


@pytest.mark.parametrize("state", RECEIVING)
def test_a_timer_without_a_verdict_ends_nothing(state: State) -> None:
    stream = Stream(state=state)
    assert run(stream, Fired()) == (stream, [])


# A cut is resumed


def test_a_cut_is_resumed_where_the_server_can() -> None:
    stream, actions = run(streaming(), CUT)
    assert stream.state is State.BACKOFF
    assert actions == [Close(), Wait(0.0, FIRST_TRY)]
    stream, actions = run(stream, Fired())
    assert stream.state is State.RESUMING
    assert actions == [Close(), Connect(resume=True)]
    stream, _ = run(stream, Opened(Rung.EXACT))
    assert stream.state is State.REPLAYING
    assert run(stream, Arrived(0))[0].state is State.REPLAYING
    assert run(stream, Arrived(1))[0].state is State.STREAMING


@pytest.mark.parametrize("rung", [Rung.CONTINUE, Rung.NONE])
def test_what_only_a_new_request_could_continue_is_left_to_the_user(rung: Rung) -> None:
    assert run(streaming(rung), CUT)[0].state is State.INTERRUPTED
    assert run(streaming(rung), Woken()) == (streaming(rung), [])


def test_a_rung_that_shows_late_counts_and_is_not_lost_again() -> None:
    stream = streaming(Rung.NONE)
    stream, _ = run(stream, Arrived(1, rung=Rung.EXACT), Arrived(1), Arrived(1, rung=Rung.REPLAY))
    assert stream.rung is Rung.EXACT


def test_tries_reset_only_when_a_new_frame_was_committed() -> None:
    stream, _ = run(streaming(), CUT, Fired(), Opened(), CUT)
    assert stream.tries == 2
    stream, _ = run(stream, Fired(), Opened(), Arrived(0))
    assert stream.tries == 2
    stream, _ = run(stream, Arrived(1))
    assert (stream.tries, stream.since) == (0, None)


@pytest.mark.parametrize("lost", [CUT, Unreached("no route"), Refused("busy", 503)])
def test_it_gives_up_after_no_progress_and_keeps_the_partial(lost: object) -> None:
    stream, _ = run(streaming(), CUT, Fired())
    for _ in range(MAX_TRIES - 1):
        stream, _ = run(stream, lost)
        assert stream.state is State.BACKOFF
        stream, _ = run(stream, Fired())
    stream, actions = run(stream, lost)
    assert stream.state is State.INTERRUPTED
    end, note = settled(actions)
    assert end is EndState.CUT
    assert f"no progress in {MAX_TRIES} tries" in note


def test_it_gives_up_after_a_quarter_of_an_hour_without_a_new_frame() -> None:
    stream, _ = run(streaming(), CUT, at=100.0)
    stream, _ = run(stream, Fired(), Opened(), CUT, at=100.0 + GIVE_UP_AFTER)
    assert stream.state is State.BACKOFF
    stream, _ = run(stream, Fired(), Opened(), CUT, at=101.0 + GIVE_UP_AFTER)
    assert stream.state is State.INTERRUPTED


def test_progress_in_between_begins_the_quarter_of_an_hour_anew() -> None:
    stream, _ = run(streaming(), CUT, Fired(), Opened(), Arrived(1), at=0.0)
    stream, _ = run(stream, CUT, at=GIVE_UP_AFTER + 1)
    assert stream.state is State.BACKOFF


def test_backoff_doubles_up_to_a_cap() -> None:
    stream, spreads = streaming(), []
    for _ in range(MAX_TRIES):
        stream, actions = run(stream, CUT)
        spreads += [action.spread for action in actions if isinstance(action, Wait)]
        stream, _ = run(stream, Fired())
    assert spreads == [FIRST_TRY, 1.0, 2.0, 4.0, 8.0, 16.0, BACKOFF_CAP, BACKOFF_CAP]


def test_retry_is_a_floor_on_the_first_try_too() -> None:
    stream, actions = run(streaming(), Arrived(1, floor=3.0), CUT)
    assert actions == [Close(), Wait(3.0, FIRST_TRY)]
    assert run(stream, Woken())[1] == [Close(), Connect(resume=True)]


def test_a_retry_alone_is_no_progress_but_counts() -> None:
    stream, _ = run(waiting(), Opened(Rung.EXACT), Arrived(0, floor=3.0))
    assert stream.state is State.WAITING
    assert run(stream, CUT)[1] == [Close(), Wait(3.0, FIRST_TRY)]


def test_an_absurd_retry_is_bounded() -> None:
    _, actions = run(streaming(), Arrived(1, floor=1e9), CUT)
    assert actions == [Close(), Wait(MAX_FLOOR, FIRST_TRY)]


def test_woken_while_it_receives_it_probes_by_a_new_connection() -> None:
    for rung in STREAMS:
        stream, actions = run(streaming(rung), Woken())
        assert stream.state is State.RESUMING
        assert actions == [Close(), Connect(resume=True)]
        # So does a connection that was being made: it may hang.
        assert run(stream, Woken())[1] == [Close(), Connect(resume=True)]
        replaying, _ = run(stream, Opened())
        assert run(replaying, Woken())[1] == [Close(), Connect(resume=True)]


def test_woken_after_the_verdict_it_waits_for_the_rest_in_peace() -> None:
    stream, _ = run(streaming(), Judged(MORE_MAY_FOLLOW))
    assert run(stream, Woken()) == (stream, [])


# What the server says to a resume


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (204, State.INTERRUPTED),
        (404, State.EXPIRED),
        (410, State.EXPIRED),
        (401, State.INTERRUPTED),
        (403, State.INTERRUPTED),
        (None, State.INTERRUPTED),
        *((status, State.BACKOFF) for status in sorted(TRANSIENT)),
    ],
)
def test_what_an_answer_to_a_resume_means(status: int | None, state: State) -> None:
    resuming, _ = run(streaming(), CUT, Fired())
    assert run(resuming, Refused("said", status))[0].state is state


def test_a_refused_cursor_is_followed_once_by_a_replay_from_the_start() -> None:
    resuming, _ = run(streaming(), CUT, Fired())
    stream, actions = run(resuming, Refused("bad cursor", 400), Fired())
    assert actions == [Close(), Connect(resume=True, from_start=True)]
    assert run(stream, Refused("bad cursor", 400))[0].state is State.EXPIRED


def test_a_replay_from_the_start_that_breaks_off_begins_there_again_until_it_brings_news() -> None:
    resuming, _ = run(streaming(), CUT, Fired())
    replaying, _ = run(resuming, Refused("bad cursor", 400), Fired(), Opened(), Arrived(0))
    assert run(replaying, CUT, Fired())[1] == [Close(), Connect(resume=True, from_start=True)]
    assert run(replaying, Arrived(1), CUT, Fired())[1] == [Close(), Connect(resume=True)]


def test_a_body_that_cannot_be_read_on_is_a_cut_with_its_reason() -> None:
    _, actions = run(streaming(), Refused("an event is too large"))
    assert settled(actions) == (EndState.CUT, "an event is too large")


def test_a_server_that_turns_out_to_keep_nothing_is_heard_to_the_end_and_asked_no_more() -> None:
    stream, actions = run(streaming(stoppable=True), Withdrawn())
    assert (stream.state, stream.stoppable, actions) == (State.STREAMING, False, [])
    assert run(stream, Arrived(1), CUT)[0].state is State.INTERRUPTED
    assert run(stream, Arrived(1), Judged(COMPLETE))[0].state is State.COMPLETED


@pytest.mark.parametrize("then", [[], [Fired()]])
def test_if_that_turns_out_after_the_connection_was_lost_the_answer_is_cut(
    then: list[Fired],
) -> None:
    away, _ = run(streaming(), CUT, *then)
    assert settled(run(away, Withdrawn())[1]) == (EndState.CUT, CUT.why)


def test_another_answer_is_kept_apart() -> None:
    replaying, _ = run(streaming(), CUT, Fired(), Opened())
    stream, actions = run(replaying, Differed())
    assert stream.state is State.INTERRUPTED
    assert actions[-1] == Fork()
    assert settled(actions)[0] is EndState.CUT


def test_a_server_that_sends_another_answer_each_time_is_not_forked_without_end() -> None:
    forked, _ = take_up(rung=Rung.REPLAY, forked=True)
    stream, actions = run(forked, Opened(), Differed())
    assert stream.state is State.INTERRUPTED
    assert Fork() not in actions


def test_a_forked_attempt_says_that_its_beginning_may_be_missing() -> None:
    forked, _ = take_up(rung=Rung.REPLAY, forked=True)
    stream, _ = run(forked, Opened(), Arrived(1), Judged(COMPLETE))
    assert (stream.state, "beginning" in stream.note) == (State.COMPLETED, True)


def test_quiet_is_shown_as_a_stall_and_payload_ends_it() -> None:
    assert run(streaming(), Quiet(STALL_AFTER - 1)) == (streaming(), [])
    stream, _ = run(streaming(), Quiet(STALL_AFTER))
    assert stream.state is State.STALLED
    assert run(stream, Arrived(1))[0].state is State.STREAMING
