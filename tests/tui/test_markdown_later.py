"""What is read again: references that are defined later, and fences that have closed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.tui.markdown import Document
from ssechat.tui.markdown.document import SLICE
from ssechat.tui.markdown.later import Later, Step
from ssechat.tui.markdown.references import References
from ssechat.tui.markdown.run import CHUNKS
from ssechat.tui.markdown.spans import line_text
from ssechat.tui.markdown.table import ROOM, SETTLE
from support.markdown import marked, settle, settled


def texts(document: Document, width: int = 60) -> list[str]:
    return [line_text(line).rstrip() for line in settle(document, width)]


@pytest.mark.parametrize(
    ("use", "shown"),
    [
        ("see [a][x] there", "see a </u> there"),
        ("# see [x]", "see x </u>"),
        ("see [x]\n===", "see x </u>"),
        ("- see [x]", "• see x </u>"),
        ("> ![i][x]", "│ [image: i] </u>"),
        ("see[^x]", "see[x]"),
        ("`[x]` \\[x] [y]", "[x] [x] [y]"),
    ],
)
def test_what_is_defined_later_is_resolved_then(use: str, shown: str) -> None:
    document = Document()
    document.feed(f"{use}\n\n")
    before = texts(document)
    document.feed("[x]: /u\n\n[^x]: note\n\nend")
    assert texts(document) == [shown, "", "[x] note", "", "end"]
    assert before[0] == shown or "[x]" in before[0] or "[^x]" in before[0]


def test_a_cell_that_becomes_a_link_widens_its_column() -> None:
    document = Document()
    document.feed("| a | b |\n|---|---|\n| [x] | c |\n\n")
    assert texts(document)[2] == "[x] │ c"
    document.feed("[x]: /url\n\nend")
    assert texts(document) == ["a        │ b", "─────────┼───", "x </url> │ c", "", "end"]


def test_a_table_of_several_parts_keeps_its_columns() -> None:
    document = Document()
    document.feed("| [x] | b |\n|---|---|\n" + "| [x] | c |\n" * 150 + "\n")
    settle(document, 60)
    document.feed("[x]: /a/long/url\n\n")
    lines = texts(document)
    assert {line.find("│") for line in lines if "│" in line} == {ROOM + 1}
    assert lines[2] == f"{'x </a/long/url>':{ROOM}} │ c"


def test_a_settled_piece_of_a_long_paragraph_becomes_a_link() -> None:
    document = Document()
    document.feed("word [x] " * 200 * CHUNKS + "\n\n[x]: /u\n\n")
    assert "[x]" not in "\n".join(texts(document))


def test_what_stands_below_moves_with_a_block_that_grows() -> None:
    document = Document()
    document.feed("".join(f"[x{n % 5}] number{n}\n\n" for n in range(40)))
    settle(document, 24)
    document.feed("".join(f"[x{n}]: http://a.b/{'c' * 20 * n}\n" for n in range(5)) + "\nend")
    lines = settle(document, 24)
    assert lines == settled(
        "".join(f"[x{n % 5}] number{n}\n\n" for n in range(40))
        + "".join(f"[x{n}]: http://a.b/{'c' * 20 * n}\n" for n in range(5))
        + "\nend",
        24,
    )
    assert [document.find(*document.place(n)) for n in range(len(lines))] == [*range(len(lines))]


def test_the_first_definition_counts_and_labels_are_compared_without_case() -> None:
    found = References(Later())
    assert found.take("[Ä  b]: /one\n[ä b]: /two", keep=True) == ""
    assert [each["href"] for each in found.env["references"].values()] == ["/one"]


def test_what_follows_definitions_is_left_as_it_is() -> None:
    assert References(Later()).take("[a]: /u\ntext  \n[b]: /v", keep=True) == "text  \n[b]: /v"


def test_definitions_that_are_still_being_written_define_nothing() -> None:
    document = Document()
    document.feed("[x]\n\n[x]: /u")
    assert texts(document) == ["[x]"]
    document.feed("rl\n")
    document.feed("\n")
    assert texts(document) == ["x </url>"]


def test_later_work_comes_in_slices() -> None:
    document = Document()
    document.feed("[x] and words\n\n" * 400 + "[x]: /u\n\n")
    document.feed("end")
    calls = 0
    while document.pending or not calls:
        document.lines(60)
        calls += 1
    assert calls >= 400 * len("[x] and words") // SLICE
    assert texts(document)[::2] == ["x </u> and words"] * 400 + ["end"]


@given(st.lists(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)))), st.integers(1, 80))
def test_all_steps_of_all_tasks_are_done_in_order(
    tasks: list[list[tuple[int, int]]], chars: int
) -> None:
    done: list[tuple[int, int]] = []
    later = Later()
    for task in tasks:
        later.add(done.append(each) or Step(each[0], each[1]) for each in task)
    changed: set[int] = set()
    while later:
        changed |= later.run(chars)
    assert done == [each for task in tasks for each in task]
    assert changed == {block for _, block in done}


JAVA = "int a; /* open\nreturn\n*/ return b;\n"


def told(document: Document) -> list[str]:
    return [marked(line, {"fence.comment", "fence.keyword"}) for line in settle(document, 40)]


def test_a_comment_over_lines_is_one_once_its_fence_has_closed() -> None:
    document = Document()
    document.feed(f"```java\n{JAVA}")
    assert told(document)[1] == "  ‹fence.keyword return›"
    document.feed("```\n")
    assert [line.removesuffix("java").rstrip() for line in told(document)] == [
        "  ‹fence.keyword int› a; ‹fence.comment /* open›",
        "  ‹fence.comment return›",
        "  ‹fence.comment */› ‹fence.keyword return› b;",
    ]


def test_a_fence_that_ends_with_its_quote_is_coloured_as_a_whole_too() -> None:
    document = Document()
    document.feed("> ```java\n> /* a\n> return */\n\nout")
    assert told(document)[1] == "│   ‹fence.comment return */›"


def test_colours_come_later_but_move_nothing() -> None:
    document = Document()
    document.feed("```java\n" + JAVA * 100 + "```\n\nend")
    before = [line_text(line) for line in document.lines(40)]
    assert document.pending
    assert [line_text(line) for line in settle(document, 40)] == before
    assert "‹fence.comment return›" in "".join(told(document))


@pytest.mark.parametrize("rows", [0, 1, SETTLE - 1, SETTLE, SETTLE + 1])
def test_rows_that_are_shown_hold_still_while_others_come(rows: int) -> None:
    document = Document()
    document.feed("| a | b |\n|---|---|\n" + "| cell | c |\n" * SETTLE)
    column = texts(document)[0].find("│")
    document.feed("| a much longer cell | c |\n" * rows)
    assert texts(document)[0].find("│") == column
    document.feed("\n")
    assert texts(document)[0].find("│") >= column
