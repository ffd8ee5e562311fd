"""Long pastes in the app: in a real terminal, sent, and in drafts that are kept."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from pathlib import Path

import pytest

from ssechat.core.draft import Draft, Pasted, folded
from ssechat.core.errors import KeyProblem
from ssechat.hub import Hub
from ssechat.tui.editor import edit
from support.app import (
    ENTER,
    READY,
    bar_says,
    configure,
    demo,
    desktop,
    leave,
    shows,
    stored,
)

LINES = [f"{number:07} 文字 \t\x1b]0;title\x07 words of some log\n" for number in range(22_727)]
MEGABYTE = "".join(LINES)
CHIP = "[pasted 1 MB, 22,727 lines]"
KNOBS = " #length=1 #rate=1000"
"""Asks the demo provider for a short answer."""


def pasted(text: str) -> bytes:
    """As a terminal sends it."""
    return b"\x1b[200~" + text.replace("\n", "\r").encode() + b"\x1b[201~"


def test_a_megabyte_is_a_chip_and_reaches_the_journal_whole(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.send(b"see " + pasted(MEGABYTE))
        shows(program, f"see {CHIP}")
        program.send(KNOBS.encode() + ENTER)
        bar_says(program, "length", timeout=30)
        shows(program, "0022726 文字")
        assert b"\x1b]0;title" not in program.raw
        program.send(b"\x1b[A")
        shows(program, CHIP)
        program.send(b"\x15")  # ctrl+u
        program.wait_for(READY)
        leave(program)
    ((question, _),) = stored(tmp_path)
    assert question.text == f"see {MEGABYTE}{KNOBS}"


def test_after_kill_9_the_chip_is_there_again_and_what_it_stands_for(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.send(b"see " + pasted(MEGABYTE))
        shows(program, f"see {CHIP}")
        program.wait_for(lambda: MEGABYTE.encode() in kept(tmp_path))
        program.kill(signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL
    with demo(tmp_path) as program:
        shows(program, f"see {CHIP}")
        leave(program)
    with demo(tmp_path) as program:
        shows(program, f"see {CHIP}")
        program.send(KNOBS.encode() + ENTER)
        bar_says(program, "length", timeout=30)
        leave(program)
    ((question, _),) = stored(tmp_path)
    assert question.text == f"see {MEGABYTE}{KNOBS}"


def kept(home: Path) -> list[bytes]:
    """The pastes that the journal keeps for drafts."""
    with sqlite3.connect(f"file:{home / 'data' / 'ssechat.db'}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT text FROM paste").fetchall()
    connection.close()
    return [text for (text,) in rows]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("true", Draft("see  now", (Pasted(4, MEGABYTE),))),
        ("sed -i '$a more'", Draft("see  now\nmore", (Pasted(4, MEGABYTE),))),
        ("sed -i 1d", Draft("", (Pasted(0, "".join(LINES[1:]) + " now"),))),
    ],
    ids=["unchanged", "added", "cut"],
)
async def test_the_editor_gets_all_and_what_it_leaves_is_folded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, expected: Draft
) -> None:
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/seen\n{change} "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(editor))
    draft = Draft("see  now", (Pasted(4, MEGABYTE),))
    edited = await edit(draft.whole)
    assert (tmp_path / "seen").read_text() == draft.whole
    assert folded(edited, draft.pastes) == expected


async def test_a_draft_with_chips_stays_with_its_tab(home: Path) -> None:
    async with desktop(demo=True) as desk:
        await desk.write("see ")
        await desk.write(MEGABYTE)
        draft = desk.app.composer.draft
        await desk.pilot.press("ctrl+n")
        assert desk.draft == ""
        await desk.write("x" * 30_000)
        await desk.pilot.press("alt+1")
        assert desk.app.composer.draft == draft
        assert f"see {CHIP}" in desk.screen
        await desk.pilot.press("ctrl+c")
        assert desk.draft == ""
        await desk.pilot.press("up")
        assert desk.app.composer.draft == draft


async def test_what_could_not_be_sent_is_chips_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = asyncio.Event()

    async def submit(*_: object) -> None:
        await decided.wait()
        raise KeyProblem("the keyring is locked", remedy="unlock it")

    monkeypatch.setattr(Hub, "submit", submit)
    configure(home, "http://127.0.0.1:9")
    async with desktop() as desk:
        await desk.write("see ")
        await desk.write(MEGABYTE)
        await desk.pilot.press("enter")
        assert desk.draft == ""
        await desk.write("typed since")
        decided.set()
        await desk.tells("the keyring is locked")
        expected = Draft("see \ntyped since", (Pasted(4, MEGABYTE),))
        assert desk.app.composer.draft == desk.app.desk.tab.draft == expected


async def test_a_megabyte_pasted_into_the_find_bar_is_cut_to_what_can_be_sought(
    home: Path,
) -> None:
    async with desktop(demo=True) as desk:
        await desk.pilot.press("ctrl+f")
        await desk.write("x" * 1_000_000)
        await desk.pilot.press("escape")
        assert desk.draft == ""
