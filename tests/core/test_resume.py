"""The resume machine: what it decides, and what it must never do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.deltas import EndState, Verdict
from ssechat.core.resume import (
    Arrived,
    AskStop,
    Close,
    Confirmed,
    Connect,
    Differed,
    Fired,
    Fork,
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
    machine,
    step,
    submit,
    take_up,
)

COMPLETE = Verdict(EndState.COMPLETE)


def run(stream: Stream, *happenings: object, at: float = 0.0) -> tuple[Stream, list[object]]:
    """The state after `happenings`, and what the last of them asked for."""
    actions: list[object] = []
    for happening in happenings:
        stream, actions = step(stream, happening, at)
    return stream, actions


def streaming(rung: Rung = Rung.EXACT, **opened: object) -> Stream:
    first, _ = submit()
    return run(first, Sent(), Opened(rung, **opened), Arrived(1, rung=rung))[0]


def test_a_stream_completes_by_its_terminal_event() -> None:
    stream, actions = run(streaming(), Judged(COMPLETE))
    assert stream.state is State.COMPLETED
    assert actions == [Close(), Settle(EndState.COMPLETE)]


def test_a_verdict_that_may_be_followed_lingers_and_then_any_end_is_fine() -> None:
    verdict = Verdict(EndState.COMPLETE, last=False)
    stream, actions = run(streaming(), Judged(verdict))
    assert (stream.state, actions) == (State.STREAMING, [Linger(machine.LINGER)])
    for end in (Fired(), Lost("reset"), Judged(COMPLETE)):
        assert run(stream, end)[0].state is State.COMPLETED


def test_a_clean_end_without_a_verdict_is_a_cut() -> None:
    stream, actions = run(streaming(Rung.NONE), Lost("the server closed the stream"))
    assert stream.state is State.INTERRUPTED
    assert Settle(EndState.CUT, "the server closed the stream") in actions


def test_a_cut_is_resumed_where_the_server_can() -> None:
    stream, actions = run(streaming(), Lost("cut"))
    assert stream.state is State.BACKOFF
    assert actions == [Close(), Wait(0.0, machine.FIRST_TRY)]
    stream, actions = run(stream, Fired())
    assert stream.state is State.RESUMING
    assert actions == [Close(), Connect(resume=True)]
    stream, _ = run(stream, Opened(Rung.EXACT))
    assert stream.state is State.REPLAYING
    assert run(stream, Arrived(0, known=3))[0].state is State.REPLAYING
    assert run(stream, Arrived(1))[0].state is State.STREAMING


def test_tries_reset_only_when_a_new_frame_was_committed() -> None:
    stream, _ = run(streaming(), Lost("cut"), Fired(), Opened(), Lost("cut"))
    assert stream.tries == 2
    stream, _ = run(stream, Fired(), Opened(), Arrived(0, known=2))
    assert stream.tries == 2
    assert run(stream, Arrived(1))[0].tries == 0


def test_it_gives_up_after_no_progress_and_keeps_the_partial() -> None:
    stream = streaming()
    for _ in range(machine.MAX_TRIES):
        stream, _ = run(stream, Lost("cut"))
        assert stream.state is State.BACKOFF
        stream, _ = run(stream, Fired())
    stream, actions = run(stream, Lost("cut"))
    assert stream.state is State.INTERRUPTED
    assert isinstance(actions[-1], Settle)
    assert actions[-1].end is EndState.CUT


def test_it_gives_up_after_a_quarter_of_an_hour_without_a_new_frame() -> None:
    stream, _ = run(streaming(), Lost("cut"), at=0.0)
    stream, _ = run(stream, Fired(), at=machine.GIVE_UP_AFTER)
    stream, _ = run(stream, Lost("cut"), at=machine.GIVE_UP_AFTER + 1)
    assert stream.state is State.INTERRUPTED


def test_backoff_doubles_up_to_a_cap() -> None:
    stream, spreads = streaming(), []
    for _ in range(machine.MAX_TRIES):
        stream, actions = run(stream, Lost("cut"))
        spreads.append(actions[-1].spread)
        stream, _ = run(stream, Fired())
    assert spreads == [0.25, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_retry_is_a_floor_on_the_first_try_too() -> None:
    stream, actions = run(streaming(), Arrived(1, floor=3.0), Lost("cut"))
    assert actions == [Close(), Wait(3.0, machine.FIRST_TRY)]
    assert run(stream, Woken())[1] == [Close(), Connect(resume=True)]


def test_an_absurd_retry_is_bounded() -> None:
    _, actions = run(streaming(), Arrived(1, floor=1e9), Lost("cut"))
    assert actions[-1].floor == machine.MAX_FLOOR


@pytest.mark.parametrize("status", sorted(machine.BUSY))
def test_a_busy_server_is_asked_again_after_the_time_that_it_names(status: int) -> None:
    stream, actions = run(submit()[0], Sent(), Refused("busy", status, 7.0))
    assert stream.state is State.BACKOFF
    assert actions == [Close(), Wait(7.0, machine.FIRST_TRY)]
    assert run(stream, Fired())[1] == [Close(), Connect(resume=False)]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502, None])
def test_another_refusal_of_a_request_is_final(status: int | None) -> None:
    stream, _ = run(submit()[0], Sent(), Refused("no", status))
    assert (stream.state, stream.note) == (State.FAILED, "no")


def test_a_wait_that_is_too_long_is_reported_instead() -> None:
    stream, _ = run(submit()[0], Sent(), Refused("busy", 429, 3600.0))
    assert stream.state is State.FAILED
    assert "3600" in stream.note


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (204, State.INTERRUPTED),
        (404, State.EXPIRED),
        (410, State.EXPIRED),
        (401, State.INTERRUPTED),
        (403, State.INTERRUPTED),
        (429, State.BACKOFF),
        (502, State.BACKOFF),
        (None, State.INTERRUPTED),
    ],
)
def test_what_an_answer_to_a_resume_means(status: int | None, state: State) -> None:
    resuming, _ = run(streaming(), Lost("cut"), Fired())
    assert run(resuming, Refused("said", status))[0].state is state


def test_a_refused_cursor_is_followed_once_by_a_replay_from_the_start() -> None:
    resuming, _ = run(streaming(), Lost("cut"), Fired())
    stream, actions = run(resuming, Refused("bad cursor", 400), Fired())
    assert actions == [Close(), Connect(resume=True, from_start=True)]
    assert run(stream, Refused("bad cursor", 400))[0].state is State.EXPIRED


def test_a_request_whose_answer_is_lost_is_never_sent_again_by_itself() -> None:
    stream, actions = run(submit()[0], Sent(), Lost("reset"))
    assert stream.state is State.INTERRUPTED
    assert "may have been billed" in actions[-1].note


def test_with_an_idempotency_key_it_is() -> None:
    stream, _ = run(submit(idempotent=True)[0], Sent(), Lost("reset"))
    assert run(stream, Fired())[1] == [Close(), Connect(resume=False)]


def test_a_server_that_shows_no_way_to_continue_is_not_trusted_with_a_key() -> None:
    stream, _ = run(submit(idempotent=True)[0], Sent(), Opened(Rung.NONE), Lost("reset"))
    assert stream.state is State.INTERRUPTED


def test_a_connection_that_fails_before_a_byte_left_is_tried_a_few_times() -> None:
    stream, _ = submit()
    for _ in range(machine.MAX_CONNECT_TRIES - 1):
        stream, _ = run(stream, Unreached("no route"))
        assert stream.state is State.BACKOFF
        stream, actions = run(stream, Fired())
        assert actions[-1] == Connect(resume=False)
    assert run(stream, Unreached("no route"))[0].state is State.FAILED


def test_a_futile_connection_fails_at_once() -> None:
    assert run(submit()[0], Unreached("nothing listens", futile=True))[0].state is State.FAILED


def test_stop_asks_a_server_that_can_be_asked() -> None:
    stream, actions = run(streaming(stoppable=True), Stopped())
    assert (stream.state, actions) == (State.CANCELLING, [Close(), AskStop()])
    assert run(stream, Confirmed())[1] == [Settle(EndState.STOPPED)]


def test_stop_is_asked_again_until_it_is_confirmed_or_hopeless() -> None:
    stream, _ = run(streaming(stoppable=True), Stopped())
    for _ in range(machine.MAX_CANCEL_TRIES - 1):
        stream, actions = run(stream, Confirmed("no answer"))
        assert isinstance(actions[0], Wait)
        stream, actions = run(stream, Fired())
        assert AskStop() in actions
    stream, actions = run(stream, Confirmed("no answer"))
    assert stream.state is State.CANCELLED
    assert "did not confirm" in actions[0].note


def test_stop_by_closing_says_so() -> None:
    stream, actions = run(streaming(Rung.NONE), Stopped())
    assert stream.state is State.CANCELLED
    assert actions == [Close(), Settle(EndState.STOPPED, "by closing the connection")]


def test_a_stop_while_waiting_to_try_again_ends_it() -> None:
    waiting, _ = run(submit()[0], Sent(), Refused("busy", 429, 60.0))
    assert run(waiting, Stopped())[0].state is State.CANCELLED


def test_quiet_is_shown_as_a_stall_and_payload_ends_it() -> None:
    stream, _ = run(streaming(), Quiet(machine.STALL_AFTER))
    assert stream.state is State.STALLED
    assert run(stream, Arrived(1))[0].state is State.STREAMING


def test_another_answer_is_kept_apart() -> None:
    replaying, _ = run(streaming(), Lost("cut"), Fired(), Opened())
    stream, actions = run(replaying, Differed())
    assert stream.state is State.INTERRUPTED
    assert Fork() in actions
    assert any(isinstance(a, Settle) and a.end is EndState.CUT for a in actions)


def test_a_forked_attempt_says_that_its_beginning_may_be_missing() -> None:
    forked, _ = take_up(rung=Rung.REPLAY, forked=True)
    stream, _ = run(forked, Opened(), Arrived(1), Judged(COMPLETE))
    assert (stream.state, "beginning" in stream.note) == (State.COMPLETED, True)


def test_a_stream_of_a_dead_process_goes_on_by_its_rung() -> None:
    assert take_up(rung=Rung.EXACT)[1] == [Connect(resume=True)]
    assert take_up(rung=Rung.NONE, idempotent=True)[1] == [Connect(resume=False)]
    assert take_up(rung=Rung.NONE)[0].state is State.INTERRUPTED
    assert "billed" in take_up(rung=Rung.NONE, opened=False)[0].note
    assert take_up(rung=Rung.EXACT, verdict=COMPLETE)[0].state is State.COMPLETED
    assert take_up(rung=Rung.EXACT, stopping=True, stoppable=True)[1] == [Close(), AskStop()]


HAPPENINGS = st.one_of(
    st.just(Sent()),
    st.builds(Unreached, st.just("x"), st.booleans()),
    st.builds(Refused, st.just("x"), st.sampled_from([None, 204, 400, 401, 404, 429, 500, 503])),
    st.builds(Opened, st.sampled_from(Rung), st.booleans()),
    st.builds(Arrived, st.integers(0, 2), rung=st.sampled_from(Rung)),
    st.builds(Judged, st.builds(Verdict, st.sampled_from(list(machine._ENDS)), last=st.booleans())),
    st.builds(Quiet, st.sampled_from([1.0, 30.0])),
    st.just(Lost("x")),
    st.just(Differed()),
    st.just(Fired()),
    st.just(Woken()),
    st.just(Stopped()),
    st.builds(Confirmed, st.sampled_from(["", "x"])),
)


@given(st.lists(HAPPENINGS, max_size=40), st.booleans())
def test_no_history_posts_twice_completes_falsely_or_settles_twice(
    happenings: list[object], idempotent: bool
) -> None:
    stream, actions = submit(idempotent=idempotent)
    settled = posts = 0
    may_post_again = False
    judged = False
    for now, happening in enumerate(happenings):
        judged = judged or (isinstance(happening, Judged) and not stream.ended)
        if isinstance(happening, Unreached) or (
            isinstance(happening, Refused) and happening.status in machine.BUSY
        ):
            may_post_again = True
        before = stream
        stream, actions = step(stream, happening, float(now))
        posts += sum(isinstance(a, Connect) and not a.resume for a in actions)
        settles = [a for a in actions if isinstance(a, Settle)]
        settled += len(settles)
        assert settled <= 1
        assert bool(settled) == stream.ended
        if before.ended:
            assert (stream, actions) == (before, [])
        if any(a.end is EndState.COMPLETE for a in settles):
            assert judged
    assert posts == 0 or idempotent or may_post_again


def test_every_row_of_the_table_is_documented() -> None:
    page = Path(__file__).parents[2].joinpath("docs/resume-machine.md").read_text()
    assert resume_table() in page


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
