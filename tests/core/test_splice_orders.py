"""The splice where ids are ordered: numbers without a gap, byte offsets, our own relay's ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.history import History
from ssechat.core.splice import Finding, Order, Ordering, Splice, order


def event(event_id: object, text: str | None = None) -> Frame:
    own_id = event_id is not None
    data = f"e{event_id}" if text is None else text
    return Frame(FrameKind.EVENT, data, id=str(event_id) if own_id else "", own_id=own_id)


def spliced(ordering: Ordering, *held: object) -> Splice:
    """A connection that goes on behind the events with the ids `held`."""
    history = History()
    for event_id in held:
        history.add(event(event_id))
    return Splice(history, history.last_id, ordering=ordering)


def ids(frames: list[Frame]) -> list[str]:
    return [frame.id for frame in frames]


def relay(*seqs: int, epoch: int = 1) -> list[str]:
    return [f"st_a.{epoch}-{seq}" for seq in seqs]


# Sequences


@pytest.mark.parametrize("first", [0, 1, 17])
def test_a_sequence_may_begin_with_any_number(first: int) -> None:
    splice = spliced(Ordering.SEQUENCE)
    sifted = splice.sift([event(first), event(first + 1), event(first + 3)])
    assert ids(sifted.new) == [str(first), str(first + 1)]
    assert (sifted.broken, ids(sifted.rest)) == (Finding.GAP, [str(first + 3)])


@pytest.mark.parametrize("first", [0, 1, 17])
def test_a_replay_from_its_first_number_is_dropped(first: int) -> None:
    held = range(first, first + 3)
    splice = spliced(Ordering.SEQUENCE, *held)
    assert ids(splice.sift([*map(event, held), event(first + 3)]).new) == [str(first + 3)]
    assert splice.checked == 3


def test_numbers_at_or_below_the_cursor_are_dropped_whatever_they_hold_and_whenever() -> None:
    splice = spliced(Ordering.SEQUENCE, 0, 1, 2)
    sent = [event(1, "other"), event(2), event(3), event(0), event(3), event(4), event(2)]
    assert ids(splice.sift(sent).new) == ["3", "4"]


def test_numbers_out_of_order_are_a_gap_where_the_first_one_is_too_high() -> None:
    sifted = spliced(Ordering.SEQUENCE, 3).sift([event(4), event(6), event(5), event(7)])
    assert ids(sifted.new) == ["4"]
    assert (sifted.broken, ids(sifted.rest)) == (Finding.GAP, ["6", "5", "7"])


def test_a_gap_in_a_sequence_that_cannot_be_closed_is_gone_on_from() -> None:
    splice = spliced(Ordering.SEQUENCE, 3)
    sifted = splice.sift([event(6), event(5), event(7)])
    splice.accept(sifted.rest[0])
    assert ids(splice.sift(sifted.rest).new) == ["6", "7"]


def test_an_event_without_a_number_among_numbered_ones_ends_the_counting() -> None:
    splice = spliced(Ordering.SEQUENCE, 1, 2)
    sifted = splice.sift([event(3), event(None, "x"), event(9)])
    assert sifted.broken is None
    assert ids(sifted.new) == ["3", "", "9"]


# Offsets


def test_offsets_jump_by_the_length_of_an_event() -> None:
    sifted = spliced(Ordering.OFFSET).sift([event(120), event(121), event(90_000)])
    assert ids(sifted.new) == ["120", "121", "90000"]
    sifted = spliced(Ordering.OFFSET, 120, 121).sift([event(4_000), event(4_100)])
    assert ids(sifted.new) == ["4000", "4100"]


def test_offsets_at_or_below_the_cursor_are_dropped() -> None:
    splice = spliced(Ordering.OFFSET, 100, 250, 300)
    assert ids(splice.sift([event(n) for n in (100, 250, 300, 420, 300, 500)]).new) == [
        "420",
        "500",
    ]


# Our relay's ids


def test_an_epoch_that_does_not_begin_with_one_has_a_gap() -> None:
    splice = spliced(Ordering.RELAY, *relay(1, 2))
    assert splice.sift([*map(event, relay(2, epoch=2))]).broken is Finding.GAP


def test_an_earlier_epoch_is_past() -> None:
    splice = spliced(Ordering.RELAY, *relay(1, 2), *relay(1, epoch=2))
    assert ids(splice.sift([*map(event, relay(2, 3) + relay(1, 2, epoch=2))]).new) == relay(
        2, epoch=2
    )


def test_an_event_under_anothers_name_is_another_answer_in_mid_stream_too() -> None:
    splice = spliced(Ordering.RELAY)
    sifted = splice.sift([event("st_a.1-1"), event("st_b.1-2")])
    assert (ids(sifted.new), sifted.broken) == (["st_a.1-1"], Finding.DIFFERS)


# All of them

SERIES = {
    Ordering.SEQUENCE: [str(n) for n in range(10)],
    Ordering.OFFSET: [str(n * n + 40) for n in range(10)],
    Ordering.RELAY: relay(*range(1, 11)),
}


@given(st.data(), st.sampled_from(list(SERIES)))
def test_whatever_comes_again_each_event_is_new_exactly_once(
    source: st.DataObject, ordering: Ordering
) -> None:
    stream = SERIES[ordering]
    held = source.draw(st.integers(0, len(stream)))
    splice, found, at = spliced(ordering, *stream[:held]), [], held
    while at < len(stream):
        again = source.draw(st.lists(st.integers(0, at), max_size=3))
        at = max([at, *(n + 1 for n in again)])
        for n in again:
            sifted = splice.sift([event(stream[n])])
            assert sifted.broken is None
            found += ids(sifted.new)
        at += not again
        if not again:
            found += ids(splice.sift([event(stream[at - 1])]).new)
    assert found == stream[held:]


@pytest.mark.parametrize("text", ["", "+5", "-5", " 5", "5 ", "5.0", "0x5", "５", "1" * 16, "5\n"])
@pytest.mark.parametrize("ordering", [Ordering.SEQUENCE, Ordering.OFFSET])
def test_only_plain_numbers_are_counted_with(text: str, ordering: Ordering) -> None:
    assert order(text, ordering) is None


def test_a_number_counts_however_it_is_written() -> None:
    assert order("007", Ordering.SEQUENCE) == Order("", 1, 7)
    assert order("7", Ordering.OPAQUE) is None
