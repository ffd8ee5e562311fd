from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.conversation import Thought
from ssechat.core.deltas import (
    About,
    Delta,
    EndState,
    Seal,
    Text,
    Thinking,
    Tool,
    Usage,
    Verdict,
)
from ssechat.core.reply import PartKind, Reply

DELTAS = st.one_of(
    st.builds(Text, st.sampled_from(["", "a", "bc"])),
    st.builds(Thinking, st.sampled_from(["", "t", "uv"])),
    st.builds(Tool, st.integers(0, 2), arguments=st.sampled_from(["", "{", "}"])),
    st.builds(Seal, st.sampled_from(["", "s"]), st.sampled_from(["", "r"])),
    st.builds(Usage, output=st.none() | st.integers(0, 9)),
    st.just(Verdict(EndState.COMPLETE)),
)


def fold(*deltas: Delta) -> Reply:
    """Delta n arrives at n seconds, from 0."""
    reply = Reply()
    for at, delta in enumerate(deltas):
        reply.apply(delta, float(at))
    return reply


def shape(reply: Reply) -> list[tuple[str, str]]:
    return [(part.kind.value, part.text) for part in reply.parts]


def test_neighbours_of_one_kind_are_one_part() -> None:
    reply = fold(Thinking("a"), Thinking("b"), Text("c"), Text("d"))
    assert shape(reply) == [("thinking", "ab"), ("text", "cd")]


def test_the_parts_keep_the_readers_order() -> None:
    reply = fold(Thinking("t1"), Text("a"), Tool(0, name="f"), Thinking("t2"), Text("b"))
    assert [kind for kind, _ in shape(reply)] == ["thinking", "text", "tool", "thinking", "text"]
    assert reply.answer == "ab"
    assert reply.thinking == "t1\n\nt2"


def test_a_part_ends_when_the_next_one_begins() -> None:
    thinking, text = fold(Thinking("a"), Thinking("b"), Text("c")).parts
    assert (thinking.began, thinking.ended) == (0.0, 2.0)
    assert (text.began, text.ended) == (2.0, None)


def test_a_verdict_ends_the_last_part() -> None:
    reply = fold(Text("a"), Verdict(EndState.COMPLETE, last=False), Verdict(EndState.COMPLETE))
    assert reply.parts[0].ended == 1.0
    assert reply.verdict == Verdict(EndState.COMPLETE)


def test_what_follows_an_end_goes_on_in_the_last_part() -> None:
    reply = fold(Text("a"), Verdict(EndState.COMPLETE, last=False), Text("b"))
    assert shape(reply) == [("text", "ab")]
    assert reply.parts[0].ended is None


@pytest.mark.parametrize("empty", [Text(""), Thinking("")])
def test_an_empty_delta_begins_no_part(empty: Delta) -> None:
    assert fold(empty).parts == []


# Seals


def test_a_seal_closes_its_thinking_and_keeps_it() -> None:
    reply = fold(Thinking("a"), Thinking("b"), Seal("s1"), Thinking("c"), Seal("s2"))
    assert shape(reply) == [("thinking", "ab"), ("thinking", "c")]
    assert [part.ended for part in reply.parts] == [2.0, 4.0]
    assert reply.thoughts == [Thought("ab", "s1"), Thought("c", "s2")]


def test_a_seal_holds_only_the_thinking_since_the_one_before() -> None:
    reply = fold(Thinking("a"), Seal("s1"), Text("x"), Thinking("b"), Seal("s2"))
    assert reply.thoughts == [Thought("a", "s1"), Thought("b", "s2")]


def test_thinking_without_a_seal_is_no_thought() -> None:
    assert fold(Thinking("a"), Text("x"), Verdict(EndState.COMPLETE)).thoughts == []
    assert fold(Thinking("a"), Seal()).thoughts == []


def test_redacted_and_omitted_thinking_are_thoughts_without_a_part() -> None:
    reply = fold(Seal(redacted="r"), Seal("s"), Text("x"))
    assert reply.thoughts == [Thought(redacted="r"), Thought("", "s")]
    assert shape(reply) == [("text", "x")]


def test_redacted_thinking_seals_nothing_else() -> None:
    reply = fold(Thinking("a"), Seal(redacted="r"), Thinking("b"), Seal("s"))
    assert shape(reply) == [("thinking", "ab")]
    assert reply.thoughts == [Thought(redacted="r"), Thought("ab", "s")]


# Tools


def test_fragments_of_parallel_calls_find_their_own_part() -> None:
    reply = fold(
        Tool(0, "a", "f", "{"), Tool(1, "b", "g", "["), Tool(0, arguments="}"), Tool(1, "", "", "]")
    )
    assert [(part.name, part.text) for part in reply.parts] == [("f", "{}"), ("g", "[]")]
    assert [part.ended for part in reply.parts] == [None, None]


