"""A feed names events by epoch and number, and finds the place that a name stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.fold import mark
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.relay_ids import place_of
from ssechat.relay.feed import Feed

STREAM = "st_" + "a" * 26
EVENT = Frame(FrameKind.EVENT, "x")
COMMENT = Frame(FrameKind.COMMENT, "x")


def feed_of(epochs: list[int]) -> Feed:
    """A feed with so many events in each epoch, counted from 1."""
    feed = Feed(STREAM, cast(Any, None))
    for epoch, events in enumerate(epochs, 1):
        if epoch > 1:
            feed.take([mark(MarkName.EPOCH, 0.0, 0.0, epoch=epoch)])
        feed.take([COMMENT, *[EVENT] * events])
    return feed


def named(epochs: list[int]) -> Iterator[tuple[int, int]]:
    for epoch, events in enumerate(epochs, 1):
        yield from ((epoch, seq) for seq in range(1, events + 1))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_every_name_leads_back_to_its_event(epochs: list[int]) -> None:
    feed = feed_of(epochs)
    assert feed.events == sum(epochs)
    for number, place in enumerate(named(epochs), 1):
        assert place_of(feed.name(number), STREAM) == place
        assert feed.number(*place) == number


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(1, 7), st.integers(1, 9))
def test_a_name_of_no_event_leads_nowhere(epochs: list[int], epoch: int, seq: int) -> None:
    found = feed_of(epochs).number(epoch, seq)
    assert (found is not None) == ((epoch, seq) in named(epochs))


def test_what_an_epoch_lost_is_ahead_of_it_and_not_in_the_next_one() -> None:
    feed = feed_of([3, 5])
    assert feed.number(1, 4) is None
    assert feed.number(2, 1) == 4


@pytest.mark.parametrize("cursor", ["", "0"])
def test_before_the_first_event_there_is_no_place(cursor: str) -> None:
    assert place_of(cursor, STREAM) is None
