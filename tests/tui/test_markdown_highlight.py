"""Colours for code come line by line and never guess."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.tui.markdown.highlight import (
    EAGER,
    LONGEST,
    PATIENCE,
    REACH,
    WHOLE,
    Highlighter,
    whole,
)

LABELS = ["python", "rust", "c++", "json", "yaml", "diff", "html", "bash", "", "nonsense", "Python"]


def styles(highlighter: Highlighter, line: str) -> dict[str, str]:
    return {span.text: span.style for span in highlighter.line(line) if span.text}


def test_keywords_strings_and_comments_have_styles() -> None:
    found = styles(Highlighter("python"), "return 'a'  # why")
    assert found["return"] == "fence.keyword"
    assert found["a"] == "fence.string"
    assert found["# why"] == "fence.comment"


def test_a_string_over_several_lines_stays_one() -> None:
    highlighter = Highlighter("python")
    highlighter.line('x = """one')
    assert styles(highlighter, "return two") == {"return two": "fence.string"}
    highlighter.line('"""')
    assert styles(highlighter, "return")["return"] == "fence.keyword"


def test_a_fork_leaves_its_origin_alone() -> None:
    highlighter = Highlighter("c")
    highlighter.fork().line("/* open")
    assert styles(highlighter, "return 1;")["return"] == "fence.keyword"


@pytest.mark.parametrize("label", ["", "nonsense", "../x", "a" * 40])
def test_an_unknown_label_means_no_colours(label: str) -> None:
    assert styles(Highlighter(label), "def f(): pass") == {"def f(): pass": "fence"}


def test_a_very_long_line_is_not_lexed() -> None:
    line = "x = 1; " * LONGEST
    assert styles(Highlighter("python"), line) == {line: "fence"}


@given(st.sampled_from(LABELS), st.lists(st.text(st.characters(exclude_characters="\n"))))
def test_colouring_changes_no_character(label: str, lines: list[str]) -> None:
    highlighter = Highlighter(label)
    for line in lines:
        assert "".join(span.text for span in highlighter.line(line)) == line


@pytest.mark.parametrize(
    ("label", "rows", "style"),
    [
        ("javascript", ["/* a", "return", "*/"], "comment"),
        ("c", ["/* a", "return", "*/"], "comment"),
        ("css", ["/* a", "b { c: d }", "*/"], "comment"),
        ("bash", ["cat <<END", "if", "END"], "string"),
        ("python", ['x = """', "return", '"""'], "string"),
        ("html", ["<!-- a", "<b>", "-->"], "comment"),
        ("yaml", ["a: |", "  true", "b: 1"], ""),
    ],
)
def test_what_spans_lines_is_seen_when_all_lines_are_known(
    label: str, rows: list[str], style: str
) -> None:
    lines = list(whole(label, rows))
    assert ["".join(span.text for span in line) for line in lines] == rows
    styles = {span.style for span in lines[1] if span.text.strip()}
    assert styles == {f"fence.{style}" if style else "fence"}


@given(st.sampled_from(LABELS), st.lists(st.text(st.characters(exclude_characters="\n"))))
def test_colouring_all_lines_changes_no_character(label: str, lines: list[str]) -> None:
    coloured = ["".join(span.text for span in spans) for spans in whole(label, lines)]
    assert coloured == lines[: len(coloured)]


@pytest.mark.parametrize(
    ("label", "rows"),
    [
        ("", ["a", "b"]),
        ("nonsense", ["a", "b"]),
        ("python", ["one"]),
        ("python", ["x" * LONGEST, "y"]),
        ("python", ["x = 1" * 40] * (WHOLE // 200)),
        ("html+php", ["<b>x</b>" * 20] * (EAGER // 100)),
    ],
    ids=["no-label", "unknown", "one-line", "long-line", "long", "eager"],
)
def test_some_fences_are_not_lexed_as_a_whole(label: str, rows: list[str]) -> None:
    assert list(whole(label, rows)) == []


def test_a_comment_that_is_longer_than_a_lexer_may_look_ahead_harms_only_itself() -> None:
    rows = ["/*", *["word " * 20] * (2 * REACH // 100), "*/", "return 1;"]
    lines = list(whole("c", rows))
    assert len(lines) == len(rows)
    assert lines[0][0].style == "fence.comment"


def test_a_lexer_that_a_text_makes_slow_is_not_used_again() -> None:
    code = (
        "from time import thread_time\n"
        "from ssechat.tui.markdown.highlight import Highlighter, whole\n"
        "lexer = Highlighter('java'); print(lexer.line('return')[0].style)\n"
        "began = thread_time(); rows = len(list(whole('java', ['a ' * 199] * 200)))\n"
        "print(rows, thread_time() - began, lexer.line('return')[0].style)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, rows, spent, after = ran.stdout.split()
    assert before == "fence.keyword"
    assert after == "fence"
    assert int(rows) < 200
    assert float(spent) < 10 * PATIENCE


def test_pygments_is_loaded_only_for_a_labelled_fence() -> None:
    code = (
        "import sys; from ssechat.tui.markdown import Document; d = Document()\n"
        "d.feed('text\\n```\\nx\\n```\\n'); d.lines(40); print('pygments' in sys.modules)\n"
        "d.feed('```python\\nx\\n```\\n'); d.lines(40); print('pygments' in sys.modules)\n"
        "print('textual' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True", "False"]
