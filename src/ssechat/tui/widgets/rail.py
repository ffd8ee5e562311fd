"""A scrollbar that costs little to draw: Textual's own goes through Rich's console."""

from __future__ import annotations

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.css.styles import RulesMap
from textual.scrollbar import ScrollBarRender
from textual.strip import Strip
from textual.style import Style as VisualStyle
from textual.visual import RenderOptions, Visual

_DEFAULT = Color.default()


class Rail(ScrollBarRender, Visual):
    """To be a vertical scrollbar's `renderer`. It looks as the one that comes with Textual."""

    def render_strips(
        self, width: int, height: int | None, style: VisualStyle, options: RenderOptions
    ) -> list[Strip]:
        colors = self.style if isinstance(self.style, Style) else Style.parse(self.style)
        bar = self.render_bar(
            size=height or 0,
            virtual_size=self.virtual_size,
            window_size=self.window_size,
            position=self.position,
            thickness=width,
            back_color=colors.bgcolor or _DEFAULT,
            bar_color=colors.color or _DEFAULT,
        )
        strips: dict[Segment, Strip] = {}
        for segment in bar.segments:
            if segment not in strips:
                strips[segment] = Strip([segment], width)
        return [strips[segment] for segment in bar.segments]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        return self.thickness

    def get_height(self, rules: RulesMap, width: int) -> int:
        return 1
