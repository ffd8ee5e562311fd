"""The splice after the replay: servers that send again what they sent on this very connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.history import History
from ssechat.core.splice import Finding, Splice


def event(data: str, event_id: str | None) -> Frame:
    return Frame(FrameKind.EVENT, data, id=event_id or "", own_id=event_id is not None)


EVENTS = [event(f"e{n}", str(n)) for n in range(1, 10)]


def new(held: list[Frame], arriving: list[Frame]) -> list[str]:
    """What of `arriving` is new to a client that holds `held`, one event a chunk."""
    history = History()
    for frame in held:
        history.add(frame)
    splice = Splice(history, history.last_id)
    found: list[str] = []
    for frame in arriving:
        sifted = splice.sift([frame])
        assert sifted.broken is None
        for passed in sifted.new:
            history.add(passed)  # it is committed while the connection goes on
            found.append(passed.data)
    return found


def numbered(*ids: int) -> list[Frame]:
    return [EVENTS[n - 1] for n in ids]


@pytest.mark.parametrize(
    ("held", "sent"),
    [
        (3, (4, 5, 6, 5, 6, 7)),
        (3, (4, 5, 6, 4, 5, 6, 7)),
        (3, (4, 3, 4, 5, 6, 7)),
        (3, (4, 1, 2, 3, 4, 5, 6, 7)),
        (3, (4, 5, 4, 5, 4, 5, 6, 7)),
        (3, (2, 3, 4, 5, 6, 2, 7)),
        (3, (4, 5, 2, 6, 3, 7)),
    ],
)
def test_what_came_already_is_dropped_wherever_it_comes_again(
    held: int, sent: tuple[int, ...]
) -> None:
    assert new(EVENTS[:held], numbered(*sent)) == ["e4", "e5", "e6", "e7"]


def test_a_first_connection_is_held_to_the_same() -> None:
    assert new([], numbered(1, 2, 3, 2, 3, 4)) == ["e1", "e2", "e3", "e4"]


def test_ids_of_a_first_connection_that_name_no_single_events_repeat_nothing() -> None:
    """Nothing was asked for again there; such ids may name channels, parts or choices."""
    channels = [event("ha", "0"), event("x", "1"), event("ha", "0"), event("y", "1")]
    assert new([], channels) == ["ha", "x", "ha", "y"]
    parts = [event(text, id) for text, id in zip("aabcaab", "0120120", strict=True)]
    assert new([], parts) == list("aabcaab")


def test_an_id_that_passed_with_other_words_is_not_a_repetition() -> None:
    assert new(EVENTS[:2], [*numbered(3, 4), event("other", "3")]) == ["e3", "e4", "other"]


def test_a_checkpoint_goes_on_being_sent_with_equal_words_too() -> None:
    assert new([], [event("ha", "7")] * 3) == ["ha"] * 3
    assert new(EVENTS[:2], [event("ha", "7")] * 3) == ["ha"] * 3


def test_once_an_earlier_event_has_come_again_the_checkpoints_events_are_due_again_each_once() -> (
    None
):
    run = [event("a", "6"), event("ha", "7"), event("ha", "7")]
    assert new(run[:1], [*run[1:], *run, event("ha", "7")]) == ["ha", "ha", "ha"]
    assert new(run, [event("x", None), *run, event("ha", "7")]) == ["x", "ha"]


def renamed(texts: str, name: str) -> list[Frame]:
    return [event(text, f"{name}{n}") for n, text in enumerate(texts)]


def test_a_deaf_server_that_names_its_events_anew_sends_another_answer() -> None:
    history = History()
    for frame in renamed("abcdefghij", "x"):
        history.add(frame)
    splice = Splice(history, history.last_id)
    sifted = splice.sift(renamed("abcdefghijklm", "y"))
    assert (sifted.new, sifted.broken) == ([], Finding.DIFFERS)


@pytest.mark.parametrize("again", range(8))
def test_what_only_begins_like_the_answer_goes_on_with_it(again: int) -> None:
    held = renamed("abcdefghij", "x")
    rest = "abcdefghij"[:again] + "!?"
    assert new(held, renamed(rest, "y")) == list(rest)


def test_an_answer_may_end_as_it_began() -> None:
    history = History()
    for frame in renamed("abcdefghij", "x"):
        history.add(frame)
    splice = Splice(history, history.last_id)
    assert splice.sift(renamed("ab", "y")).new == []
    assert [frame.data for frame in splice.close()] == ["a", "b"]
    assert splice.caught_up
    assert splice.close() == []


def test_an_answer_of_repeated_words_goes_on_at_once() -> None:
    assert new(renamed("aaaaaaaaaa", "x"), renamed("aaaa", "y")) == list("aaaa")


def test_a_short_answer_may_repeat_itself() -> None:
    assert new(renamed("ababa", "x"), renamed("ababab", "y")) == list("ababab")


def test_something_new_ends_the_repetition() -> None:
    run = [event("a", "6"), event("ha", "7"), event("ha", "7")]
    sent = [*run[1:], run[0], run[1], event("b", "7"), event("ha", "7")]
    assert new(run[:1], sent) == ["ha", "ha", "b", "ha"]


def test_events_without_an_id_pass_once_the_replay_is_over() -> None:
    # They cannot be told from new ones that are equal.
    sent = [EVENTS[2], event("ha", None), EVENTS[3]]
    assert new(EVENTS[:2], [*sent, *sent]) == ["e3", "ha", "e4", "ha"]


def checkpoints(runs: list[list[str]]) -> list[Frame]:
    """Events of which several may carry one id."""
    return [event(text, f"c{n}") for n, run in enumerate(runs) for text in run]


RUNS = st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=3), min_size=1, max_size=6)


@given(st.data(), RUNS)
def test_whatever_run_comes_again_each_event_is_new_exactly_once(
    source: st.DataObject, runs: list[list[str]]
) -> None:
    stream = checkpoints(runs)
    starts = [n for n, frame in enumerate(stream) if n == 0 or frame.id != stream[n - 1].id]
    held = source.draw(st.sampled_from([*starts[1:], len(stream)]))
    sent, at = [], held
    while at < len(stream):
        sent.append(stream[at])
        at += 1
        # A repetition begins with an earlier id, and goes on up to where the stream stood.
        earlier = [n for n in starts if stream[n].id != stream[at - 1].id]
        if earlier and source.draw(st.booleans()):
            sent += stream[source.draw(st.sampled_from(earlier)) : at]
    assert new(stream[:held], sent) == [frame.data for frame in stream[held:]]
