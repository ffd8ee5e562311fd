"""How often the app paints: what comes in the visible tab, in hidden ones, figures and badges."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ssechat.tui.app import SsechatApp
from ssechat.tui.paint.display import PaintedApp
from ssechat.tui.widgets.status_bar import StatusBar
from support.app import Desktop, chunk, configure, desktop
from support.fault_server import FaultServer, Request, Wire

FPS = 10


class Stream:
    """A provider whose answer grows when the test says so."""

    def __init__(self) -> None:
        self.wire: Wire | None = None

    async def __call__(self, request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event(chunk("it begins\n\n"))
        self.wire = wire
        await wire.hang()

    async def grow(self, desk: Desktop, start: int, stop: int) -> None:
        """One event for each number, a hundredth of a second apart."""
        assert self.wire is not None
        for number in range(start, stop):
            await self.wire.event(chunk(f"line {number}\n\n"))
            await desk.pilot.pause(0.01)


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
async def desk(home: Path, stream: Stream) -> AsyncIterator[Desktop]:
    async with FaultServer(stream) as server:
        configure(home, server.base_url, "[ui]", f"fps = {FPS}")
        async with desktop(size=(80, 24)) as desk:
            desk.app.composer.cursor_blink = False
            await desk.ask("hello")
            await desk.until(lambda: "it begins" in desk.screen)
            yield desk


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str], list[float]]:
    """Begins to write down when a method is called."""

    def watch(owner: type, name: str) -> list[float]:
        found: list[float] = []
        method = getattr(owner, name)

        def noted(*given: Any, **options: Any) -> Any:
            found.append(time.monotonic())
            return method(*given, **options)

        monkeypatch.setattr(owner, name, noted)
        return found

    return watch


async def test_no_more_frames_a_second_than_the_user_wants(
    desk: Desktop, stream: Stream, times: Callable[[type, str], list[float]]
) -> None:
    frames = times(SsechatApp, "_paint")
    await stream.grow(desk, 1, 60)
    await desk.until(lambda: "line 59" in desk.screen)
    assert len(frames) > 2
    assert min(later - earlier for earlier, later in pairwise(frames)) > 0.9 / FPS


async def test_what_comes_in_a_hidden_tab_causes_no_frame(
    desk: Desktop, stream: Stream, times: Callable[[type, str], list[float]]
) -> None:
    live = desk.app.desk.tab.live
    assert live is not None
    await desk.pilot.press("ctrl+n")
    await desk.says("ready")
    await desk.pilot.pause(0.6)  # what the key itself has changed is painted
    frames = times(PaintedApp, "_display")
    await stream.grow(desk, 1, 51)
    await desk.until(lambda: "line 50" in live.fold.reply.answer)
    await desk.pilot.pause(0.6)  # two looks at figures and badges
    assert frames == []
    await desk.pilot.press("alt+1")
    await desk.until(lambda: "line 50" in desk.screen)
    assert frames


async def test_figures_and_badges_are_drawn_no_more_than_four_times_a_second(
    desk: Desktop, stream: Stream, times: Callable[[type, str], list[float]]
) -> None:
    await desk.says("live")
    looks, drawn = times(SsechatApp, "_glance"), times(StatusBar, "show")
    frames = times(SsechatApp, "_paint")
    began = time.monotonic()
    await stream.grow(desk, 1, 101)
    quarters = 4 * (time.monotonic() - began)
    assert 1 < len(drawn) <= quarters + 2
    assert len(looks) <= quarters + 2
    assert len(frames) > len(drawn)
