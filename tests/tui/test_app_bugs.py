"""A bug of our own, wherever it strikes: the terminal is restored, the program ends or says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.app import (
    ENTER,
    F1,
    LEADER,
    READY,
    ask,
    bar_says,
    demo,
    expected,
    leave,
    stored,
    told,
)
from support.pty import PtyProgram

RAISE = """
def bug(*_):
    secret = "sk-very-secret"
    raise AttributeError("a bug put in by a test")
async def slow_bug(*_):
    bug()
def after(calls, old):
    left = [calls]
    def late(*given):
        left[0] -= 1
        return old(*given) if left[0] >= 0 else bug()
    return late
"""
VERB = "from ssechat.tui import verbs; verbs.VERBS['app.help'] = slow_bug"
FATAL = {
    "a verb": (VERB, F1),
    "a verb from the palette": (VERB, b"\x10this page\r"),
    "a frame": (
        "from ssechat.tui.app import SsechatApp as A; A._paint = after(20, A._paint)",
        b"",
    ),
    "the mount": ("from ssechat.tui.desk import Desk; Desk.restore = slow_bug", b""),
    "the compose": ("from ssechat.tui.app import SsechatApp; SsechatApp.compose = bug", b""),
    "an overlay": ("from ssechat.tui.screens.help import Help; Help.compose = bug", F1),
    "a list": (
        "from ssechat.tui.screens.history import History as H; H.find = slow_bug",
        b"\x1bOQ",
    ),
    "a drawing": (
        "from ssechat.tui.widgets.status_bar import StatusBar as S; S.line = after(0, S.line)",
        LEADER,
    ),
    "the last save": ("from ssechat.tui.desk import Desk; Desk.save = slow_bug", b"\x11"),
}


def log(home: Path) -> Path:
    return home / "xdg-state" / "ssechat" / "log" / "bugs.log"


def ends_tidily(program: PtyProgram, home: Path) -> None:
    assert program.wait(10) == 1
    assert program.unrestored() == []
    said = " ".join(program.screen_text().split())
    assert "this is a bug in ssechat: AttributeError: a bug put in by a test" in said
    assert "please report it" in said
    assert "Traceback" not in said
    assert "in bug" in log(home).read_text()
    assert log(home).stat().st_mode & 0o077 == 0
    assert "sk-very-secret" not in log(home).read_text()
    assert b"sk-very-secret" not in program.raw


@pytest.mark.parametrize("where", FATAL)
def test_a_bug_in_the_app_ends_it_tidily(tmp_path: Path, where: str) -> None:
    fault, keys = FATAL[where]
    with demo(tmp_path, cols=200, before=RAISE + fault) as program:
        # Once the terminal is raw (before, enter is another key), and while the demo still starts.
        program.wait_for(b"\x1b[?2004h")
        program.send(keys)
        ends_tidily(program, tmp_path)


def test_a_bug_in_mid_stream_loses_nothing(tmp_path: Path) -> None:
    with demo(tmp_path, cols=200, before=RAISE + VERB) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=200")
        bar_says(program, "thinking")
        program.send(b"a draft" + F1)
        ends_tidily(program, tmp_path)
    with demo(tmp_path) as program:
        program.wait_for(re.compile("^ a draft$", re.MULTILINE))
        bar_says(program, "complete", "resumed ×1")
        leave(program)
    ((_, answer),) = stored(tmp_path)
    assert answer.text == expected("hello #rate=200")


def test_a_bug_while_sending_is_told_and_the_text_is_the_draft_again(tmp_path: Path) -> None:
    fault = "from ssechat.hub import Hub; Hub.submit = slow_bug"
    with demo(tmp_path, cols=200, before=RAISE + fault) as program:
        program.wait_for(READY)
        program.send(b"hello" + ENTER)
        told(program, "this is a bug in ssechat: AttributeError")
        program.wait_for(re.compile("^ hello$", re.MULTILINE))
        leave(program)
    assert "in bug" in log(tmp_path).read_text()


def test_a_bug_after_the_first_paint_is_told(tmp_path: Path) -> None:
    fault = "from ssechat.tui import app; app.welcome = slow_bug"
    with demo(tmp_path, before=RAISE + fault) as program:
        told(program, "this is a bug in ssechat: AttributeError")
        leave(program)


def test_a_bug_in_a_task_that_nobody_awaits_is_told(tmp_path: Path) -> None:
    fault = """
import asyncio
from ssechat.tui import verbs
async def stray(app):
    asyncio.ensure_future(slow_bug())
verbs.VERBS["app.help"] = stray
"""
    with demo(tmp_path, before=RAISE + fault) as program:
        program.wait_for(READY)
        program.send(F1)
        told(program, "this is a bug in ssechat: AttributeError")
        leave(program)


def test_a_widget_that_never_comes_to_its_end_does_not_keep_the_terminal(tmp_path: Path) -> None:
    fault = """
import asyncio
from ssechat.tui.widgets.composer import Composer
async def hang(self):
    await asyncio.sleep(60)
Composer._on_unmount = hang
"""
    with demo(tmp_path, before=fault) as program:
        program.wait_for(READY)
        program.send(b"\x11")
        assert program.wait(2.5) == 1
        assert program.unrestored() == []


@pytest.mark.parametrize(
    ("editor", "said"),
    [("false", "false failed — the draft is as it was"), ("no-such-editor", "cannot be run")],
)
def test_an_editor_that_fails_gives_the_screen_back(tmp_path: Path, editor: str, said: str) -> None:
    with demo(tmp_path, env={"EDITOR": editor}) as program:
        program.wait_for(READY)
        program.send(b"kept\x07")  # ctrl+g
        told(program, said)
        program.wait_for(re.compile("^ kept$", re.MULTILINE))
        leave(program)


def test_what_the_editor_leaves_is_the_draft(tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "two\\nlines \\033[2J" >> "$1"\n')
    editor.chmod(0o700)
    with demo(tmp_path, env={"EDITOR": str(editor)}) as program:
        program.wait_for(READY)
        program.send(b"kept, \x07")
        program.wait_for(re.compile("^ kept, two\n lines ␛\\[2J$", re.MULTILINE))
        leave(program)
