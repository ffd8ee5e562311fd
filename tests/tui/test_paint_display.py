"""Which frames are painted, on a terminal that takes them and on one that does not."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from textual.app import ComposeResult
from textual.geometry import Region
from textual.widgets import Static

from ssechat.tui.driver import SsechatDriver
from ssechat.tui.paint.display import PaintedApp


class App(PaintedApp[None]):
    """Two lines, which a test paints at will; each time they say other words."""

    CSS = "#lines { height: 2; }"

    def compose(self) -> ComposeResult:
        yield Static(id="lines")

    def paint(self, first: str, second: str = "", *, complete: bool = False) -> None:
        self.query_one("#lines", Static).update(f"{first}\n{second}", layout=False)
        compositor = self.screen._compositor
        compositor._dirty_regions = {Region(0, 0, 80, 24 if complete else 1)}
        self._display(self.screen, compositor.render_update())


class Line:
    """A pseudo-terminal that is read when the test says so."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        self.driver: SsechatDriver

    def stall(self) -> None:
        self.driver.write("." * 1_000_000)
        assert self.driver.backlog

    def read(self, until: str = "") -> str:
        """What was written, at least up to `until`, without what stalled the line."""
        text = ""
        while self.driver.backlog or self._readable() or until not in text:
            # The backlog is counted down only after its last bytes can be read here.
            if self._readable(within=0.01):
                text += os.read(self.master, 1_000_000).decode()
        return text.strip(".")

    def _readable(self, within: float = 0) -> bool:
        return bool(select.select([self.master], [], [], within)[0])


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    os.close(line.master)
    os.close(line.slave)


@pytest.fixture
async def app(line: Line, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    """A running app that paints on the line; all but its output stays headless."""
    monkeypatch.setattr("ssechat.tui.driver.STDERR", line.slave)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT)}
    app = App()
    async with app.run_test(size=(80, 24)):
        headless = app._driver
        app._driver = line.driver = SsechatDriver(app)
        line.driver._open_output()
        yield app
        app._driver = headless
        line.driver.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)


async def test_a_terminal_that_keeps_up_gets_every_frame(app: App, line: Line) -> None:
    assert app.can_paint
    app.paint("spring")
    assert "spring" in line.read()
    app.paint("autumn")
    assert "autumn" in line.read()


async def test_after_a_skipped_frame_only_a_complete_one_will_do(app: App, line: Line) -> None:
    line.stall()
    assert not app.can_paint
    app.paint("spring")
    assert line.read() == ""
    app.paint("spring")
    assert line.read() == ""
    app.paint("spring", "flowers", complete=True)
    assert "flowers" in line.read()
    app.paint("autumn", "flowers")
    assert "autumn" in line.read()


async def test_once_the_terminal_caught_up_the_app_repaints_by_itself(app: App, line: Line) -> None:
    line.stall()
    app.paint("spring", "flowers")
    assert "spring" in await asyncio.to_thread(line.read, until="flowers")


def test_without_our_driver_every_change_can_be_painted() -> None:
    assert App().can_paint
