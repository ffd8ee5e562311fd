"""The block grammar, against markdown-it as the oracle, and what each block looks like."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ssechat.tui.markdown import Document
from ssechat.tui.markdown.grammar import BULLETS
from ssechat.tui.markdown.inline import parse_inline
from ssechat.tui.markdown.spans import line_text
from support.markdown import settled

ORACLE = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
WIDE = 2000  # nothing wraps


class Expected:
    """The lines that a document should have, without blank ones, made from markdown-it's tokens."""

    def __init__(self, text: str) -> None:
        self.lines: list[str] = []
        self._around: list[list[Any]] = []  # quotes [bar] and list items [mark, drawn, bullet]
        self._numbers: list[int | None] = []
        self._env: dict[str, Any] = {}
        for token in ORACLE.parse(text, self._env):
            getattr(self, f"_{token.type}", lambda _: None)(token)

    def _add(self, text: str) -> None:
        margin = "".join(" " * len(m) if rest[:1] == [True] else m for m, *rest in self._around)
        for each in self._around:
            each[1:2] = [True] if len(each) > 1 else []
        self.lines.append(f"{margin}{text}".rstrip())

    def _blockquote_open(self, _: Any) -> None:
        self._around.append(["│ "])

    def _blockquote_close(self, _: Any) -> None:
        self._around.pop()

    def _bullet_list_open(self, _: Any) -> None:
        self._numbers.append(None)

    def _ordered_list_open(self, token: Any) -> None:
        self._numbers.append(int(token.attrs.get("start", 1)))

    def _list_close(self, _: Any) -> None:
        self._numbers.pop()

    _bullet_list_close = _ordered_list_close = _list_close

    def _list_item_open(self, token: Any) -> None:
        number = self._numbers[-1]
        if number is None:
            depth = sum(len(each) == 3 and each[2] for each in self._around)
            self._around.append([f"{BULLETS[depth % len(BULLETS)]} ", False, True])
        else:
            self._around.append([f"{number}{token.markup} ", False, False])
            self._numbers[-1] = number + 1

    def _list_item_close(self, _: Any) -> None:
        if not self._around[-1][1]:
            self._add("")
        self._around.pop()

    def _inline(self, token: Any) -> None:
        text = "".join(span.text for span in parse_inline(token.content, self._env))
        for line in text.split("\n"):
            self._add(line)

    def _fence(self, token: Any) -> None:
        rows = token.content.removesuffix("\n").split("\n")
        for row in rows:
            self._add(f"  {row}")

    def _code_block(self, token: Any) -> None:
        for row in filter(str.strip, token.content.split("\n")):
            self._add(f"  {row}")

    def _hr(self, _: Any) -> None:
        self._add("---")


def lines(text: str, width: int = WIDE) -> list[str]:
    return [line_text(line).rstrip() for line in settled(text, width)]


def visible(shown: list[str]) -> list[str]:
    """Without what only a screen needs: the length of a rule, blank lines, empty quote bars."""
    return [re.sub("─+$", "---", line) for line in shown if line.strip(" │")]


blocks = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["> ", "- ", "* ", "1. ", "3) ", "  ", "   "]), max_size=4),
        st.sampled_from(["a", "b *c*", "# head", "---", "===", "```", "~~~", "+ x", "2. y", "# "])
        | st.sampled_from(["[r]", "/v", "'t'", "\\# a", "a  ", "b\\"]),
    ).map(lambda each: "".join(each[0]) + each[1])
    | st.sampled_from(["", "[r]: /u\n", "[R]:\n/v\n", "[r]: /w\n't'\n", "[r]: x y\n"]),
    min_size=1,
    max_size=9,
).map(lambda each: re.sub(" {4,}", "   ", "\n".join([*each, "", "end"])))
# Left out is where markdown-it departs from CommonMark's own parsers: deeper indentation, and what
# comes right after definitions, which are no paragraph to it.


@settings(max_examples=400)
@given(blocks)
def test_containers_and_leaves_are_those_of_markdown_it(text: str) -> None:
    assert visible(lines(text)) == visible(Expected(text).lines)


