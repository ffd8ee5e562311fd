"""The key that opens and saves images and audio, in the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ssechat.core.deltas import Delta, EndState, Media, MediaKind, Text, Verdict
from ssechat.core.reply import Reply
from ssechat.journal import Outcome
from support.app import Desktop, configure, desktop
from support.journal import question
from support.media import png, sound

PICTURE = Media(MediaKind.IMAGE, "../../i", png(1024, 768, 24_000), "../sh", whole=True)
SOUND = Media(MediaKind.AUDIO, "a", sound(1.0))
STRANGE = Media(MediaKind.IMAGE, "s", b"<svg onload=alert(1)>", "image/png", whole=True)


@pytest.fixture
async def desk(home: Path) -> AsyncIterator[Desktop]:
    (home / "Downloads").mkdir()
    configure(home, "http://127.0.0.1:9")  # nothing is sent
    async with desktop(size=(80, 24)) as desk:
        yield desk


async def show(desk: Desktop, *deltas: Delta) -> None:
    """A conversation that holds this answer, as the journal has it."""
    reply = Reply()
    for delta in (*deltas, Verdict(EndState.COMPLETE)):
        reply.apply(delta, 0.0)
    journal = desk.app.session.journal
    begun = await journal.begin(question("Draw a cat; ls ../"))
    outcome = Outcome(state=EndState.COMPLETE, parts=reply.store(), media=reply.media())
    await journal.settle(begun.stream_id, outcome)
    await desk.app.desk.open(begun.conversation_id)
    desk.app.show_tab()
    await desk.until(lambda: "▣" in desk.screen or "♪" in desk.screen)


def panel(desk: Desktop) -> list[str]:
    """The lines of the picker that name something to do, without its margins."""
    lines = [line.strip(" █▁▂▃▄▅▆▇") for line in desk.screen.splitlines()]
    return [" ".join(line.split()) for line in lines if line.startswith(("open ", "save "))][1:]


async def test_an_image_is_saved_by_a_few_keys(desk: Desktop, home: Path) -> None:
    await show(desk, Text("here"), PICTURE)
    assert "▣ image · PNG 1024×768 · 24 KB" in desk.screen
    assert "ctrl+x o" in desk.screen
    await desk.pilot.press("ctrl+x", "o")
    await desk.until(lambda: "Images and audio" in desk.screen)
    assert panel(desk) == [
        "open ▣ image 1 PNG 1024×768 · 24 KB",
        "save ▣ image 1 PNG 1024×768 · 24 KB",
    ]
    await desk.pilot.press("down", "enter")
    await desk.tells("saved as ")
    saved = home / "Downloads" / "ssechat-draw-a-cat-ls-1.png"
    assert saved.read_bytes() == png(1024, 768, 24_000)


async def test_where_no_window_can_be_seen_opening_saves(desk: Desktop, home: Path) -> None:
    await show(desk, PICTURE)
    await desk.pilot.press("ctrl+x", "o")
    await desk.until(lambda: "Images and audio" in desk.screen)
    await desk.pilot.press("enter")
    await desk.tells("nothing here can show it; saved as ")
    assert [file.suffix for file in (home / "Downloads").iterdir()] == [".png"]


async def test_of_several_the_newest_comes_first_and_what_is_unknown_is_only_saved(
    desk: Desktop, home: Path
) -> None:
    await show(desk, PICTURE, SOUND, STRANGE)
    await desk.pilot.press("ctrl+x", "o")
    await desk.until(lambda: "Images and audio" in desk.screen)
    assert [line[:14] for line in panel(desk)] == [
        "save ▣ image 3",
        "open ♪ audio 2",
        "save ♪ audio 2",
        "open ▣ image 1",
        "save ▣ image 1",
    ]
    await desk.write("save wav")
    await desk.until(lambda: len(panel(desk)) == 1)
    await desk.pilot.press("enter")
    await desk.tells("-2.wav")
    assert [file.read_bytes() for file in (home / "Downloads").iterdir()] == [sound(1.0)]


async def test_where_there_is_nothing_the_key_says_so(desk: Desktop) -> None:
    await desk.pilot.press("ctrl+x", "o")
    await desk.tells("there is no image or audio here yet")


async def test_what_the_journal_has_lost_is_a_problem_with_a_remedy(desk: Desktop) -> None:
    await show(desk, PICTURE)
    await desk.app.session.journal.delete(desk.app.desk.tab.conversation_id)
    await desk.pilot.press("ctrl+x", "o")
    await desk.until(lambda: "Images and audio" in desk.screen)
    await desk.pilot.press("down", "enter")
    await desk.tells("this image or sound is not in the journal — ctrl+r asks again")


async def test_the_line_names_the_key_that_the_user_gave_it(home: Path) -> None:
    configure(home, "http://127.0.0.1:9", "[keys]", '"chat.media" = "f7"')
    async with desktop(size=(80, 24)) as desk:
        await show(desk, PICTURE)
        line = next(line for line in desk.screen.splitlines() if "▣" in line)
        assert " F7" in line
        await desk.pilot.press("f7")
        await desk.until(lambda: "Images and audio" in desk.screen)
