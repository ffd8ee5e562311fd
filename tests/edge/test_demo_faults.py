"""Knobs in a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ssechat.cli.demo_server import command
from ssechat.demo.answers import compose
from ssechat.demo.faults import KNOBS, Faults, Pause, read

DOCS = Path(__file__).parents[2] / "docs" / "demo.md"


@pytest.mark.parametrize(
    ("word", "field", "value"),
    [
        ("#cut=20", "cut", (20,)),
        ("#cut=20,40", "cut", (20, 40)),
        ("#reset=1", "reset", (1,)),
        ("#eof=0", "eof", (0,)),
        ("#stall=5:2.5", "stall", (Pause(5, 2.5),)),
        ("#silence=9:1,3:2", "silence", (Pause(3, 2.0), Pause(9, 1.0))),
        ("#slow=0.5", "slow", 0.5),
        ("#slow=99999", "slow", 3600.0),
        ("#429=7", "limited", 7),
        ("#503=7", "unavailable", 7),
        ("#type=html", "html", True),
        ("#json", "json", True),
        ("#error=0", "error", 0),
        ("#length=0", "length", 1),
        ("#refuse", "refuse", True),
        ("#rate=5000", "rate", 5000.0),
        ("#rate=0", "rate", 0.1),
        ("#long=5000", "kilobytes", 1000),
        ("#plain", "plain", True),
        ("#sparse=7", "sparse", 7),
        ("#hostile", "hostile", True),
    ],
)
def test_a_knob_is_read_and_taken_out(word, field, value):
    rest, asked = read(f"one {word} two")
    assert rest == "one two"
    assert getattr(asked, field) == value
    assert asked.words == (word,)


@pytest.mark.parametrize(
    "word",
    [
        *(
            "#cut",
            "#cut=",
            "#cut=x",
            "#cut=1,",
            "#cut=-1",
            "#cut=²",
            "#cut=3.",
            "##cut=3",
            "#Cut=3",
        ),
        *("#stall=3", "#stall=3:x", "#slow=inf", "#rate=", "#rate=nan", "#rate=1e9", "#429=1.5"),
        *("#type=png", "#json=1", "#nope=1", "#", "#1"),
    ],
)
def test_a_word_that_does_not_read_is_ordinary_text(word):
    assert read(word) == (word, Faults())


@given(st.text(alphabet="#=:,.0123456789cutstallrate \n"))
def test_any_text_reads(text):
    rest, asked = read(text)
    assert len(rest.split()) + len(asked.words) == len(text.split())


def test_the_last_of_two_counts():
    assert read("#rate=5 #rate=9")[1].rate == 9


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_a_knob_is_in_the_manual_the_help_and_an_answer(knob):
    assert f"`{knob.form}`" in DOCS.read_text()
    assert f"`{knob.form}`" in "".join(compose(["fault knobs"]).text)
    assert f"{knob.form} " in CliRunner().invoke(command, ["--help"]).output
