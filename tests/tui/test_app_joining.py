"""F2 in the app: answers that run at a relay stand first, and are joined there."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.app import configure, desktop
from support.elsewhere import asked_elsewhere, listing, told
from support.fault_server import FaultServer


async def test_f2_shows_the_running_answers_first_and_enter_joins_one(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, upstream, _):
        configure(home, f"{relay.base_url}/up/v1", 'api_key_env = "RELAY_TOKEN"')
        async with desktop() as desk:
            await desk.pilot.press("f2")
            await desk.until(lambda: "live at test · openai-chat · started" in desk.words)
            assert "why is the sky blue?" in desk.screen
            await desk.pilot.press("enter")
            await desk.until(lambda: "one" in desk.screen and "you" in desk.screen)
            await desk.says("live")
            await desk.pilot.press("f2")
            await desk.until(lambda: "2 msg" in desk.screen)
            assert "live at test" not in desk.screen
            await desk.pilot.press("escape")
            upstream.go_on.set()
            await desk.says("complete")
            assert desk.words.count("one two three") == 1


async def test_escape_stops_a_joined_answer_at_the_relay(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, upstream, stream):
        configure(home, f"{relay.base_url}/up/v1", 'api_key_env = "RELAY_TOKEN"')
        async with desktop() as desk:
            await desk.pilot.press("f2")
            await desk.until(lambda: "live at test" in desk.words)
            await desk.pilot.press("enter")
            await desk.says("live")
            await desk.pilot.press("escape")
            await desk.says("stopped")
        await relay.ended(stream)
        assert upstream.cut.is_set()


async def test_a_hostile_relay_writes_no_markup_and_no_controls_and_a_failed_join_says_why(
    home: Path,
) -> None:
    odd = told(prompt="[bold]\x1b[2Jhi\u202e", dialect="\x1b]0;x\x07[red]")
    async with FaultServer(listing(odd)) as server:
        configure(home, f"{server.base_url}/up/v1")
        async with desktop() as desk:
            await desk.pilot.press("f2")
            await desk.until(lambda: "live at test" in desk.words)
            assert "[bold]" in desk.screen
            assert not {"\x1b", "\x07", "\u202e"} & set(desk.screen)
            await desk.pilot.press("enter")
            await desk.tells("cannot read that answer")


async def test_f2_says_nothing_of_a_relay_that_cannot_be_reached(home: Path) -> None:
    async with FaultServer(listing(told())) as server:
        configure(home, f"{server.base_url}/up/v1")
    async with desktop() as desk:
        await desk.pilot.press("f2")
        screen = desk.app.screen
        await desk.until(lambda: not [w for w in desk.app.workers if w.node is screen])
        assert "nothing found" in desk.screen
        assert desk.toasts == []
