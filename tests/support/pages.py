"""Pages to show: replies that were streamed, long conversations, texts that mean harm."""

from __future__ import annotations

from ssechat.core.deltas import EndState, Text, Thinking, Verdict
from ssechat.core.reply import Reply
from ssechat.tui.transcript import Page, ReplyItem, UserItem

WALL = 1_700_000_000.0  # 22:13:20 UTC

HOSTILE = [
    "\x1b]52;c;ZXZpbA==\x07\x1b[31mred\x1b[0m \x9b31m \x9d0;t\x9c",
    "\u202eevil\u2066 \U000e0041 \x00\x7f\x85 a\rb\r\nc\x0bd\x0ce",
    "&#27;[2J &#x9b;1m &#x202e; <http://a/%1b%5b2J> [x](http://a/\x1b) &Tab;&#10;",
    "[red]markup[/red] [/nope] [@click=app.bell]x[/] $error {x} %s \\[",
    "```py\x1b[1m\nprint('\x1b[5m')\n```\n| a\x1b | b |\n|-|-|\n| \x07 | \x9b |",
    "\ud800 lone \udfff \ufff9\ufffb e" + "\u0301" * 500 + " \u200d\ufe0f",
]


def reply(text: str, thinking: str = "", ended: bool = True) -> Reply:
    """A reply that began at 100.0 on its clock, and answered at 106.1 if it thought."""
    made = Reply()
    if thinking:
        made.apply(Thinking(thinking), 100.0)
    if text:
        made.apply(Text(text), 106.1 if thinking else 100.0)
    if ended:
        made.apply(Verdict(EndState.COMPLETE), 110.0)
    return made


def answered(key: str, text: str, thinking: str = "") -> ReplyItem:
    return ReplyItem(key, reply(text, thinking), "model-1", state="complete")


def long_page(messages: int, characters: int) -> Page:
    """A conversation of so many messages with so many characters each."""
    paragraph = "Some **bold** words and `code` in a paragraph that is neither long nor short. " * 4
    text = f"{paragraph}\n\n- item\n- item\n\n```python\nreturn 1\n```\n\n"
    items: list[UserItem | ReplyItem] = []
    for number in range(messages // 2):
        body = f"message {number}\n\n" + (text * (characters // len(text) + 1))[:characters]
        items += [UserItem(f"u{number}", body, WALL), answered(f"r{number}", body)]
    return Page(items)
