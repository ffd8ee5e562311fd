"""Keys of one burst do what the same keys do when they are typed one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from ssechat.tui.screens.help import Help
from ssechat.tui.screens.palette import Palette
from support.app import Desktop, configure, desktop

PALETTE = "ctrl+p"
PACES = [0, 1, 2, 4, 9]
"""How often the event loop turns between two keys; so how far one is when the next one comes."""


@pytest.fixture(autouse=True)
def nowhere(home: Path) -> None:
    configure(home, "http://127.0.0.1:9")  # nothing is sent


async def typed(desk: Desktop, keys: list[str], pace: int) -> None:
    """Type without waiting for what the keys do. A word that names no key is pasted."""
    for key in keys:
        desk.app.post_message(_event(key))
        for _ in range(pace):
            await asyncio.sleep(0)


def _event(key: str) -> events.Event:
    if len(key) == 1:
        return events.Key("space" if key == " " else key, key)
    return events.Paste(key) if " " in key else events.Key(key, None)


@asynccontextmanager
async def fresh(desk: Desktop) -> AsyncIterator[None]:
    """Afterwards no overlay is open and the composer is empty."""
    yield
    while len(desk.app.screen_stack) > 1:
        await desk.app.pop_screen()
    desk.app.composer.clear()
    await desk.pilot.pause()


def looking_for(desk: Desktop) -> str | None:
    """What stands in the palette's line; None if it is not open."""
    screen = desk.app.screen
    return screen.query_one(Input).value if isinstance(screen, Palette) else None


async def test_they_reach_the_overlay_that_one_of_them_opens() -> None:
    async with desktop() as desk:
        for pace in PACES:
            async with fresh(desk):
                await typed(desk, [*"before", PALETTE, *"in", " it", *"self"], pace)
                await desk.until(lambda: looking_for(desk) == "in itself")
                assert desk.draft == "before"


async def test_they_reach_what_is_there_once_one_of_them_has_closed_it() -> None:
    async with desktop() as desk:
        for pace in PACES:
            async with fresh(desk):
                keys = [PALETTE, *"ab", "escape", *"after", " it", "backspace", PALETTE, *"cd"]
                await typed(desk, keys, pace)
                await desk.until(lambda: looking_for(desk) == "cd")
                assert desk.draft == "after i"


async def test_what_is_chosen_goes_by_all_that_was_typed_before() -> None:
    async with desktop() as desk:
        names = sorted(name for name in desk.app.available_themes if "textual" not in name)
        for pace in PACES:
            async with fresh(desk):
                desk.app.theme = names[0]
                keys = [*"theme", "down", "x", "backspace", ":", "down", "down", "up", "enter"]
                await typed(desk, [PALETTE, *keys, *"after"], pace)
                await desk.until(lambda: desk.draft == "after")
                assert desk.app.theme == names[1]


async def test_what_is_chosen_is_done_before_the_next_of_them() -> None:
    async with desktop() as desk:
        for pace in PACES:
            async with fresh(desk):
                await typed(desk, [PALETTE, "this page", "enter", "escape", *"af", "left"], pace)
                await typed(desk, ["left", "delete", PALETTE, *"this page", "enter"], pace)
                await desk.until(lambda: desk.draft == "f" and isinstance(desk.app.screen, Help))


async def test_they_reach_the_composer_though_nothing_has_the_focus() -> None:
    async with desktop() as desk:
        desk.app.screen.set_focus(None)
        await desk.pilot.press("h", "i")
        await desk.until(lambda: desk.draft == "hi")
