"""The splice: what of a resumed stream is new."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.history import History
from ssechat.core.splice import Finding, Ordering, Splice, order


def event(data: str, event_id: str | None = None, in_force: str = "") -> Frame:
    """An event; with `event_id` its own block carried it."""
    own = event_id is not None
    return Frame(FrameKind.EVENT, data, id=event_id if own else in_force, own_id=own)


def known(*frames: Frame) -> History:
    history = History()
    for frame in frames:
        history.add(frame)
    return history


def data(frames: list[Frame]) -> list[str]:
    return [frame.data for frame in frames]


DENSE = [event(f"e{n}", str(n)) for n in range(1, 8)]
SPARSE = [event(f"e{n}", str(n)) if n % 3 == 0 else event(f"e{n}") for n in range(1, 8)]


def resumed(stream: list[Frame], held: int, sent_from: int) -> tuple[list[str], Splice]:
    """The server sends `stream[sent_from:]` to a client that holds its first `held` events."""
    cursor = next((f.id for f in reversed(stream[:held]) if f.own_id), "")
    splice = Splice(known(*stream[:held]), cursor)
    sifted = splice.sift(stream[sent_from:])
    assert sifted.broken is None
    return data(sifted.new), splice


@pytest.mark.parametrize("held", range(1, 8))
def test_a_server_that_goes_on_after_the_cursor_repeats_nothing(held: int) -> None:
    new, _ = resumed(DENSE, held, held)
    assert new == data(DENSE[held:])


@pytest.mark.parametrize("held", range(1, 8))
def test_an_event_sent_again_with_the_cursor_itself_is_dropped(held: int) -> None:
    new, splice = resumed(DENSE, held, held - 1)
    assert new == data(DENSE[held:])
    assert splice.checked == 1


@pytest.mark.parametrize("held", range(1, 8))
@pytest.mark.parametrize("stream", [DENSE, SPARSE], ids=["dense", "sparse"])
def test_a_replay_from_the_start_is_verified_and_dropped(stream: list[Frame], held: int) -> None:
    new, splice = resumed(stream, held, 0)
    assert new == data(stream[held:])
    assert splice.checked == held


@pytest.mark.parametrize("held", range(3, 8))
def test_events_without_an_id_after_the_cursor_are_matched_one_by_one(held: int) -> None:
    checkpoint = held - held % 3
    new, splice = resumed(SPARSE, held, checkpoint)
    assert new == data(SPARSE[held:])
    assert splice.checked == held - checkpoint


@pytest.mark.parametrize("cut", range(1, 7))
def test_every_chunking_gives_the_same_new_events(cut: int) -> None:
    splice = Splice(known(*SPARSE[:5]), "3")
    new = [*splice.sift(SPARSE[3:cut]).new, *splice.sift(SPARSE[max(3, cut) :]).new]
    assert data(new) == data(SPARSE[5:])


def test_another_answer_is_noticed_at_its_first_different_event() -> None:
    splice = Splice(known(*SPARSE[:5]), "3")
    sifted = splice.sift([event("e4"), event("other"), event("e6", "6")])
    assert sifted.new == []
    assert sifted.broken is Finding.DIFFERS
    assert data(sifted.rest) == ["other", "e6"]


def test_a_known_id_with_other_data_is_another_answer() -> None:
    splice = Splice(known(*DENSE[:5]), "5")
    assert splice.sift([event("different", "2")]).broken is Finding.DIFFERS


def test_an_event_equal_to_the_first_one_is_new_if_its_id_is() -> None:
    splice = Splice(known(event("same", "1")), "1")
    assert data(splice.sift([event("same", "2")]).new) == ["same"]


def test_an_event_that_only_looks_like_the_start_is_given_back() -> None:
    splice = Splice(known(event("a"), event("b"), event("c", "9")), "9")
    assert splice.sift([event("a")]).new == []
    assert data(splice.sift([event("x")]).new) == ["a", "x"]


def test_several_new_events_may_carry_one_checkpoint() -> None:
    splice = Splice(known(event("a", "7"), event("b", "7")), "7")
    assert data(splice.sift([event("c", "7"), event("d", "7")]).new) == ["c", "d"]


def test_an_id_without_an_event_moves_the_place() -> None:
    history = known(event("a", "1"), event("b"), Frame(FrameKind.CURSOR, id="2", own_id=True))
    assert data(Splice(history, "2").sift([event("c")]).new) == ["c"]


def test_comments_and_marks_pass() -> None:
    comment = Frame(FrameKind.COMMENT, "ping")
    splice = Splice(known(*DENSE[:2]), "2")
    assert splice.sift([comment, DENSE[1]]).new == [comment]


def relay(seq: int, epoch: int = 1, text: str | None = None) -> Frame:
    return event(text or f"e{seq}", f"st_abc.{epoch}-{seq}")


def test_ordered_ids_at_or_below_the_cursor_are_dropped_whatever_they_hold() -> None:
    splice = Splice(known(relay(1), relay(2)), "st_abc.1-2", ordering=Ordering.RELAY)
    assert data(splice.sift([relay(1, text="?"), relay(2), relay(3)]).new) == ["e3"]


def test_ordered_ids_show_a_gap_and_go_on_once_it_is_accepted() -> None:
    splice = Splice(known(relay(1)), "st_abc.1-1", ordering=Ordering.RELAY)
    sifted = splice.sift([relay(2), relay(4), relay(5)])
    assert data(sifted.new) == ["e2"]
    assert sifted.broken is Finding.GAP
    splice.accept(sifted.rest[0])
    assert data(splice.sift(sifted.rest).new) == ["e4", "e5"]


def test_a_new_epoch_counts_from_one() -> None:
    splice = Splice(known(relay(1), relay(2)), "st_abc.1-2", ordering=Ordering.RELAY)
    assert data(splice.sift([relay(1, epoch=2)]).new) == ["e1"]


def test_a_first_connection_that_begins_late_has_a_gap() -> None:
    assert Splice(History(), "", ordering=Ordering.RELAY).sift([relay(3)]).broken is Finding.GAP


def test_ids_of_another_stream_are_another_answer() -> None:
    splice = Splice(known(relay(1)), "st_abc.1-1", ordering=Ordering.RELAY)
    assert splice.sift([event("x", "st_other.1-2")]).broken is Finding.DIFFERS


@pytest.mark.parametrize("text", ["", "7", "st_a.1", "st_a.1-", "st_a.1-2 ", "xx_a.1-2", "st_.1-2"])
def test_only_the_relays_ids_are_ordered(text: str) -> None:
    assert order(text) is None


@given(st.data())
def test_whatever_the_server_repeats_each_event_is_new_exactly_once(source: st.DataObject) -> None:
    texts = source.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
    ids = source.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    stream = [
        event(text, str(n)) if has_id else event(text)
        for n, (text, has_id) in enumerate(zip(texts, ids, strict=True), 1)
    ]
    held = source.draw(st.integers(0, len(stream)))
    with_id = [n for n in range(held) if stream[n].own_id]
    cursor = stream[with_id[-1]].id if with_id else ""
    start = with_id[-1] + 1 if with_id else 0
    splice = Splice(known(*stream[:held]), cursor)
    sifted = splice.sift(stream[start:])
    assert sifted.broken is None
    held_back = len(stream) - held - len(sifted.new)
    # Only events that may be the stream's start, sent again, wait for one that tells them apart;
    # it may have begun with some that we hold.
    assert data(sifted.new) == data(stream[held : len(stream) - held_back])
    assert held_back == 0 or any(
        texts[held - sent : held + held_back] == texts[: sent + held_back]
        for sent in range(held - start + 1)
    )