def test_parallel_calls_end_together() -> None:
    reply = fold(Tool(0, name="f"), Tool(1, name="g"), Text("x"))
    assert [part.ended for part in reply.parts] == [2.0, 2.0, None]


def test_many_parallel_calls_are_folded_in_linear_time() -> None:
    reply = fold(*(Tool(number) for number in range(50_000)))
    assert len(reply.parts) == 50_000


# Usage and names


def test_later_counts_replace_earlier_ones_and_untold_ones_stay() -> None:
    reply = fold(Usage(25, 1), Usage(output=15), Usage(reasoning=4), Usage())
    assert reply.usage == Usage(25, 15, 4)


def test_names_once_told_stay() -> None:
    assert fold(About("m"), About(remote_id="i"), About()).about == About("m", "i")


# Seams


def test_a_seam_lies_where_the_connection_was_lost() -> None:
    reply = fold(Text("ab"), Text("c"))
    reply.lost(100.0, 2.0, "reset")
    (seam,) = reply.parts[0].seams
    assert (seam.offset, seam.wall, seam.why, seam.after) == (3, 100.0, "reset", None)
    reply.resumed(0.8, 2)
    reply.apply(Text("d"), 3.0)
    assert (seam.after, seam.checked) == (0.8, 2)
    assert shape(reply) == [("text", "abcd")]


def test_a_second_loss_before_it_is_back_is_the_same_seam() -> None:
    reply = fold(Text("a"))
    reply.lost(1.0, 1.0, "first")
    reply.lost(2.0, 2.0, "second")
    reply.resumed(3.0, 0, "fetched")
    reply.lost(9.0, 9.0, "later")
    first, later = reply.parts[0].seams
    assert (first.why, first.after, first.how) == ("first", 3.0, "fetched")
    assert (later.why, later.after) == ("later", None)


def test_before_the_first_word_there_is_no_seam() -> None:
    reply = Reply()
    reply.lost(1.0, 1.0, "reset")
    reply.resumed(0.5, 0)
    reply.gap(2.0, "1 … 4")
    assert reply.parts == []


def test_a_gap_is_a_seam_that_stays_open_no_longer() -> None:
    reply = fold(Thinking("abc"))
    reply.gap(7.0, "3 … 5")
    (seam,) = reply.parts[0].seams
    assert (seam.offset, seam.after, seam.missing) == (3, 0.0, "3 … 5")


# What a view relies on


@given(st.lists(DELTAS, max_size=20))
def test_rev_rises_with_every_delta(deltas: list[Delta]) -> None:
    reply = Reply()
    revs = []
    for at, delta in enumerate(deltas):
        reply.apply(delta, float(at))
        revs.append(reply.rev)
    assert all(one < other for one, other in zip([0, *revs], revs, strict=False))


def test_rev_rises_with_seams_and_with_the_end() -> None:
    reply = fold(Text("a"))
    steps = [
        lambda: reply.lost(1.0, 1.0, ""),
        lambda: reply.resumed(1.0, 0),
        lambda: reply.gap(1.0, ""),
        lambda: reply.end(1.0),
    ]
    for step in steps:
        before = reply.rev
        step()
        assert reply.rev > before
    before = reply.rev
    reply.end(2.0)
    assert reply.rev == before
    assert reply.parts[0].ended == 1.0


@given(st.lists(DELTAS, max_size=20))
def test_parts_only_grow_and_lose_nothing(deltas: list[Delta]) -> None:
    reply = Reply()
    before: list[tuple[PartKind, str]] = []
    for at, delta in enumerate(deltas):
        reply.apply(delta, float(at))
        now = [(part.kind, part.text) for part in reply.parts]
        assert len(now) >= len(before)
        for (kind, text), (new_kind, new_text) in zip(before, now, strict=False):
            assert kind is new_kind
            assert new_text.startswith(text)
        before = now
    assert all(part.chars == len(part.text) for part in reply.parts)
    assert reply.answer == "".join(delta.text for delta in deltas if isinstance(delta, Text))


@given(st.lists(DELTAS, max_size=20))
def test_only_the_last_part_or_the_last_tools_may_still_grow(deltas: list[Delta]) -> None:
    reply = fold(*deltas)
    growing = [part for part in reply.parts if part.ended is None]
    assert growing == reply.parts[len(reply.parts) - len(growing) :]
    assert len(growing) <= 1 or all(part.kind is PartKind.TOOL for part in growing)
