"""The overlap: what a continued answer repeats of the old text is not shown twice."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.overlap import LONGEST, SHORTEST, Overlap

# Small alphabets: texts that repeat themselves are the hard ones.
OLD = st.text("ab ", min_size=SHORTEST, max_size=60)
LONG = st.builds(lambda text, times: text * times, OLD, st.integers(1, 30))
NEW = st.text("xyz", max_size=20)
"""Shares no character with the old text."""


def cut(text: str, places: list[int]) -> list[str]:
    """The text in pieces, some of them empty."""
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


def trimmed(old: str, pieces: list[str]) -> str:
    overlap = Overlap(old)
    return "".join([*map(overlap.feed, pieces), overlap.close()])


PLACES = st.lists(st.integers(0, 10_000), max_size=12)


@given(LONG, NEW, PLACES)
def test_a_text_that_repeats_all_of_the_old_one_goes_on_behind_it(
    old: str, new: str, places: list[int]
) -> None:
    assert trimmed(old, cut(old + new, places)) == new


@given(st.data(), LONG, NEW, PLACES)
def test_a_text_that_repeats_an_end_of_the_old_one_goes_on_behind_it(
    source: st.DataObject, old: str, new: str, places: list[int]
) -> None:
    length = source.draw(st.integers(SHORTEST, min(LONGEST, len(old))))
    assert trimmed(old, cut(old[-length:] + new, places)) == new


@given(st.one_of(OLD, LONG), NEW.filter(bool), st.text("abx "), PLACES)
def test_a_text_that_begins_otherwise_passes_untouched_and_at_once(
    old: str, first: str, rest: str, places: list[int]
) -> None:
    overlap, shown = Overlap(old), ""
    for piece in cut(first + rest, places):
        shown += overlap.feed(piece)
        assert (first + rest).startswith(shown)
        assert piece == "" or shown
    assert shown == first + rest
    assert overlap.close() == ""


@given(st.one_of(OLD, LONG), st.text("ab x", max_size=300))
def test_nothing_is_held_back_beyond_the_length_of_the_old_text(old: str, new: str) -> None:
    overlap, shown = Overlap(old), 0
    for fed, char in enumerate(new, 1):
        shown += len(overlap.feed(char))
        # What is gone for good is a repetition; what waits may still become one.
        assert fed - shown <= len(old)


@given(st.one_of(OLD, LONG), st.text("ab ", max_size=300), PLACES)
def test_it_does_not_matter_how_the_new_text_is_cut(old: str, new: str, places: list[int]) -> None:
    assert trimmed(old, cut(new, places)) == trimmed(old, [new]) == trimmed(old, list(new))


@given(st.one_of(OLD, LONG), st.text("ab x", max_size=300))
def test_only_something_that_the_old_text_ends_with_is_dropped(old: str, new: str) -> None:
    rest = trimmed(old, [new])
    assert new.endswith(rest)
    dropped = new.removesuffix(rest) if rest else new
    assert dropped == "" or (old.endswith(dropped) and len(dropped) >= SHORTEST)


@pytest.mark.parametrize("old", ["", "no", "a" * (SHORTEST - 1)])
def test_after_a_very_short_text_a_repetition_may_be_chance(old: str) -> None:
    assert trimmed(old, [old, " and more"]) == f"{old} and more"


@given(st.text("ab ", min_size=1, max_size=20), NEW, PLACES)
def test_of_a_server_that_echoes_even_a_very_short_text_is_dropped(
    old: str, new: str, places: list[int]
) -> None:
    overlap = Overlap(old, echoes=True)
    told = [*map(overlap.feed, cut(old + new, places)), overlap.close()]
    assert "".join(told) == new
    assert Overlap(old, echoes=True).feed("x") == "x"


def test_a_short_match_is_taken_for_chance_and_a_longer_one_is_not() -> None:
    old = "0123456789"
    assert trimmed(old, [old[-SHORTEST + 1 :], "x"]) == f"{old[-SHORTEST + 1 :]}x"
    assert trimmed(old, [old[-SHORTEST:], "x"]) == "x"


def test_the_longest_repetition_counts() -> None:
    old = "and so on and so on and so on"
    assert trimmed(old, ["and so on", " and so on, and more"]) == ", and more"


def test_an_end_that_is_longer_than_a_model_repeats_is_not_looked_for() -> None:
    old = "".join(map(chr, range(1000, 1000 + 2 * LONGEST)))
    assert trimmed(old, [old[-LONGEST:], "x"]) == "x"
    assert trimmed(old, [old[-LONGEST - 1 :], "x"]) == f"{old[-LONGEST - 1 :]}x"


def test_what_began_like_the_whole_and_then_differs_is_given_back() -> None:
    old = "".join(map(chr, range(1000, 3000)))
    overlap = Overlap(old)
    assert overlap.feed(old[:1500]) == ""
    assert overlap.feed("x") == f"{old[:1500]}x"
    assert overlap.feed(old) == old


@pytest.mark.parametrize("old", ["a" * 300_000, "abcdefg " * 37_500], ids=["one letter", "a word"])
def test_a_long_text_repeated_letter_by_letter_costs_a_moment(old: str) -> None:
    begun = time.process_time()
    assert trimmed(old, [*old, "x"]) == "x"
    assert time.process_time() - begun < 1.0
