"""The screen below all others: its own background is never seen."""

from __future__ import annotations

from typing import ClassVar

from textual.screen import Screen


class BaseScreen(Screen[None]):
    """Blank, so that composing a frame does not draw each of its rows to find that out."""

    BLANK: ClassVar[bool] = True
