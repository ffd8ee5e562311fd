"""Which frames are painted, on a terminal that takes them and on one that does not, and how."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from textual.app import ComposeResult
from textual.geometry import Region
from textual.widgets import Static

from ssechat.tui.driver import SsechatDriver
from ssechat.tui.paint.display import PaintedApp
from support.app import LEADER, READY, demo, leave


class App(PaintedApp[None]):
    """Two lines, which a test paints at will; each time they say other words."""

    CSS = "#lines { height: 2; }"

    def compose(self) -> ComposeResult:
        yield Static(id="lines", markup=False)

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
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()  # what a start paints is painted
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


async def test_of_a_frame_what_the_terminal_shows_already_is_not_sent(app: App, line: Line) -> None:
    app.paint("spring", "flowers", complete=True)
    assert "flowers" in line.read()
    app.paint("spring", "flowers", complete=True)
    assert line.read() == ""
    app.paint("spring", "flowerbeds", complete=True)
    sent = line.read()
    assert "beds" in sent
    assert "spring" not in sent


async def test_frames_are_sent_whole_if_the_user_wants_that(
    app: App, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSECHAT_FULL_FRAMES", "1")
    for _ in range(2):
        app.paint("spring", "flowers", complete=True)
        sent = line.read()
        assert "spring" in sent
        assert "flowers" in sent


@pytest.mark.parametrize("whole", [False, True], ids=["differences", "whole frames"])
async def test_what_a_widget_lets_through_ends_here(
    app: App, line: Line, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if whole:
        monkeypatch.setenv("SSECHAT_FULL_FRAMES", "1")
    app.paint(
        "a\x1b]52;c;aGk=\x1b\\b\x9b2Jc\x7f\u202ed\ud800e", "\x1b]0;title\x1b\\", complete=True
    )
    sent = line.read()
    assert "a]52;c;aGk=\\b2Jcd\ufffde" in sent
    assert {final for _, final in re.findall("\x1b(.[0-9;]*)(.)", sent)} == {"H", "m"}
    assert re.search("[\0-\x1a\x1c-\x1f\x7f-\x9f\u202e]", sent) is None


def test_the_key_for_it_paints_the_whole_screen_anew(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        painted = program.raw.count(b"enter sends")
        program.send(LEADER + b"l")
        program.wait_for(lambda: program.raw.count(b"enter sends") > painted)
        leave(program)
