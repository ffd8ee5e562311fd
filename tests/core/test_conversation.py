from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.conversation import Role, Thought, Turn, history

TURNS = st.lists(
    st.builds(
        Turn,
        st.sampled_from(Role),
        st.sampled_from(["", " \n", "a", "b c"]),
        st.sampled_from([(), (Thought("t", "s"),)]),
    ),
    max_size=8,
)


def test_a_plain_conversation_is_sent_as_it_is() -> None:
    turns = [Turn(Role.SYSTEM, "s"), Turn(Role.USER, "u"), Turn(Role.ASSISTANT, "a")]
    assert history(turns) == tuple(turns)


def test_an_answer_without_text_goes_and_its_neighbours_join() -> None:
    empty = Turn(Role.ASSISTANT, " \n", (Thought("t", "sig"),))
    turns = [Turn(Role.USER, "one"), empty, Turn(Role.USER, "two")]
    assert history(turns) == (Turn(Role.USER, "one\n\ntwo"),)


def test_joined_answers_keep_their_thoughts_in_order() -> None:
    first, second = Thought("1", "a"), Thought(redacted="b")
    turns = [Turn(Role.ASSISTANT, "x", (first,)), Turn(Role.ASSISTANT, "y", (second,))]
    assert history(turns) == (Turn(Role.ASSISTANT, "x\n\ny", (first, second)),)


def test_an_empty_question_stays() -> None:
    assert history([Turn(Role.USER, "")]) == (Turn(Role.USER, ""),)


@given(TURNS)
def test_roles_alternate_and_no_answer_is_empty(turns: list[Turn]) -> None:
    sent = history(turns)
    assert all(one.role is not other.role for one, other in pairwise(sent))
    assert all(turn.text.strip() for turn in sent if turn.role is Role.ASSISTANT)


@given(TURNS)
def test_what_may_be_sent_may_be_sent_again(turns: list[Turn]) -> None:
    assert history(list(history(turns))) == history(turns)


@given(TURNS)
def test_the_turns_given_are_left_alone(turns: list[Turn]) -> None:
    before = list(turns)
    history(turns)
    assert turns == before
