"""What a copy holds: the text as it reads, or the source of whole messages."""

from __future__ import annotations

from itertools import compress
from operator import not_

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.tui.markdown.spans import line_text
from ssechat.tui.transcript import Page, ThinkingMode, UserItem
from ssechat.tui.transcript.column import Column
from ssechat.tui.transcript.copying import Spot, copied, message, paragraph, sources, word
from ssechat.tui.transcript.page import Item
from ssechat.tui.transcript.slices import Look
from support.pages import HOSTILE, WALL, answered


def laid(*items: Item, width: int = 40, **look: object) -> Column:
    column = Column(Page(items))
    column.arrange(Look(width, **look), 500)  # type: ignore[arg-type]
    return column


def answer(text: str, width: int = 40) -> Column:
    return laid(answered("r", text), width=width)


def spot(column: Column, words: str, after: bool = False) -> Spot:
    """Where these words begin, or end, on the page."""
    for number, line in enumerate(column.rows()):
        if (at := line_text(line).find(words)) >= 0:
            return Spot(number, at + len(words) * after)
    raise AssertionError(words)


def between(column: Column, first: str, last: str) -> str:
    """A copy from the beginning of the first words to the end of the last ones."""
    return copied(column, spot(column, first), spot(column, last, after=True))


def test_a_paragraph_that_was_wrapped_is_one_line() -> None:
    column = answer("zero\n\nThis sentence is longer than the screen is wide, twice.\n\nend")
    assert between(column, "This", "twice.") == (
        "This sentence is longer than the screen is wide, twice."
    )
    assert (
        between(column, "sentence", "wide, tw") == "sentence is longer than the screen is wide, tw"
    )


def test_a_line_that_ends_where_the_source_ends_it_stays_one() -> None:
    column = answer("zero\n\nroses are red  \nviolets\\\nblue\n\nend")
    assert between(column, "roses", "blue") == "roses are red\nviolets\nblue"


def test_lists_and_quotes_keep_their_marks_but_not_those_of_wrapped_lines() -> None:
    column = answer(
        "zero\n\n- one is an item that goes on in another line\n- two\n\n"
        "> a quote that goes on in another line, too\n\nend"
    )
    assert between(column, "• one", "two").splitlines() == [
        "• one is an item that goes on in another line",
        "• two",
    ]
    assert between(column, "│ a", "too") == "│ a quote that goes on in another line, too"


def test_code_is_copied_as_it_was_written() -> None:
    code = "def f(x):\n    return x + 1\n\n    # a comment that is longer than the screen is wide"
    column = answer(f"zero\n\n- item\n\n  ```python\n  {code}\n  ```\n\nend".replace("\n", "\n  "))
    column = answer(f"zero\n\n```python\n{code}\n```\n\nend")
    assert "python" in line_text(column.rows()[3])
    assert between(column, "def", "wide") == code
    assert between(column, "return", "x + 1") == "return x + 1"


def test_code_in_a_list_and_a_quote_is_copied_without_what_stands_left_of_it() -> None:
    column = answer("zero\n\n1. item\n\n   ```\n   a:\n     b\n   ```\n\n> ```\n> c\n> ```\n\nend")
    assert between(column, "a:", "b") == "a:\n  b"
    assert between(column, "c", "c") == "c"


def test_a_table_is_copied_row_by_row() -> None:
    column = answer("zero\n\n| a | b |\n|-|-|\n| one | two |\n\nend")
    assert between(column, "a ", "two") == "a   │ b\n────┼────\none │ two"


@pytest.mark.parametrize(
    "text",
    [
        "傅里叶变换是一种线性积分变换，用于信号在时域和频域之间的变换，在物理学和工程学中有许多应用！",
        "使用 Python 编写的程序 可以在 Linux 和 macOS 上运行，也可以在 Windows 上用 WSL 运行！",
        "これはPythonで書かれたプログラムです。「括弧」もあります。ッもーもある！",
        "a_word_that_is_so_long_that_it_has_to_be_broken_somewhere_in_its_middle and more!",
    ],
)
@pytest.mark.parametrize("width", [20, 24, 31, 38])
def test_where_no_space_stood_none_is_copied(text: str, width: int) -> None:
    column = answer(f"zero\n\n{text}\n\nend", width)
    assert between(column, text[:1], text[-1:]) == text


