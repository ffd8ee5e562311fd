"""Reading: following the stream or not, thinking, tabs, overlays, themes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.app import Desktop, chunk, configure, desktop
from support.fault_server import FaultServer, Request, Wire


class Speaker:
    """A provider whose every answer says what the test says."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self._done: dict[Wire, asyncio.Event] = {}
        self._came = asyncio.Condition()

    async def __call__(self, request: Request, wire: Wire) -> None:
        await wire.open_stream()
        self._done[wire] = asyncio.Event()
        async with self._came:
            self.wires.append(wire)
            self._came.notify_all()
        await self._done[wire].wait()

    async def answer(self, number: int) -> Wire:
        async with asyncio.timeout(5), self._came:
            await self._came.wait_for(lambda: len(self.wires) >= number)
        return self.wires[number - 1]

    async def lines(self, wire: Wire, start: int, stop: int) -> None:
        for number in range(start, stop):
            await wire.event(chunk(f"line {number}\n\n"))

    async def thinks(self, wire: Wire, text: str) -> None:
        delta = {"choices": [{"index": 0, "delta": {"reasoning_content": text}}]}
        await wire.event(json.dumps(delta))

    async def ends(self, wire: Wire) -> None:
        await wire.event(chunk(finish_reason="stop"))
        await wire.end()
        self._done[wire].set()


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
async def desk(home: Path, speaker: Speaker) -> AsyncIterator[Desktop]:
    async with FaultServer(speaker) as server:
        configure(home, server.base_url)
        async with desktop(size=(80, 24)) as desk:
            yield desk


async def test_at_the_end_the_reader_follows_and_scrolled_up_they_stay(
    desk: Desktop, speaker: Speaker
) -> None:
    await desk.ask("hello")
    wire = await speaker.answer(1)
    await speaker.lines(wire, 1, 40)
    await desk.until(lambda: "line 39" in desk.screen)
    await desk.pilot.press("pageup")
    await desk.until(lambda: "line 39" not in desk.screen)
    before = text_of(desk)
    await speaker.lines(wire, 40, 80)
    live = desk.app.desk.tab.live
    await desk.until(lambda: "line 79" in live.fold.reply.answer)
    await desk.pilot.pause(0.2)
    assert text_of(desk) == before
    await desk.pilot.press("ctrl+end")
    await desk.until(lambda: "line 79" in desk.screen)
    await speaker.lines(wire, 80, 90)
    await desk.until(lambda: "line 89" in desk.screen)


def text_of(desk: Desktop) -> list[str]:
    """The transcript without its scrollbar."""
    return [line[:70].rstrip() for line in desk.screen.splitlines()[1:-2]]


async def test_paging_down_to_the_end_follows_again(desk: Desktop, speaker: Speaker) -> None:
    await desk.ask("hello")
    wire = await speaker.answer(1)
    await speaker.lines(wire, 1, 40)
    await desk.until(lambda: "line 39" in desk.screen)
    await desk.pilot.press("ctrl+home")
    await desk.until(lambda: "you " in desk.screen)
    await desk.pilot.press(*["pagedown"] * 6)
    await desk.until(lambda: "line 39" in desk.screen)
    await speaker.lines(wire, 40, 60)
    await desk.until(lambda: "line 59" in desk.screen)


async def test_a_new_question_is_followed_wherever_the_reader_was(
    desk: Desktop, speaker: Speaker
) -> None:
    await desk.ask("hello")
    wire = await speaker.answer(1)
    await speaker.lines(wire, 1, 40)
    await speaker.ends(wire)
    await desk.says("complete")
    await desk.pilot.press("ctrl+home")
    await desk.until(lambda: "line 39" not in desk.screen)
    await desk.ask("next")
    await desk.until(lambda: "next" in desk.screen)


async def test_each_tab_keeps_the_place_of_its_reader(desk: Desktop, speaker: Speaker) -> None:
    await desk.ask("hello")
    wire = await speaker.answer(1)
    await speaker.lines(wire, 1, 40)
    await desk.until(lambda: "line 39" in desk.screen)
    await desk.pilot.press("ctrl+home")
    await desk.until(lambda: "line 3\n" in desk.screen)
    await desk.pilot.press("ctrl+n")
    await desk.until(lambda: "line 3\n" not in desk.screen)
    await speaker.lines(wire, 40, 60)
    await desk.pilot.press("alt+1")
    await desk.until(lambda: "line 3\n" in desk.screen)
    assert "hello" in desk.screen.splitlines()[2]


