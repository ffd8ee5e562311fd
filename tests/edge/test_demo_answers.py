"""What the demo says: prepared texts, chosen by the conversation alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.demo.answers import compose, quoted
from ssechat.demo.pieces import pieces
from ssechat.demo.topics import FOLLOW_UPS, SUBJECTS, topic

PROMPTS = st.lists(st.text(max_size=80), max_size=6)


def answer(*prompts: str) -> str:
    return "".join(compose(list(prompts)).text)


def thinking(*prompts: str) -> str:
    return "".join(compose(list(prompts)).thinking)


@given(PROMPTS)
def test_the_same_conversation_gets_the_same_answer(prompts):
    assert compose(prompts) == compose(list(prompts))


@given(st.text())
def test_pieces_join_to_the_text(text):
    assert "".join(pieces(text)) == text


def test_pieces_are_about_four_characters_long():
    text = answer("hello")
    assert 3 <= len(text) / len(pieces(text)) <= 5


def test_wide_characters_come_one_or_two_at_a_time():
    assert all(len(piece) <= 2 for piece in pieces("傅里叶变换把信号分解成正弦波"))


@pytest.mark.parametrize("name", SUBJECTS)
def test_each_subject_is_found_by_its_own_sample(name):
    assert topic(name).title in answer("zzz", topic(name).sample)
    assert answer(topic(name).sample) != answer("hello, hi" if name != "welcome" else "rust")


@pytest.mark.parametrize("name", SUBJECTS)
def test_an_answer_is_worth_reading_and_not_too_long(name):
    sample = topic(name).sample
    assert 600 <= len(thinking(sample).encode()) <= 2000
    assert 2900 <= len(answer(sample).encode()) <= 6200


def test_later_turns_read_as_follow_ups():
    second = answer("tell me about rust", "and nginx?")
    assert "Turn 2: from *Lifetimes in Rust* to *Streams behind nginx*." in second


def test_a_subject_is_not_told_twice():
    assert answer("rust", "rust again") != answer("python", "rust again")
    assert "stands above" in answer("rust", "rust again")


def test_many_turns_without_a_subject_bring_each_follow_up():
    conversation = ["zzz"] * (1 + len(FOLLOW_UPS))
    said = [answer(*conversation[: turn + 1]) for turn in range(1, len(conversation))]
    assert len({text.partition("## ")[2] for text in said}) == len(FOLLOW_UPS)


def test_the_prompt_is_quoted_without_its_knobs():
    assert answer("why is the sky blue? #cut=3 #nope=1").startswith(
        "> why is the sky blue? #nope=1\n"
    )


@given(st.text())
def test_a_quote_is_one_bounded_line_without_controls(prompt):
    quote = quoted(prompt)
    assert len(quote) <= 200
    assert quote.isprintable()


def test_long_answers_have_about_the_size_that_was_asked_for():
    for kilobytes in (1, 20, 200):
        size = len(answer(f"hello #long={kilobytes}").encode()) / 1024
        assert kilobytes <= size <= kilobytes + 2.5


def test_the_longest_answer_has_one_megabyte():
    assert len(answer("hello #long=99999").encode()) < 1024 * 1024


def test_only_the_hostile_answer_has_control_characters():
    control = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
    for name in (*SUBJECTS, *FOLLOW_UPS, "refusal"):
        one = topic(name)
        assert not control.search("".join(one.thinking + one.answer)), name
    hostile = answer("#hostile")
    for payload in ("\x1b]52;c;", "\x1b]8;;", "\x9b31m", "\u202e", "[/x]", "\x00", "\r"):
        assert payload in hostile


def test_a_refusal_is_marked_as_one():
    assert compose(["anything #refuse"]).refused
    assert not compose(["anything"]).refused