def test_whole_messages_are_copied_as_they_came() -> None:
    column = laid(
        UserItem("u", "a **b**\x1b", WALL),
        answered("r", "- *cat*\n- dog"),
        answered("s", "**elk**"),
    )
    assert between(column, "you", "dog") == "a **b**␛\n\n- *cat*\n- dog"
    assert between(column, "• cat", "dog") == "- *cat*\n- dog"
    assert between(column, "• cat", "elk") == "- *cat*\n- dog\n\n**elk**"
    assert between(column, "cat", "dog") == "cat\n• dog"
    assert between(column, "dog", "elk") == "dog\n\n model-1\nelk"


def test_the_source_of_what_is_selected_can_be_asked_for() -> None:
    column = laid(answered("r", "*ape*"), answered("s", "*bee*"), answered("t", "*cat*"))
    assert sources(column, spot(column, "pe"), spot(column, "ee")) == "*ape*\n\n*bee*"


def test_what_is_shown_of_thinking_is_copied_as_it_reads() -> None:
    column = laid(answered("r", "*yes*", "I think so"), thinking=ThinkingMode.SHOW)
    assert between(column, "think so", "yes") == "think so\n\nyes"


def test_a_word_a_paragraph_and_a_message_are_found_around_a_character() -> None:
    column = answer("zero one\n\nfoo_bar, and a line that goes on in the next one.\n\nend")
    at = spot(column, "o_bar")
    assert copied(column, *word(column, at)) == "foo_bar"
    assert copied(column, *word(column, spot(column, ", and"))) == ","
    assert word(column, Spot(at.line, 99))[0] == word(column, Spot(at.line, 99))[1]
    whole = "foo_bar, and a line that goes on in the next one."
    assert copied(column, *paragraph(column, at.line)) == whole
    assert copied(column, *paragraph(column, at.line + 1)) == whole
    assert copied(column, *message(column, at.line)) == f"zero one\n\n{whole}\n\nend"


pieces = st.lists(
    st.sampled_from(
        ["word ", "# h\n", "\n", "\n\n", "- i\n", "```\n", "> ", "| a | b |\n|-|-|\n", *HOSTILE]
    )
)


def left_out(column: Column, start: Spot, end: Spot) -> str:
    """What the mark does not hold of the messages of which it holds something."""
    found = ""
    for item in column.shown(start.line, end.line + 1):
        held = rest = ""
        for number in range(item.first, item.first + len(item.stack)):
            text = "".join(map(line_text, column.lines(number, number + 1)))
            marked = [start <= Spot(number, at) < end for at in range(len(text))]
            held += "".join(compress(text, marked))
            if text.startswith("   "):  # it is no header
                rest += "".join(compress(text, map(not_, marked)))
        found += rest if held.strip() else ""
    return "".join(found.split())


@given(pieces, st.data())
def test_nothing_is_copied_that_is_not_marked(texts: list[str], data: st.DataObject) -> None:
    column = laid(
        UserItem("u", "before", WALL), answered("r", "x" + "".join(texts)), answered("s", "after")
    )
    rows = [line_text(line) for line in column.rows()]
    last = len(rows) - 1
    start, end = sorted(
        Spot(line, data.draw(st.integers(0, len(rows[line]))))
        for line in data.draw(st.lists(st.integers(0, last), min_size=2, max_size=2))
    )
    text = copied(column, start, end)
    if text == sources(column, start, end):
        assert left_out(column, start, end) == ""
        return
    marked = rows[start.line : end.line + 1]
    marked[-1] = marked[-1][: end.character]
    marked[0] = marked[0][start.character :]
    rest = "".join("".join(marked).split())
    for character in "".join(text.split()):
        at = rest.find(character)
        assert at >= 0, (text, marked)
        rest = rest[at + 1 :]
