"""Colours for code come line by line and never guess."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.tui.markdown.highlight import LONGEST, Highlighter

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


def test_pygments_is_loaded_only_for_a_labelled_fence() -> None:
    code = (
        "import sys; from ssechat.tui.markdown import Document; d = Document()\n"
        "d.feed('text\\n```\\nx\\n```\\n'); d.lines(40); print('pygments' in sys.modules)\n"
        "d.feed('```python\\nx\\n```\\n'); d.lines(40); print('pygments' in sys.modules)\n"
        "print('textual' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True", "False"]
