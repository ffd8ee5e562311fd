"""Real connections to the demo server, cut at exact bytes: each answer is that of an uncut run."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from ssechat.core.frames import FrameKind
from ssechat.hub import Hub
from support.cutting_proxy import CuttingProxy, Exchange
from support.demo_process import DemoProcess
from support.hubs import ask, ended, frames, opened, profile, stored

SHORT = "hello #rate=2000 #length=40"
LONGER = "hello #rate=2000 #length=200"  # up to the answer's first words
PATHS = {"openai-chat": "/v1", "anthropic": ""}
TOGETHER = 40
_BOUNDARY = re.compile(rb"\n\n")
_OWN = re.compile(r"st_[a-z2-7]{32}|chatcmpl-\w+|msg_\w+|\"created\":\d+")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    process = DemoProcess("--state", str(tmp_path_factory.mktemp("demo")))
    yield process
    process.close()


class Run(NamedTuple):
    """What a run left in the history, and what the proxy saw of it."""

    state: str
    text: str
    thinking: str
    events: list[str]
    resumes: int
    proxy: CuttingProxy

    @property
    def exchanges(self) -> list[Exchange]:
        """All but the question whether the server is a relay, at an address that is new."""
        return [one for one in self.proxy.exchanges if one.path != "/healthz"]


async def run(
    hub: Hub,
    server: DemoProcess,
    prompt: str,
    *cuts: int,
    dialect: str = "openai-chat",
    reset: bool = False,
) -> Run:
    address = urlsplit(server.url)
    async with CuttingProxy(address.hostname, address.port, cuts, reset) as proxy:
        chosen = profile(proxy.base_url + PATHS[dialect], dialect)
        live = await ended(await ask(hub, chosen, prompt), within=30)
        row = await stored(hub, live)
        got = [f.data for f in await frames(hub, live) if f.kind is FrameKind.EVENT]
        events = [_OWN.sub("", data) for data in got]
        return Run(row.state, row.text, row.thinking, events, row.resumes, proxy)


async def runs(hub: Hub, server: DemoProcess, prompt: str, cuts: list[int], **how) -> list[Run]:
    results: list[Run] = []
    for start in range(0, len(cuts), TOGETHER):
        some = cuts[start : start + TOGETHER]
        results += await asyncio.gather(*(run(hub, server, prompt, k, **how) for k in some))
    return results


def in_pieces(whole: Run) -> None:
    """The server sent its answer bit by bit: else a cut would prove nothing."""
    (exchange,) = whole.exchanges
    assert len(exchange.arrivals) > 10
    assert exchange.arrivals[-1][0] - exchange.arrivals[0][0] > 0.005
    assert exchange.arrivals[len(exchange.arrivals) // 2][1] < 0.9 * len(exchange.body)


def went_on(cut: Run, whole: Run, k: int, *, exactly: bool = True) -> None:
    """The cut run tells what the uncut one does, and it asked for what was missing only."""
    assert (cut.state, cut.text, cut.thinking) == (whole.state, whole.text, whole.thinking)
    assert cut.events == whole.events[: len(cut.events)]
    first, *later = cut.exchanges
    assert [exchange.method for exchange in (first, *later)] == ["POST", *["GET"] * len(later)]
    assert len(first.body) == k
    if not later:
        # The verdict had come: nothing was missing.
        assert len(cut.events) >= len(whole.events) - 2
        return
    assert len(cut.events) == len(whole.events)
    sent = later[0].headers.get("last-event-id", "")
    if exactly:
        assert sent == (first.ids[-1] if first.ids else "")
    assert sent in ("", *first.ids)
    number = first.ids.index(sent) + 1 if sent else 0
    assert later[0].ids[0].endswith(f".1-{number + 1}")


def boundaries(body: bytes) -> list[int]:
    return [match.end() for match in _BOUNDARY.finditer(body)]


async def test_cut_around_every_frame_boundary(server: DemoProcess, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        whole = await run(hub, server, SHORT)
        in_pieces(whole)
        assert (whole.state, whole.resumes, len(whole.events)) == ("length", 0, 43)
        body = whole.proxy.exchanges[0].body
        cuts = sorted({end + n for end in (0, *boundaries(body)) for n in (-1, 0, 1)} - {-1})
        cuts = [k for k in cuts if k < len(body)]
        for k, cut in zip(cuts, await runs(hub, server, SHORT, cuts), strict=True):
            went_on(cut, whole, k)


@pytest.mark.parametrize("dialect", PATHS)
async def test_cut_or_reset_anywhere(server: DemoProcess, dialect: str, tmp_path: Path) -> None:
    dice = random.Random(dialect)
    async with opened(tmp_path) as hub:
        whole = await run(hub, server, LONGER, dialect=dialect)
        in_pieces(whole)
        assert whole.text
        cuts = [dice.randrange(len(whole.proxy.exchanges[0].body)) for _ in range(100)]
        for reset, some in ((False, cuts[::2]), (True, cuts[1::2])):
            found = await runs(hub, server, LONGER, some, dialect=dialect, reset=reset)
            for k, cut in zip(some, found, strict=True):
                went_on(cut, whole, k, exactly=not reset)


async def test_cut_again_and_again(server: DemoProcess, tmp_path: Path) -> None:
    dice = random.Random(3)
    async with opened(tmp_path) as hub:
        whole = await run(hub, server, LONGER)
        cuts = [[dice.randrange(2000, 6000) for _ in range(3)] for _ in range(10)]
        found = await asyncio.gather(*(run(hub, server, LONGER, *each) for each in cuts))
        for cut in found:
            assert (cut.text, cut.thinking) == (whole.text, whole.thinking)
            assert cut.events == whole.events
            assert cut.resumes == 3
            assert sum(exchange.method == "POST" for exchange in cut.proxy.exchanges) == 1
