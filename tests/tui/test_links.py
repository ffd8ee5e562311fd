"""Links of an answer: which there are, and to whom they really lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.deltas import Citation, EndState, Text, Thinking, Verdict
from ssechat.core.errors import Problem
from ssechat.core.reply import Reply
from ssechat.tui.links import LONGEST, Link, link, links, open_link, unseen
from ssechat.tui.transcript import NoteItem, ReplyItem, UserItem
from support.pages import HOSTILE, WALL, answered


async def found(text: str) -> list[tuple[str, str]]:
    return [(one.target, one.label) for one in await links([answered("r", text)])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see [this](https://a.example/x).", [("https://a.example/x", "this")]),
        ("see https://a.example/b_(c).", [("https://a.example/b_(c)", "")]),
        ("<http://a.example> <me@b.c>", [("http://a.example", ""), ("mailto:me@b.c", "")]),
        ("[https://bank.example](http://evil.d)", [("http://evil.d", "https://bank.example")]),
        ("[**a** `b`][1]\n\n[1]: http://c.example", [("http://c.example", "a b")]),
        ("![cat](https://a.example/cat.png)", [("https://a.example/cat.png", "[image: cat]")]),
        ("| a |\n|-|\n| [x](http://a.example) |", [("http://a.example", "x")]),
        ("> 1. http://a.example", [("http://a.example", "")]),
        ("```\ncurl 'http://a.example/?q=1'\n```", [("http://a.example/?q=1", "")]),
        ("[here](/there) [^1]\n\n[^1]: no link", [("/there", "here")]),
        ("twice http://a.example and http://a.example", [("http://a.example", "")]),
        ("[x](javascript:alert(1)) [y](file:///etc/passwd)", []),
        ("ftp://a.example, <ftp://b.c/>", [("ftp://a.example", ""), ("ftp://b.c/", "")]),
        ("<tel:+49123>", [("tel:+49123", "")]),
        ("[^fig:one]\n\n[^fig:one]: no link", []),
        ("no link: at all, not@", []),
        (
            "\x1b]8;;http://a.example\x1b\\http://b.c",
            [("http://a.example", ""), ("http://b.c", "")],
        ),
    ],
)
async def test_what_is_shown_as_a_link_or_reads_like_an_address_is_one(
    text: str, expected: list[tuple[str, str]]
) -> None:
    assert await found(text) == expected


async def test_a_target_that_is_broken_on_the_screen_is_whole() -> None:
    target = "https://a.example/" + "b" * 400
    text = f"{'word ' * 99}[x]({target}) and <{target}2> {target}3."
    assert await found(text) == [(target, "x"), (f"{target}2", ""), (f"{target}3", "")]


async def test_links_of_questions_and_sources_are_found_but_not_those_of_notes() -> None:
    said = Reply()
    said.apply(Thinking("http://thought.example"), 1.0)
    said.apply(Citation("A title", "https://source.example/x"), 1.0)
    said.apply(Text("http://answer.example"), 2.0)
    said.apply(Verdict(EndState.COMPLETE), 3.0)
    items = [
        UserItem("u", "what is **http://asked.example**?", WALL),
        ReplyItem("r", said, "m", state="complete"),
        NoteItem("n", "http://note.example"),
    ]
    assert [(one.host, one.label) for one in await links(items)] == [
        ("asked.example", ""),
        ("source.example", "[1] A title"),
        ("answer.example", ""),
    ]


LOOKALIKE = "xn--ypal-43d9g.com"


@pytest.mark.parametrize(
    ("address", "target", "host"),
    [
        ("https://раypal.com/?a=б", f"https://{LOOKALIKE}/?a=%D0%B1", LOOKALIKE),
        ("https://EXAMPLE.com:80/a b", "https://example.com:80/a%20b", "example.com"),
        ("https://bank.example@evil.d/", "https://bank.example@evil.d/", "evil.d"),
        ("https://evil.example\\@good.d", "https://evil.example%5C@good.d", "good.d"),
        ("http://[::1]:80/", "http://[::1]:80/", "[::1]"),
        ("HTTP://a.example/\x1b[2J\u202e", "http://a.example/%1B[2J%E2%80%AE", "a.example"),
        ("mailto:a@раypal.com?subject=x y", f"mailto:a@{LOOKALIKE}?subject=x%20y", LOOKALIKE),
    ],
)
def test_a_target_is_ascii_and_says_to_whom_it_leads(address: str, target: str, host: str) -> None:
    assert link(address, "l") == Link(target, host, opens=True, label="l")


@pytest.mark.parametrize(
    "address",
    [
        *("javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "/x", "#x", "ftp://a.b"),
        *("http://", "https:///x", "https://ex%61mple.com", "http://a.b\u202e.c/", "http://a b/"),
        *("http://a.example:999999/", "https://straße.de", "http://" + "ü" * 80, "http://a\nb/"),
        *("mailto:a@b.c?attach=/etc/passwd", "mailto:a@b.c,d@e.f", "mailto:", "http://\ud800.a"),
        *(
            "https://evil.example\u2100.good.example",
            "http://\uff0f.a",
            "http://[::1",
            "http://[x]",
        ),
        *("vbscript:x", "http:a.example", "\x00http://a.example", "xhttp://a.example"),
    ],
)
async def test_anything_else_can_only_be_copied(address: str) -> None:
    one = link(address)
    assert not one.opens
    with pytest.raises(Problem, match="not opened"):
        await open_link(one)


async def test_what_is_too_long_to_be_read_is_not_opened() -> None:
    with pytest.raises(Problem, match="not opened"):
        await open_link(link("https://a.example/" + "x" * LONGEST))


@given(
    st.text() | st.sampled_from(HOSTILE), st.sampled_from(["", "http://", "https://a.b", "mailto:"])
)
def test_no_address_becomes_a_target_that_a_terminal_or_a_shell_would_obey(
    text: str, scheme: str
) -> None:
    one = link(scheme + text, text)
    assert one.target.isascii()
    assert one.target.isprintable() or not one.target
    assert not set(one.target) & set(' "<>\\^`{|}')
    assert one.label.isprintable() or "\u200d" in one.label or not one.label.isascii()
    if one.opens:
        assert one.target.startswith(("http://", "https://", "mailto:"))


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"SSH_CONNECTION": "1 2 3 4", "DISPLAY": ":0"}, "over SSH a browser would open"),
        ({}, "no window could be seen here"),
        ({"DISPLAY": ":0"}, ""),
        ({"WAYLAND_DISPLAY": "w"}, ""),
        ({"BROWSER": "my-browser"}, ""),
    ],
)
def test_where_a_browser_would_not_be_seen_it_is_not_started(
    environment: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSH_CONNECTION", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", "linux")
    assert unseen().startswith(why)
    assert bool(unseen()) == bool(why)
