"""The transcript in a running app: what is painted, followed, scrolled and clicked."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.color import ColorSystem
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Offset, Region
from textual.pilot import Pilot
from textual.selection import SELECT_ALL, Selection

from ssechat.core.deltas import Text, Thinking, Tool, Usage
from ssechat.core.meter import Meter
from ssechat.core.reply import Reply
from ssechat.tui.transcript import NoteItem, Page, ReplyItem, ThinkingMode, UserItem
from ssechat.tui.transcript.column import Column
from ssechat.tui.transcript.slices import Look
from ssechat.tui.widgets.transcript import Transcript
from ssechat.tui.widgets.transcript_styles import COMPONENTS, ROLES, Palette, component
from support.pages import HOSTILE, WALL, answered, long_page, reply
from support.screen import check_golden, rows, segments, until

GOLDENS = Path(__file__).parent / "goldens"
TORTURE = (GOLDENS / "torture.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Reader(App[None]):
    def __init__(self, page: Page, mode: ThinkingMode) -> None:
        super().__init__()
        self.transcript = Transcript(page, thinking=mode, thinking_hint="ctrl+t", now=lambda: 103.2)

    def compose(self) -> ComposeResult:
        yield self.transcript


@asynccontextmanager
async def reading(
    page: Page, size: tuple[int, int] = (80, 24), mode: ThinkingMode = ThinkingMode.COLLAPSE
) -> AsyncIterator[tuple[Reader, Transcript, Pilot[None]]]:
    app = Reader(page, mode)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app, app.transcript, pilot


def text(app: Reader) -> list[str]:
    """The rows without the scrollbar."""
    return [line[: app.size.width - 1].rstrip() for line in rows(app)]


def a_day() -> Page:
    """One of everything, at its end a live answer that thought."""
    page = Page([UserItem("u1", "Why does `&'a mut T` make\n  the second borrow fail?", WALL)])
    first = reply("It does **not**, always.", "Let me see.")
    page.put(ReplyItem("r1", first, "model-1", (1, 2), "cut", "F6 resumes", WALL + 60))
    page.put(NoteItem("n1", "Not saved: the disk is full.", "warning"))
    live = reply(
        "The first borrow lives as long as `'a`:\n```rust\nfn push<'a>(", "hm", ended=False
    )
    live.lost(WALL + 120, 107.0, "reset")
    live.resumed(0.8, 3)
    live.apply(
        Text("v: &'a mut Vec<String>) { … }\n```\nand so the second one overlaps it."), 108.0
    )
    page.put(ReplyItem("r2", live, "model-1", (2, 2)))
    return page


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
async def test_a_conversation_looks_like_its_golden(size: tuple[int, int]) -> None:
    async with reading(a_day(), size) as (app, _, _):
        check_golden(GOLDENS / f"conversation-{size[0]}x{size[1]}.txt", app)


@pytest.mark.parametrize("size", [(80, 80), (38, 130)], ids=["80", "38"])
async def test_the_torture_document_looks_like_its_golden(size: tuple[int, int]) -> None:
    async with reading(Page([answered("r", TORTURE)]), size) as (app, transcript, pilot):
        transcript.scroll_home()
        await pilot.pause()
        check_golden(GOLDENS / f"torture-{size[0]}.txt", app)


async def test_live_thinking_is_shown_and_collapses_when_the_answer_begins() -> None:
    growing = reply("", "Let me think.", ended=False)
    async with reading(Page([ReplyItem("r", growing, "model-1")]), (60, 8)) as (app, transcript, p):
        assert [line.split() for line in rows(app)[1:3]] == [
            ["▾", "thinking", "…", "3.2", "s", "ctrl+t"],
            ["Let", "me", "think.▊"],
        ]
        growing.apply(Text("Yes."), 106.1)
        assert transcript.pull()
        await p.pause()
        assert [line.split() for line in rows(app)[1:3]] == [
            ["▸", "thought", "for", "6.1", "s", "·", "~4", "tokens", "ctrl+t"],
            ["Yes.▊"],
        ]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (ThinkingMode.SHOW, [" model-1", "   ▾ thought", "     Let me", "", "   Yes."]),
        (ThinkingMode.COLLAPSE, [" model-1", "   ▸ thought", "   Yes."]),
        (ThinkingMode.HIDE, [" model-1", "   Yes."]),
    ],
)
async def test_the_mode_says_what_becomes_of_thinking(
    mode: ThinkingMode, expected: list[str]
) -> None:
    page = Page([answered("r", "Yes.", "Let me see.")])
    async with reading(page, (60, 9)) as (app, transcript, pilot):
        transcript.thinking_mode = mode
        await pilot.pause()
        shown = rows(app)
        assert len([line for line in shown if line]) == len([line for line in expected if line])
        assert all(map(str.startswith, shown, expected))


@pytest.mark.parametrize(
    "pieces", [["a", " b", " c", " d", " e"], ["傅里叶变换" * 20], ["word " * 9]]
)
async def test_thinking_has_as_many_tokens_as_in_the_status_bar(pieces: list[str]) -> None:
    said, meter = Reply(), Meter()
    for piece in pieces:
        said.apply(Thinking(piece), 100.0)
        meter.text(piece, 100.0)
    said.apply(Text("Yes."), 106.1)
    page = Page([ReplyItem("r", said, "model-1", state="complete")])
    async with reading(page, (60, 6)) as (app, _, _):
        assert f"thought for 6.1 s · ~{meter.tokens} tokens" in rows(app)[1]


async def test_the_servers_count_of_reasoning_tokens_is_exact() -> None:
    said = reply("Yes.", "Let me see.")
    said.apply(Usage(reasoning=412), 111.0)
    page = Page([ReplyItem("r", said, "model-1", state="complete")])
    async with reading(page, (60, 6)) as (app, _, _):
        assert "thought for 6.1 s · 412 tokens" in rows(app)[1]


async def test_a_click_on_its_header_opens_one_thinking_part() -> None:
    page = Page(
        [answered("r1", "Yes.", "First thought."), answered("r2", "No.", "Second thought.")]
    )
    async with reading(page, (60, 12)) as (app, transcript, pilot):
        assert await pilot.click(Transcript, offset=(6, 1))
        assert [line.strip() for line in rows(app)][2] == "First thought."
        assert "Second thought." not in "\n".join(rows(app))
        assert await pilot.click(Transcript, offset=(6, 1))
        assert "First thought." not in "\n".join(rows(app))
        assert transcript.page.following


async def test_a_click_elsewhere_does_nothing() -> None:
    async with reading(Page([answered("r1", "Yes.", "First.")]), (60, 12)) as (app, _, pilot):
        before = rows(app)
        for y in (0, 2, 9):
            assert await pilot.click(Transcript, offset=(6, y))
        assert rows(app) == before


async def test_opening_thinking_keeps_the_first_row() -> None:
    page = Page([answered(f"r{n}", f"Answer {n}.", "thought\n" * 9) for n in range(20)])
    async with reading(page, (60, 12)) as (app, _, pilot):
        before = text(app)
        header = next(y for y, line in enumerate(before) if "thought for" in line)
        assert await pilot.click(Transcript, offset=(6, header))
        assert text(app)[:header] == before[:header]
        assert text(app)[header + 1].strip() == "thought"


async def test_a_tool_call_is_shown_as_text() -> None:
    said = Reply()
    said.apply(Tool(0, "id", "rm [b]", '{"path": "/", "x": "**"}'), 1.0)
    page = Page([ReplyItem("r", said, "m", state="complete", note="asks for a tool")])
    async with reading(page, (60, 6)) as (app, _, _):
        assert rows(app)[:3] == [
            " m  asks for a tool",
            "   ⚙ asks for tool rm [b]",
            '     {"path": "/", "x": "**"}',
        ]


@pytest.mark.parametrize(
    ("state", "note", "header"),
    [
        ("live", "", " m"),
        ("stopping", "", " m  stopping"),
        ("complete", "", " m"),
        ("cut", "F6 resumes", " m  cut: F6 resumes"),
        ("stopped", "", " m  stopped"),
        ("failed", "429\x1b[0m", " m  failed: 429␛[0m"),
    ],
)
async def test_the_header_names_a_state_that_is_worth_it(
    state: str, note: str, header: str
) -> None:
    page = Page([ReplyItem("r", reply("x"), "m", state=state, note=note)])
    async with reading(page, (60, 6)) as (app, _, _):
        assert rows(app)[0] == header


async def test_a_seam_waits_for_the_end_of_its_fence() -> None:
    said = reply("```\none\n", ended=False)
    said.lost(WALL, 107.0, "reset")
    page = Page([ReplyItem("r", said, "m")])
    async with reading(page, (80, 9)) as (app, transcript, pilot):
        assert rows(app)[2] == "   ┄┄ connection lost 22:13:20 · reconnecting ┄┄"
        said.resumed(0.8, 2)
        said.apply(Text("two\n```\nafter"), 109.0)
        transcript.pull()
        await pilot.pause()
        assert rows(app)[1:5] == [
            "     one",
            "     two",
            "   ┄┄ connection lost 22:13:20 · resumed after 0.8 s, nothing missing ┄┄",
            "   after▊",
        ]


async def test_a_stream_is_followed_and_scrolling_up_lets_go() -> None:
    growing = reply("line\n\n" * 40, ended=False)
    async with reading(Page([ReplyItem("r", growing, "m")])) as (app, transcript, pilot):
        growing.apply(Text("the end"), 120.0)
        transcript.pull()
        await pilot.pause()
        assert rows(app)[-2:] == ["   the end▊", ""]
        transcript.scroll_page_up()
        await until(pilot, lambda: not transcript.page.following)
        before = text(app)
        growing.apply(Text("\n\nmore" * 9), 120.0)
        transcript.pull()
        await pilot.pause()
        assert text(app) == before
        assert not transcript.page.following
        transcript.action_scroll_end()
        await until(pilot, lambda: transcript.page.following)
        assert rows(app)[-2:] == ["   more▊", ""]


async def test_the_wheel_scrolls_at_once_and_reaching_the_end_follows_again() -> None:
    async with reading(long_page(40, 900)) as (_, transcript, pilot):
        top = transcript.scroll_y
        await pilot._post_mouse_events([events.MouseScrollUp], Transcript)
        assert transcript.scroll_y < top
        assert not transcript.page.following
        for _ in range(9):
            await pilot._post_mouse_events([events.MouseScrollDown], Transcript)
        await until(pilot, lambda: transcript.page.following)


async def test_paging_to_the_start_and_back_ends_where_it_began() -> None:
    async with reading(long_page(8, 900)) as (app, transcript, pilot):
        end = text(app)
        for _ in range(200):
            if transcript.scroll_y == 0:
                break
            before = text(app)
            transcript.scroll_page_up()
            await pilot.pause()
            assert text(app) != before
        assert text(app)[0].startswith(" you")
        for _ in range(200):
            if transcript.page.following:
                break
            transcript.scroll_page_down()
            await pilot.pause()
        assert text(app) == end


async def test_a_resize_keeps_the_first_row_and_what_follows_stays_at_the_end() -> None:
    numbered = "\n\n".join(f"Paragraph {n} says something of some length." for n in range(200))
    async with reading(Page([answered("r", numbered)])) as (app, transcript, pilot):
        for size in ((40, 12), (120, 40), (80, 24)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda: "Paragraph 199" in "".join(text(app)[-4:]))
        transcript.scroll_to(y=transcript.scroll_y // 2)
        await pilot.pause()
        first = next(line for line in text(app) if "Paragraph" in line).split()[1]
        for size in ((40, 12), (120, 40), (30, 60), (80, 24)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda: first in "".join(text(app)[:2]).split())


async def test_only_rows_that_changed_are_repainted(monkeypatch: pytest.MonkeyPatch) -> None:
    growing = reply("one\n\ntwo", ended=False)
    async with reading(Page([ReplyItem("r", growing, "m")])) as (_, transcript, _pilot):
        painted: list[Region] = []
        monkeypatch.setattr(transcript, "refresh", lambda *regions, **_: painted.extend(regions))
        growing.apply(Text(" more"), 120.0)
        assert transcript.pull()
        assert [(region.y, region.height) for region in painted] == [(3, 1)]


async def test_nothing_new_means_nothing_to_do() -> None:
    async with reading(a_day()) as (_, transcript, _pilot):
        assert not transcript.pull()


async def test_each_page_keeps_its_place() -> None:
    one, other = long_page(40, 900), long_page(20, 700)
    async with reading(one) as (app, transcript, pilot):
        transcript.scroll_page_up()
        transcript.scroll_page_up()
        await pilot.pause()
        before = text(app)
        transcript.show(other)
        await pilot.pause()
        assert transcript.page.following
        assert text(app) != before
        transcript.show(one)
        await pilot.pause()
        assert text(app) == before
        assert not transcript.page.following


async def test_an_empty_page_is_blank() -> None:
    async with reading(Page()) as (app, transcript, pilot):
        transcript.scroll_page_up()
        await pilot.pause()
        assert set(rows(app)) == {""}
        assert transcript.page.following


@pytest.mark.parametrize("mode", ThinkingMode)
async def test_hostile_text_never_reaches_the_terminal_as_more_than_text(
    mode: ThinkingMode,
) -> None:
    page = Page()
    for n, text in enumerate(HOSTILE):
        said = Reply()
        said.apply(Thinking(text), 1.0)
        said.apply(Text(text), 2.0)
        said.lost(WALL, 2.5, text)
        said.resumed(1.0, 1, text)
        said.apply(Tool(0, text, text, text), 3.0)
        page.put(UserItem(f"u{n}", text, 1e300))
        page.put(NoteItem(f"n{n}", text, text))
        page.put(ReplyItem(f"r{n}", said, text, (1, 2), text, text, -1e300))
    async with reading(page, (70, 400), mode) as (app, _, _):
        for segment in segments(app):
            for character in segment.text:
                assert unicodedata.category(character) not in ("Cc", "Cs"), segment
                assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
            assert segment.style is None or segment.style.link is None
        assert "[red]markup[/red] [/nope] [@click=app.bell]x[/]" in "\n".join(rows(app))


async def test_selected_lines_are_copied_without_their_indentation() -> None:
    async with reading(Page([answered("r", "one\n\n- two\n- three")]), (60, 9)) as (app, t, pilot):
        chosen = Selection(Offset(3, 1), Offset(8, 4))
        assert t.get_selection(chosen) == ("one\n\n• two\n• thr", "\n")
        app.screen.selections = {t: chosen}
        await pilot.pause()
        marked = app.screen.get_component_rich_style("screen--selection").bgcolor
        shown = [s.text for s in segments(app) if s.style and s.style.bgcolor == marked]
        assert "".join(shown).split() == ["one", "•", "two", "•", "thr"]


async def test_selecting_with_the_mouse_gives_the_text() -> None:
    async with reading(Page([answered("r", "one two three")]), (60, 9)) as (app, _, pilot):
        assert await pilot.mouse_down(Transcript, offset=(7, 1))
        await pilot.hover(Transcript, offset=(10, 1))
        assert await pilot.mouse_up(Transcript, offset=(10, 1))
        await until(pilot, lambda: (app.screen.get_selected_text() or "").startswith("two"))


async def test_selecting_all_copies_the_sources() -> None:
    page = Page([UserItem("u", "a **b**\x1b", WALL), answered("r", "- c", "hidden")])
    async with reading(page) as (_, transcript, _pilot):
        assert transcript.get_selection(SELECT_ALL) == ("a **b**␛\n\n- c", "\n")


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark", "ansi-light"])
async def test_everything_can_be_read_in_16_colours(theme: str) -> None:
    async with reading(a_day()) as (app, transcript, pilot):
        app.theme = theme
        await pilot.pause()
        palette = Palette(transcript, transcript.get_component_rich_style)
        for role in ROLES:
            style = palette[role]
            assert style.color is not None
            assert style.bgcolor is not None
            ours = style.color.downgrade(ColorSystem.STANDARD).number
            assert ours is None or ours != style.bgcolor.downgrade(ColorSystem.STANDARD).number, (
                role
            )


async def test_a_change_of_theme_changes_the_colours() -> None:
    async with reading(a_day()) as (app, _, pilot):
        before = {segment.style for segment in segments(app)}
        app.theme = "textual-light"
        await pilot.pause()
        assert before.isdisjoint({segment.style for segment in segments(app)})


def test_every_role_has_a_component_class() -> None:
    assert {component(role) for role in ROLES} == COMPONENTS == Transcript.COMPONENT_CLASSES


def test_every_style_that_is_drawn_is_a_role() -> None:
    page = a_day()
    page.put(answered("t", TORTURE, "thinking"))
    column = Column(page)
    column.arrange(Look(80, ThinkingMode.SHOW), 300)
    names = {name for line in column.rows() for span in line for name in span.style.split()}
    assert names <= ROLES
    assert len(names) > 25
