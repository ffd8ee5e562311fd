"""A stream cut at every byte is whole again in the journal: nothing missing, nothing repeated."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ssechat.journal import Journal
from support.wire_replay import Client, Event, Server, Style, Told, chat, messages

STYLES = {
    "an id on every event": Style(),
    "an id on every third event": Style(every=3),
    "ids in blocks of their own": Style(apart=True),
    "ids in blocks of their own, after every second event": Style(every=2, apart=True),
    "CRLF": Style(newline="\r\n"),
    "CR": Style(newline="\r", every=2),
    "the cursor's own event again": Style(inclusive=True, every=2),
    "all again": Style(forgetful=True),
    "all again, ids in blocks of their own": Style(forgetful=True, apart=True),
    "all again, without ids": Style(every=0, forgetful=True),
    "the relay's ids": Style(ordered=True),
    "the relay's ids, all again": Style(ordered=True, forgetful=True),
    "cursors refused": Style(deaf=True, every=2),
    "the relay's ids, cursors refused": Style(ordered=True, deaf=True),
    "the relay's ids on every third event": Style(ordered=True, every=3),
}
DIALECTS = {"openai-chat": chat, "anthropic": messages}
CASES = [
    *((style, "openai-chat") for style in STYLES),
    *((style, "anthropic") for style in [*STYLES][:3]),
    ("CRLF", "anthropic"),
    ("all again, ids in blocks of their own", "anthropic"),
]
THINKING = ["So", " 傅"]
ANSWER = ["Yes", ", ", "no\n", "Yes", ", "]
TOGETHER = 150  # streams at once: they share the journal's commits


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = await Journal.open(tmp_path / "ssechat.db")
    yield opened
    await opened.close()


async def told(journal: Journal, server: Server, codec: str, cuts: list[list[int]]) -> list[Told]:
    """How the stream ends for each list of cuts."""
    results: list[Told] = []
    for start in range(0, len(cuts), TOGETHER):
        some = cuts[start : start + TOGETHER]
        clients = [Client(journal, server, codec, each) for each in some]
        results += await asyncio.gather(*(client.run() for client in clients))
    return results


def same(cut: Told, whole: Told, expected: list[Event]) -> None:
    assert (cut.state, cut.answer, cut.thinking) == ("completed", whole.answer, whole.thinking)
    # After the verdict neither usage nor the end mark need come.
    assert cut.events == expected[: len(cut.events)]
    assert len(expected) - len(cut.events) <= 2


def cursor_after(server: Server, size: int) -> str:
    """What the second connection must send if the first one was cut after `size` bytes."""
    return "" if server.style.deaf else server.cursor_at(size)


def named(events: list[Event]) -> list[Event]:
    return [Event(event.name or "message", event.data) for event in events]


@pytest.mark.parametrize(("style", "codec"), CASES)
async def test_cut_at_any_byte_it_goes_on_there(style: str, codec: str, journal: Journal) -> None:
    events = DIALECTS[codec](THINKING, ANSWER)
    server, expected = Server(events, STYLES[style]), named(events)
    size = len(server.body(""))
    (whole,) = await told(journal, server, codec, [[]])
    assert whole.answer == "".join(ANSWER)
    assert whole.thinking == "".join(THINKING)
    assert whole.events == expected
    cuts = list(range(size + 1))
    for k, cut in zip(cuts, await told(journal, server, codec, [[k] for k in cuts]), strict=True):
        same(cut, whole, expected)
        assert cut.cursors_sent[1:] in ([], [cursor_after(server, k)])


@pytest.mark.parametrize(("style", "codec"), CASES)
async def test_cut_again_while_it_goes_on_it_is_whole_too(
    style: str, codec: str, journal: Journal
) -> None:
    dice = random.Random(f"{style} {codec}")
    events = DIALECTS[codec](THINKING, ANSWER)
    server, expected = Server(events, STYLES[style]), named(events)
    size = len(server.body(""))
    (whole,) = await told(journal, server, codec, [[]])
    cuts = [[dice.randint(0, size) for _ in range(dice.randint(2, 3))] for _ in range(60)]
    for cut in await told(journal, server, codec, cuts):
        same(cut, whole, expected)


async def test_four_kilobytes_are_cut_at_every_byte_too(journal: Journal) -> None:
    codec, words = "openai-chat", [f"{number} 傅里叶 \U0001f600\n" * 30 for number in range(6)]
    events = chat(words[:2], words[2:])
    server, expected = Server(events, Style(every=2)), named(events)
    size = len(server.body(""))
    assert 3500 < size < 4200
    (whole,) = await told(journal, server, codec, [[]])
    cuts = list(range(size + 1))
    for k, cut in zip(cuts, await told(journal, server, codec, [[k] for k in cuts]), strict=True):
        same(cut, whole, expected)
        assert cut.cursors_sent[1:] in ([], [server.cursor_at(k)])
