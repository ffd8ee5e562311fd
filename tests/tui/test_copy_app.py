"""ctrl+c in the app while an answer comes: it copies what is selected, or was a moment ago."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.app import Desktop, chunk, configure, desktop
from support.fault_server import FaultServer, Request, Wire


@pytest.fixture
async def desk(home: Path) -> AsyncIterator[Desktop]:
    """An answer that does not end; "two" is selected in it."""

    async def serve(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event(chunk("one two three"))
        await wire.peer_closed.wait()

    async with FaultServer(serve) as server:
        configure(home, server.base_url)
        async with desktop(size=(80, 24)) as desk:
            await desk.ask("hello")
            await desk.until(lambda: "one two three" in desk.screen and desk.bar[:5] == " live")
            lines = desk.screen.splitlines()
            x, y = next((line.index("two"), y) for y, line in enumerate(lines) if "two" in line)
            await desk.pilot.mouse_down(offset=(x, y))
            await desk.pilot.hover(offset=(x + 2, y))
            await desk.pilot.mouse_up(offset=(x + 2, y))
            await desk.until(lambda: desk.app.screen.get_selected_text() == "two")
            yield desk


async def narrow(desk: Desktop) -> None:
    await desk.pilot.resize_terminal(70, 24)
    await desk.until(lambda: not desk.app.screen.get_selected_text())


@pytest.mark.parametrize("keys", [["ctrl+c"], ["ctrl+x", "c"]])
async def test_what_was_selected_until_the_window_became_narrower_is_copied(
    desk: Desktop, keys: list[str]
) -> None:
    await narrow(desk)
    await desk.pilot.press(*keys)
    await desk.tells("copied 3 characters")
    assert desk.app.clipboard == "two"
    assert desk.bar.startswith(" live")
    await desk.pilot.press("ctrl+c")
    await desk.says("stopped")


async def test_one_that_was_too_long_to_be_kept_is_not_copied_but_nothing_is_stopped(
    desk: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssechat.tui.widgets.selecting._MOST", 0)
    await narrow(desk)
    await desk.pilot.press("ctrl+c")
    await desk.tells("what was selected has changed; nothing is copied")
    assert desk.bar.startswith(" live")


async def test_after_another_key_ctrl_c_stops(desk: Desktop) -> None:
    await narrow(desk)
    await desk.pilot.press("x", "backspace", "ctrl+c")
    await desk.says("stopped")


async def test_after_a_click_ctrl_c_stops(desk: Desktop) -> None:
    await narrow(desk)
    await desk.pilot.click("Composer")
    await desk.pilot.press("ctrl+c")
    await desk.says("stopped")


async def test_after_a_few_seconds_ctrl_c_stops(
    desk: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssechat.tui.widgets.selecting._GRACE", -1.0)
    await narrow(desk)
    await desk.pilot.press("ctrl+c")
    await desk.says("stopped")
