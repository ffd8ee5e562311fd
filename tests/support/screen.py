"""What stands on a Textual screen, as text: the one place that asks its compositor."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.segment import Segment
from textual.app import App
from textual.pilot import Pilot
from textual.strip import Strip


def strips(app: App[Any]) -> list[Strip]:
    """The screen's rows as they would be painted."""
    return app.screen._compositor.render_strips()


def rows(app: App[Any]) -> list[str]:
    """The screen's rows as text, without the spaces at their ends."""
    return [strip.text.rstrip() for strip in strips(app)]


def segments(app: App[Any]) -> list[Segment]:
    return [segment for strip in strips(app) for segment in strip]


async def until(pilot: Pilot[Any], true: Callable[[], bool], tries: int = 100) -> None:
    """Let the app work until `true()`; fails if that never is."""
    for _ in range(tries):
        await pilot.pause()
        if true():
            return
    raise AssertionError("it never came true")


def check_golden(file: Path, app: App[Any]) -> None:
    """Compare the screen with a file; with UPDATE_GOLDENS=1 in the environment, write the file."""
    text = "\n".join(rows(app)).rstrip() + "\n"
    if os.environ.get("UPDATE_GOLDENS"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