@pytest.mark.parametrize(
    "text",
    [
        "- a\n  - b\n    - c\n\n      d\n    - e\n- f",
        "1. a\n   1. b\n      > c\n      d\n2. e\n\n       code\n",
        "10) a\n    - b\n\n    c\n11) d",
        "> - a\n>   ```\n>   b\n>\n>     c\n>   ```\n>   d",
        "a\n    b\n\n    code\n\n\tcode\n",
        "- a\n\n      code\n\n  ***\n- # b\n  c",
    ],
)
def test_deep_containers_are_those_of_markdown_it_too(text: str) -> None:
    assert visible(lines(text)) == visible(Expected(text).lines)


rows = st.lists(
    st.sampled_from(["| a | b |", "a|b", "|-|-|", "-|:-:", "--|", ":-", "|", "x", "\\| | y", ""]),
    max_size=7,
).map("\n".join)


@settings(max_examples=300)
@given(rows)
def test_tables_begin_and_end_where_markdown_it_has_them(text: str) -> None:
    found = [token.type for token in ORACLE.parse(text)]
    ruled = sum("─" in line for line in lines(text))
    assert ruled == found.count("table_open") + found.count("hr")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Vec<String> and <think>hm</think>", ["Vec<String> and <think>hm</think>"]),
        ("<details>\n<b>x</b>\n</details>", ["<details>", "<b>x</b>", "</details>"]),
        ("a\n\n\n\nb", ["a", "", "b"]),
        ("- a\n- b\n\n- c", ["• a", "• b", "", "• c"]),
        ("9. a\n9. b", ["9. a", "10. b"]),
        ("- [ ] a\n- [x] b", ["☐ a", "☑ b"]),
        ("1. a\n\n   b", ["1. a", "", "   b"]),
        ("> a\n>\n> b", ["│ a", "│", "│ b"]),
        ("- - a\n  - b", ["• ◦ a", "  ◦ b"]),
        ("```\na\n\n\n  b\n```", ["  a", "", "", "    b"]),
        ("# One ##", ["One"]),
        ("-", ["•"]),
    ],
)
def test_a_block_is_shown_as(text: str, expected: list[str]) -> None:
    assert lines(text, 60) == expected


def test_a_fence_has_its_label_at_the_right_of_its_first_line() -> None:
    assert lines("```rust\nfn a() {}\nlet b;\n```", 30) == [
        "  fn a() {}" + " " * 15 + "rust",
        "  let b;",
    ]


def test_an_open_fence_without_a_line_shows_its_label() -> None:
    document = Document()
    document.feed("```rust\n")
    assert [line_text(line).strip() for line in document.lines(30)] == ["rust"]


TABLE = "| name | n | text |\n|:--|--:|:-:|\n| a | 10 | x |\n| bb | 9 | yyy |\n"


def test_columns_are_aligned() -> None:
    assert lines(TABLE, 40) == [
        "name │  n │ text",
        "─────┼────┼─────",
        "a    │ 10 │  x",
        "bb   │  9 │ yyy",
    ]


def test_a_cell_that_is_too_wide_wraps_in_its_column() -> None:
    shown = lines("| a | b |\n|-|-|\n| one two three four five | x |\n", 22)
    assert shown == [
        "a                 │ b",
        "──────────────────┼───",
        "one two three     │ x",
        "four five         │",
    ]


def test_where_columns_would_get_too_narrow_each_cell_has_a_line() -> None:
    head, rule = "|".join("abcdefgh"), "|".join(["-"] * 8)
    shown = lines(f"{head}\n{rule}\n" + "|".join(["wide cell"] * 8), 20)
    assert shown == ["────────", *(f"{name}: wide cell" for name in "abcdefgh")]


def test_a_long_table_keeps_its_columns() -> None:
    text = "| a | b |\n|-|-|\n" + "| cell | other |\n" * 500
    shown = lines(text, 40)
    assert len(shown) == 502
    assert len(set(shown[2:])) == 1


def test_definitions_are_not_shown_and_resolve_what_follows() -> None:
    assert lines("[r]: http://a.b\nsee [r]", 60) == ["see r <http://a.b>"]


def test_a_deep_nest_leaves_room_for_its_text() -> None:
    text = "".join("  " * n + "- item\n" for n in range(18))
    assert all(len(line) <= 20 and "item" in line for line in lines(text, 20))
