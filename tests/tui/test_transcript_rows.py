"""The transcript's own way of handing out rows gives what Textual's way would."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.geometry import Offset, Region
from textual.scrollbar import ScrollBarRender
from textual.strip import Strip
from textual.widget import Widget

from ssechat.core.deltas import Text, Thinking
from ssechat.core.reply import Reply
from ssechat.tui.paint.display import PaintedApp
from ssechat.tui.transcript import Page, ReplyItem, UserItem
from ssechat.tui.widgets.rail import Rail
from ssechat.tui.widgets.transcript import Transcript
from support.screen import rows

MARKDOWN = """\
# Title

A *b* **c** `d` 傅里叶 👋

```python
x = 1  # y
```

| a | b |
|---|---|
| 1 | 2 |

"""


class App(PaintedApp[None]):
    def __init__(self) -> None:
        super().__init__()
        self.reply = Reply()
        self.reply.apply(Thinking("hm"), 1.0)
        self.reply.apply(Text(MARKDOWN * 3), 1.0)

    def compose(self) -> ComposeResult:
        yield Transcript(Page([UserItem("u", "why?", 0.0), ReplyItem("r", self.reply, "model")]))


def cells(strips: list[Strip]) -> list[list[Segment]]:
    """Letter by letter, so that it does not matter how segments are cut, and without what only the
    mouse needs."""
    return [
        [Segment(letter, seen(segment.style)) for segment in strip for letter in segment.text]
        for strip in strips
    ]


def seen(style: Style | None) -> Style:
    return Style.null() if style is None else style.clear_meta_and_links()


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark"])
@pytest.mark.parametrize("crop", [Region(0, 0, 60, 20), Region(7, 3, 20, 5)])
async def test_rows_are_those_that_textual_would_draw(theme: str, crop: Region) -> None:
    app = App()
    async with app.run_test(size=(60, 20)) as pilot:
        app.theme = theme
        await pilot.pause()
        transcript = app.query_one(Transcript)
        transcript.pull()
        await pilot.pause()
        ours = transcript.render_lines(crop)
        theirs = [
            strip.crop(0, ours[0].cell_length) for strip in Widget.render_lines(transcript, crop)
        ]
        assert cells(ours) == cells(theirs)
        width = transcript.scrollable_content_region.width
        assert {strip.cell_length for strip in ours} == {min(crop.right, width) - crop.x}
        assert any(letter.text.isalpha() for row in cells(ours) for letter in row)


async def test_a_letter_under_the_mouse_is_known_by_its_line_and_place() -> None:
    app = App()
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        top = round(app.query_one(Transcript).scroll_y)
        assert top > 0
        row = next(y for y, line in enumerate(rows(app)) if "A b c d" in line)
        widget, offset = app.screen.get_widget_and_offset_at(7, row)
        assert (widget, offset) == (app.query_one(Transcript), Offset(7, top + row))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 50), st.integers(1, 2000), st.floats(0, 1), st.integers(1, 3))
def test_the_scrollbar_looks_like_textuals(
    height: int, lines: int, place: float, thickness: int
) -> None:
    options = {
        "virtual_size": lines,
        "window_size": height if height < lines else 0,
        "position": int(place * max(0, lines - height) * 8) / 8,
        "thickness": thickness,
        "style": Style.parse("#ff0000 on #00ff00"),
    }
    size = Console().options.update(width=thickness, height=height)
    theirs = Console().render_lines(ScrollBarRender(**options), size, pad=False)  # type: ignore[arg-type]
    ours = Rail(**options).render_strips(thickness, height, None, None)  # type: ignore[arg-type]
    assert [[*strip] for strip in ours] == theirs


async def test_the_scrollbar_of_a_transcript_is_ours() -> None:
    app = App()
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        bar = app.query_one(Transcript).vertical_scrollbar
        assert isinstance(bar.render(), Rail)
        drawn = [bar.render_line(y).text for y in range(20)]
        assert {len(text) for text in drawn} == {bar.size.width}
        bar.renderer = ScrollBarRender  # type: ignore[misc]
        bar.refresh()
        bar._render_content()
        assert drawn == [bar.render_line(y).text for y in range(20)]


async def test_a_row_that_stays_is_the_same_object_when_the_page_grows() -> None:
    app = App()
    async with app.run_test(size=(60, 20)) as pilot:
        transcript = app.query_one(Transcript)
        await pilot.pause()
        before = transcript.render_lines(Region(0, 0, 60, 20))
        app.reply.apply(Text("one\n\ntwo\n\nthree\n\n"), 1.0)
        assert transcript.pull()
        after = transcript.render_lines(Region(0, 0, 60, 20))
        assert sum(any(old is new for new in after) for old in before) > 10


async def test_what_comes_is_on_the_screen_without_a_layout() -> None:
    app = App()
    async with app.run_test(size=(60, 20)) as pilot:
        transcript = app.query_one(Transcript)
        await pilot.pause()
        layouts = transcript._layout_updates
        for number in range(5):
            app.reply.apply(Text(f"line {number}\n\n"), 1.0)
            transcript.pull()
            await pilot.pause()
        assert transcript._layout_updates == layouts
        assert transcript.virtual_size.height == transcript._column.total
        transcript.settle_scrollbar()
        assert transcript.vertical_scrollbar.position == transcript.scroll_y > 0
