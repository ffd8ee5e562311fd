"""Emphasis, code and links; and nothing that a terminal would obey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.safe import clean
from ssechat.tui.markdown.inline import LIMIT, neutral, parse_inline
from ssechat.tui.markdown.spans import merge


def spans(text: str) -> list[tuple[str, str]]:
    return [tuple(span) for span in merge(parse_inline(text, {}))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", [("plain", "")]),
        ("**b** *e* ~~s~~", [("b", "strong"), (" ", ""), ("e", "em"), (" ", ""), ("s", "strike")]),
        ("**b *be***", [("b ", "strong"), ("be", "strong em")]),
        ("`a *b*`", [("a *b*", "code")]),
        ("[t](http://u)", [("t", "link"), (" <http://u>", "target")]),
        ("<http://u>", [("http://u", "link")]),
        ("<me@a.b>", [("me@a.b", "link")]),
        ("[http://u](http://evil)", [("http://u", "link"), (" <http://evil>", "target")]),
        ("[http://a.b/ü](http://a.b/ü)", [("http://a.b/ü", "link")]),
        (
            "[http://a.b/@c.d](http://a.b%2F@c.d)",
            [("http://a.b/@c.d", "link"), (" <http://a.b%2F@c.d>", "target")],
        ),
        (
            "<http://аpple.com>",
            [("http://аpple.com", "link"), (" <http://xn--pple-43d.com>", "target")],
        ),
        ("![alt](http://u)", [("[image: alt]", "image"), (" <http://u>", "target")]),
        ("![](data:image/png;base64,AA)", [("[image]", "image")]),
        ("[x](javascript:alert)", [("[x](javascript:alert)", "")]),
        ("a\nb", [("a b", "")]),
        ("a\\\nb", [("a\nb", "")]),
        ("汉\n字", [("汉字", "")]),
        ("한\n국", [("한 국", "")]),
        ("<b>&lt;&copy;", [("<b><©", "")]),
    ],
)
def test_inline_text_is_read_as(text: str, expected: list[tuple[str, str]]) -> None:
    assert spans(text) == expected


def test_a_link_in_emphasis_shows_its_target_too() -> None:
    assert spans("**[t](http://u)**") == [("t", "strong link"), (" <http://u>", "target")]


@pytest.mark.parametrize(
    "text",
    ["&#27;[31m", "&#x9b;31m", "&#x202e;x", "<http://a/%1b%5d52>", "[a](http://a/%1b)", "a&Tab;b"],
)
def test_entities_and_escapes_bring_no_control_character_back(text: str) -> None:
    shown = "".join(part for part, _ in spans(text))
    assert shown == clean(shown)
    assert "\t" not in shown


@pytest.mark.parametrize(
    "unit", ["[", "*a ", "**a", "`", "``a`", "![[", "<a", "](", "&", "~~", "_a*", "\\", "[a]("]
)
def test_hostile_text_of_the_longest_run_is_read_at_once(unit: str) -> None:
    text = (unit * LIMIT)[: 2 * LIMIT]
    assert parse_inline(text, {})


@given(st.lists(st.sampled_from(["a ", "*b c* ", "`d e` ", "[f g](h) ", "i\n"]), min_size=9))
def test_a_long_run_is_cut_where_nothing_is_open(parts: list[str]) -> None:
    text = "".join(parts)
    cut = neutral(text)
    joined = parse_inline(text[:cut], {}) + parse_inline(text[cut:], {})
    assert "".join(span.text for span in joined) == "".join(
        span.text for span in parse_inline(text, {})
    )