async def test_thinking_collapses_when_the_answer_begins_and_ctrl_t_changes_that(
    desk: Desktop, speaker: Speaker
) -> None:
    await desk.ask("hello")
    wire = await speaker.answer(1)
    await speaker.thinks(wire, "let me see what this is about")
    await desk.until(lambda: "▾ thinking …" in desk.screen)
    assert "let me see" in desk.screen
    await desk.says("thinking")
    await wire.event(chunk("It is this."))
    header = re.compile(r"▸ thought for .* s · ~8 tokens +ctrl\+t$", re.MULTILINE)
    await desk.until(lambda: header.search(desk.screen))
    assert "let me see" not in desk.screen
    for mode, header, text in (("hide", False, False), ("show", True, True)):
        await desk.pilot.press("ctrl+t")
        await desk.tells(f"thinking: {mode}")
        await desk.until(lambda header=header: ("thought" in desk.screen) is header)
        assert ("let me see" in desk.screen) is text
    await desk.pilot.press("ctrl+t")
    await desk.tells("thinking: collapse")
    await desk.until(lambda: "let me see" not in desk.screen)


async def test_a_hidden_tab_that_finishes_gets_its_mark_and_a_click_goes_there(
    desk: Desktop, speaker: Speaker
) -> None:
    await desk.ask("hello")
    wire = await speaker.answer(1)
    await desk.until(lambda: "1 hello ●" in desk.screen)
    await desk.pilot.press("ctrl+n")
    await desk.until(lambda: "2 new" in desk.screen)
    await speaker.ends(wire)
    await desk.until(lambda: "1 hello ✓ •" in desk.screen)
    await desk.pilot.click("#tabs", offset=(4, 0))
    await desk.until(lambda: "1 hello ✓  2 new" in desk.screen)
    assert "you " in desk.screen


async def test_a_click_on_the_transcript_leaves_the_keys_to_the_composer(
    desk: Desktop, speaker: Speaker
) -> None:
    await desk.pilot.click("Transcript", offset=(10, 5))
    await desk.write("still here")
    assert desk.draft == "still here"


async def test_the_palette_finds_actions_and_themes(desk: Desktop) -> None:
    await desk.pilot.press("ctrl+p")
    await desk.until(lambda: "Commands" in desk.screen)
    await desk.write("another")
    await desk.until(lambda: "there is no such command" in desk.screen)
    await desk.pilot.press(*["backspace"] * 7)
    await desk.write("new tab")
    await desk.until(lambda: "New tab: a new conversation" in desk.screen)
    await desk.pilot.press("enter")
    await desk.until(lambda: "2 new" in desk.screen)
    await desk.pilot.press("ctrl+p")
    await desk.until(lambda: "Commands" in desk.screen)
    await desk.write("ssechat-light")
    await desk.pilot.press("enter")
    await desk.until(lambda: desk.app.theme == "ssechat-light")


async def test_ctrl_q_quits_from_within_an_overlay(desk: Desktop) -> None:
    await desk.pilot.press("f1")
    await desk.until(lambda: "Every event is saved" in desk.words)
    await desk.pilot.press("ctrl+q")
    await desk.until(lambda: desk.app._exit)
    assert desk.app.return_code == 0


async def test_the_history_searches_titles_and_messages(desk: Desktop, speaker: Speaker) -> None:
    for number, text in enumerate(("alpha", "beta"), 1):
        await desk.ask(text)
        wire = await speaker.answer(number)
        await wire.event(chunk(f"the secret word of {text} is {text[::-1]}"))
        await speaker.ends(wire)
        await desk.says("complete")
        await desk.pilot.press("ctrl+n")
        await desk.says("ready")
    await desk.pilot.press("f2")
    await desk.until(lambda: "alpha  " in desk.screen and "beta  " in desk.screen)
    await desk.write("AHPLA")
    overlay = lambda: desk.screen.partition("Conversations")[2]  # noqa: E731
    await desk.until(lambda: "beta" not in overlay())
    await desk.pilot.press("enter")
    await desk.until(lambda: "the secret word of alpha" in desk.screen)


async def test_a_model_that_is_not_listed_can_be_typed(desk: Desktop, speaker: Speaker) -> None:
    await desk.pilot.press("ctrl+l")
    await desk.until(lambda: "test · a-model" in desk.screen)
    await desk.write("another-model")
    await desk.until(lambda: "test · another-model" in desk.screen)
    await desk.pilot.press("enter")
    await desk.until(lambda: "message another-model" in desk.screen)
    await desk.ask("hello")
    await desk.until(lambda: "hello" in desk.screen)
    assert desk.app.desk.tab.profile.model == "another-model"


async def test_a_resize_keeps_everything_in_its_place(desk: Desktop, speaker: Speaker) -> None:
    await desk.ask("hello")
    wire = await speaker.answer(1)
    await speaker.lines(wire, 1, 5)
    await desk.says("live")
    for size in ((120, 40), (40, 12), (20, 5), (80, 24)):
        await desk.pilot.resize_terminal(*size)
        await desk.until(lambda size=size: len(desk.screen.splitlines()) == size[1])
        await desk.until(lambda: desk.screen.startswith(" 1 hello"))
        assert desk.bar.startswith(" live")
        assert all(len(line) <= size[0] for line in desk.screen.splitlines())
