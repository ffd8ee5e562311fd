"""The splice where an API names its events in their data, and not all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.history import History
from ssechat.core.splice import Splice


def event(text: str, name: str = "") -> Frame:
    return Frame(FrameKind.EVENT, text, id=name, own_id=bool(name))


def held(frames: list[Frame]) -> History:
    history = History(named=True)
    for frame in frames:
        history.add(frame)
    return history


NOISE = event("overloaded")
EVENTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.booleans()).map(list), min_size=1, max_size=12
)


@given(EVENTS, st.data())
def test_what_follows_a_name_comes_again_and_counts_once(kinds: list, data: st.DataObject) -> None:
    whole = [
        event(text, f"n{at}" if named or not at else "") for at, (text, named) in enumerate(kinds)
    ]
    cut = data.draw(st.integers(1, len(whole)))
    noise = data.draw(st.lists(st.integers(1, cut), max_size=3))
    came = whole[:cut]
    for place in sorted(noise, reverse=True):
        came.insert(place, NOISE)
    history = held(came)
    start = max(at for at in range(cut) if whole[at].own_id) + 1
    begins = data.draw(st.sampled_from([start, *(at for at in range(start) if whole[at].own_id)]))
    splice = Splice(history, history.last_id)
    sent = whole[begins:]
    assert splice.sift(sent) == (whole[cut:], None, [])


def test_an_error_that_is_not_sent_again_is_passed_over() -> None:
    a, b, c, d = event("a", "n1"), event("b"), event("c"), event("d", "n2")
    splice = Splice(held([a, b, NOISE, c]), "n1")
    assert splice.sift([b, c, d]).new == [d]
    assert splice.checked == 2


def test_a_new_error_in_a_replay_is_kept_and_disturbs_nothing() -> None:
    a, b, c, d = event("a", "n1"), event("b", "n2"), event("c"), event("d", "n3")
    splice = Splice(held([a, b, c]), "n1")
    assert splice.sift([NOISE, b, NOISE, c, d]).new == [NOISE, NOISE, d]


def test_a_stream_without_any_name_is_compared_from_its_start() -> None:
    a, b = event("a"), event("b")
    splice = Splice(held([a, b, a]), "")
    assert splice.sift([a, b, a, a]).new == [a]
    differs = Splice(held([a, b]), "").sift([b, b])
    assert (differs.new, differs.broken) == ([], "differs")
