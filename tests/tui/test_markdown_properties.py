"""Whatever comes, in whatever pieces: the same lines, none too wide, nothing lost, no control."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from ssechat.core.safe import clean
from ssechat.tui.markdown import Document
from ssechat.tui.markdown.spans import line_cells, line_text
from support.markdown import settle, settled

WIDTHS = (4, 9, 20, 38, 80, 118)

NASTY = [
    *("- ", "* ", "1. ", "2) ", "> ", "> > ", "# ", "### ", "    ", "  ", "\t", "\n", "\n\n", "|"),
    *("```", "````\n", "~~~", "```py\n", "```js\n/* a\n", "*/\n", "---", "===", "- [x] t\n"),
    *("| a | b |\n|-|:-:|\n", "| [x] | y | z |\n", "[x]: http://y\n", "[x]", "[y][x]", "\n[x]:\n"),
    *("[^f]", "[^f]: note ", "\n[y]: <z> 't'\n", "\\", "word ", "**bold** ", "*em", "`code`", "``"),
    *("~~", "[text](http://a.b)", "![i](u)", "<b>", "<details>\n", "<!--", "-->", "(", ")", "_"),
    *(
        "&amp;",
        "&#27;",
        "&#x202e;",
        "&#10;",
        "&nbsp;",
        "&Tab;",
        "&zwj;",
        "汉字，",
        "「引",
        "」",
        "。",
    ),
    *(
        "한국어 ",
        "👨‍👩‍👧",
        "❤",
        "\ufe0f",
        "e\u0301",
        "\u200b",
        "\u200d",
        "x" * 90,
        "[ ] ",
        "汉" * 50,
    ),
    *("$", "$$", "\n$$\n", "\\(", "\\)", "\n\\[\n", "\\]\n", "$a_1$", "https://x.y/_a_", "  \n"),
    *(
        "\u3000",
        "\u00a0",
        "\u00ad",
        "\ufeff",
        "'",
        '"',
        '"""\n',
        "“",
        "”",
        "\x1b[31m",
        "\x9b",
        "\r\n",
    ),
]
documents = (st.lists(st.sampled_from(NASTY), max_size=60).map("".join) | st.text()).map(clean)


@settings(max_examples=250)
@given(documents, st.lists(st.integers(1, 40), min_size=1, max_size=8), st.sampled_from(WIDTHS))
def test_any_chunking_ends_up_as_one_feed_does(text: str, sizes: list[int], width: int) -> None:
    document, at = Document(), 0
    while at < len(text):
        size = sizes[at % len(sizes)]
        document.feed(text[at : at + size])
        document.lines(WIDTHS[at % len(WIDTHS)] if size == 1 else width)
        at += size
    document.finish()
    assert settle(document, width) == settled(text, width)


@settings(max_examples=250)
@given(documents, st.sampled_from(WIDTHS))
def test_a_line_fits_and_holds_nothing_that_a_terminal_would_obey(text: str, width: int) -> None:
    document = Document()
    document.feed(text)
    for line in [*document.lines(width), *settled(text, width)]:
        assert line_cells(line) <= width, line
        assert line_text(line) == clean(line_text(line))
        assert not any(unicodedata.category(char) == "Cc" for char in line_text(line))


@settings(max_examples=100)
@given(documents, st.sampled_from(WIDTHS))
def test_every_line_is_found_at_its_place(text: str, width: int) -> None:
    document = Document()
    document.feed(text)
    lines = settle(document, width)
    assert [document.find(*document.place(n)) for n in range(len(lines))] == [*range(len(lines))]


PROSE = [
    *("{} ", "{}, ", "**{}** ", "*{}* ", "***{}*** ", "~~{}~~ ", "`{}` ", "``{}`` ", "$x_{}$ "),
    *(
        "\\({}\\) ",
        "<{}> ",
        "</{}> ",
        "\\{} ",
        "{}_{} ",
        "[{}](/) ",
        "![{}](/) ",
        "[{}][-] ",
        "_{}_ ",
    ),
    *(
        "“{}” ",
        "{}\n",
        "{}  \n",
        "{}\\\n",
        "汉{}字",
        "「{}」",
        "https://{} ",
        "{}<{} ",
        "{}&{} ",
        "[^{}] ",
    ),
]
LEAVES = [
    *(
        "# {}\n",
        "###### {} ##\n",
        "{}\n===\n",
        "{}\n---\n",
        "```\n{}\n  {}\n\n{}\n```\n",
        "~~~\n{}\n~~~\n",
    ),
    *(
        "    {}\n\n\n    {}\n\n",
        "$$\n{}\n- {}\n$$\n",
        "\\[ {} \\]\n",
        "<div>\n{}\n</div>\n",
        "[^{}]: {}\n",
    ),
    *("***\n", "|{}|{}|\n|-|-|\n|{}|{}|\n|{}|{}|{}|\n", "- [ ] {}\n", "1. [x] {}\n"),
]
CONTAINERS = ["", "> ", "- ", "* ", "+ ", "1. ", "23) ", "> > ", "- - ", "> 1. "]


@st.composite
def sources(draw: st.DrawFn) -> str:
    """A document in which every word is a number of its own, in rising order."""
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 8))):
        margin = draw(st.sampled_from(CONTAINERS))
        prose = st.lists(st.sampled_from(PROSE), min_size=1, max_size=6).map("".join)
        leaf = draw(st.sampled_from(LEAVES) | prose)
        rest = re.sub(r"[^>]", " ", margin)
        lines = leaf.rstrip("\n").split("\n")
        parts.append("\n".join((rest if n else margin) + line for n, line in enumerate(lines)))
    numbers = iter(range(1000, 9999))
    return re.sub(r"\{\}", lambda _: f"w{next(numbers)}", "\n\n".join(parts))


@settings(max_examples=300)
@given(sources(), st.sampled_from((24, 60, 400)))
def test_every_word_is_shown_in_its_order(source: str, width: int) -> None:
    wide = max(width, 400) if "|-|" in source else width  # cells that wrap are side by side
    shown_words = "".join("".join(map(line_text, settled(source, wide))).replace("│", "").split())
    assert re.findall(r"w\d{4}", shown_words) == re.findall(r"w\d{4}", source)
