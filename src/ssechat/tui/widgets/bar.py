"""One row of text on the line API: what the tab strip and the status bar are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from ssechat.tui.status import Tone


class Bar(Widget):
    """Draws pieces of text in the tones of the theme; subclasses say which."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"bar--{tone}" for tone in (*Tone, "mark", "dim")}
    DEFAULT_CSS = """
    Bar {
        height: 1;
        width: 1fr;
        background: $surface;
        color: $text;
        .bar--plain { color: $text; }
        .bar--dim { color: $text-muted; }
        .bar--good { color: $success; }
        .bar--busy { color: $primary; }
        .bar--warn { color: $warning; text-style: bold; }
        .bar--bad { color: $error; text-style: bold; }
        .bar--mark { color: $text; text-style: bold reverse; }
    }
    """

    def __init__(self, **options: str) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._drawn: tuple[object, ...] = ()

    def tone(self, name: str) -> Style:
        return self.get_component_rich_style(f"bar--{name}")

    def set(self, *what: object) -> None:
        """Draw `what` if it is not what stands there already."""
        if what != self._drawn:
            self._drawn = what
            self.refresh()

    def line(self, width: int) -> Iterable[tuple[str, str]]:
        """Pairs of text and tone, left to right; what is too long is cut."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        segments = []
        left = width
        for text, tone in self.line(width) if y == 0 else ():
            size = min(cell_len(text), left)
            if size > 0:
                segments.append(Segment(set_cell_size(text, size), self.tone(tone)))
                left -= size
        strip = Strip(segments, width - left)
        return strip.extend_cell_length(width, self.rich_style).apply_style(self.rich_style)
