"""Long pastes in the composer by itself: folded into chips that are as one character."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Static

from ssechat.core.draft import FOLD_OVER, Draft, Pasted
from ssechat.tui.widgets.chips import chip_spans
from ssechat.tui.widgets.composer import Composer
from support.screen import rows

BIG = "".join(f"line {number}: some words of a log\n" for number in range(31_600))
OTHER = "x" * 30_000


class Desk(App[None]):
    CSS = "Static { height: 1fr; }"

    def compose(self) -> ComposeResult:
        yield Static("")
        yield Composer()


@asynccontextmanager
async def composer(columns: int = 60) -> AsyncIterator[tuple[Composer, Pilot[None]]]:
    app = Desk()
    async with app.run_test(size=(columns, 12)) as pilot:
        yield app.query_one(Composer), pilot


async def paste(pilot: Pilot[None], text: str) -> None:
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


async def test_a_long_paste_is_a_chip_where_it_was_pasted_and_whole_in_the_draft() -> None:
    async with composer() as (box, pilot):
        await pilot.press(*"see", "space")
        await paste(pilot, BIG)
        await pilot.press("space", *"and", "space")
        await paste(pilot, OTHER)
        assert rows(pilot.app)[-2:] == [
            " see [pasted 1 MB, 31,600 lines] and [pasted 30 KB, 1",
            " line]",
        ]
        assert box.draft.whole == f"see {BIG} and {OTHER}"
        assert box.draft.typed == "see  and "


async def test_pastes_of_the_same_size_are_told_apart() -> None:
    async with composer() as (box, _):
        texts = [f"{number:03}" + "x" * FOLD_OVER for number in range(300)]
        for text in texts:
            box.on_paste(event := events.Paste(text))
            box.insert(event.text)
        assert box.draft.whole == "".join(texts)


@pytest.mark.parametrize(("chars", "long"), [("x", False), ("xx", True), ("é", True)])
async def test_what_is_over_the_limit_in_bytes_is_folded(chars: str, long: bool) -> None:
    async with composer() as (box, pilot):
        text = "x" * (FOLD_OVER - 1) + chars
        await paste(pilot, text)
        assert bool(box.draft.pastes) == long
        assert box.draft.whole == text


async def test_one_backspace_after_a_chip_removes_it_and_undo_brings_it_back() -> None:
    async with composer() as (box, pilot):
        await pilot.press("a")
        await paste(pilot, BIG)
        await pilot.press("b", "left", "backspace")
        assert box.draft == Draft("ab")
        await pilot.press("ctrl+z")
        assert box.draft.whole == f"a{BIG}b"
        await pilot.press("ctrl+y")
        assert box.draft == Draft("ab")


async def test_the_cursor_passes_a_chip_in_one_step() -> None:
    async with composer() as (box, pilot):
        await pilot.press("a")
        await paste(pilot, BIG)
        await pilot.press("left", "1", "right", "2", "left", "left", "delete")
        assert box.draft == Draft("a12")


@pytest.mark.parametrize("key", ["ctrl+w", "ctrl+u", "shift+left,x", "ctrl+shift+left,x"])
async def test_what_deletes_a_part_of_a_chip_deletes_it_all(key: str) -> None:
    async with composer() as (box, pilot):
        await paste(pilot, BIG)
        await pilot.press(*key.split(","))
        assert box.draft == Draft("x" if "x" in key else "")


async def test_a_click_into_a_chip_puts_the_cursor_beside_it() -> None:
    async with composer() as (box, pilot):
        await paste(pilot, BIG)
        await pilot.click(Composer, offset=(6, 0))
        await pilot.press("a")
        assert box.draft == Draft("a", (Pasted(1, BIG),))


async def test_text_that_looks_like_a_chip_is_none() -> None:
    async with composer() as (box, pilot):
        await paste(pilot, BIG)
        label, marked = "[pasted 1 MB, 31,600 lines]", box.text
        for text in (label, marked):
            await paste(pilot, text)
        box.post_message(events.Key("\ufdd0", "\ufdd0"))
        await pilot.pause()
        assert box.draft == Draft(label + f"\ufffd{label[1:-1]}\ufffd", (Pasted(0, BIG),))
        assert "\ufdd0" not in "".join(rows(pilot.app))


async def test_line_ends_are_the_users_and_everything_else_stays_as_it_was_pasted() -> None:
    async with composer() as (box, pilot):
        await paste(pilot, "a\r\nb\rc\x1b[31m\ufdd0\n" * FOLD_OVER)
        assert box.draft.whole == "a\nb\nc\x1b[31m\ufdd0\n" * FOLD_OVER
        assert "\x1b" not in "".join(rows(pilot.app))


async def test_what_was_sent_before_is_folded_and_comes_back_whole() -> None:
    async with composer() as (box, pilot):
        box.remember([BIG, "short"])
        await pilot.press("up")
        assert box.draft == Draft("", (Pasted(0, BIG),))
        await pilot.press("up")
        assert box.draft == Draft("short")
        sent = Draft("see ", (Pasted(4, OTHER),))
        box.sent(sent)
        assert box.text == ""
        await pilot.press("up")
        assert box.draft == sent
        await pilot.press("up", "down")
        assert box.draft == sent


async def test_a_draft_with_chips_is_there_again_after_the_memory_was_looked_through() -> None:
    async with composer() as (box, pilot):
        box.remember(["old"])
        await paste(pilot, BIG)
        await pilot.press(*"mine", "up", "down")
        assert box.draft.whole == f"{BIG}mine"


async def test_copying_and_cutting_take_what_was_pasted() -> None:
    async with composer() as (box, pilot):
        await pilot.press("a")
        await paste(pilot, BIG)
        box.select_all()
        assert box.selected_text == f"a{BIG}"
        box.action_cut()
        assert pilot.app.clipboard == f"a{BIG}"
        assert box.draft == Draft()
        box.action_paste()
        await pilot.pause()
        assert box.draft == Draft("", (Pasted(0, f"a{BIG}"),))


async def test_chips_are_whole_or_not_there_whatever_keys_are_pressed() -> None:
    keys = "left right up down home end backspace delete ctrl+w ctrl+u ctrl+k ctrl+z ctrl+y"
    moves = "ctrl+left ctrl+right shift+left shift+right shift+up shift+down ctrl+shift+left x"
    chance = random.Random(4)
    async with composer(columns=24) as (box, _):
        for step in range(600):
            if step % 12 == 0:
                box.on_paste(event := events.Paste(f"{step}".ljust(FOLD_OVER + 1)))
                box.replace(event.text + chance.choice(["", "\n", " b "]), *box.selection)
            else:
                await box.run_action(_action(box, chance.choice([*keys.split(), *moves.split()])))
            lone = "".join(line[at] for line in box.document.lines for at in _outside(line))
            assert not any("\ufdd0" <= char <= "\ufdef" for char in lone)
            for row, column in box.selection:
                line = box.document.get_line(row)
                assert not any(start < column < end for start, end in chip_spans(line))
            assert "".join(box.draft.typed.split()).strip("xb") == ""


def _outside(line: str) -> list[int]:
    spans = chip_spans(line)
    return [at for at in range(len(line)) if not any(a <= at < b for a, b in spans)]


def _action(box: Composer, key: str) -> str:
    if key == "x":
        box.replace("x", *box.selection)
        return "cursor_right"
    return next(binding.action for binding in box._bindings.key_to_bindings[key])
