"""Starting where something is wrong: one readable message, before the app or in it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.app import READY, demo, leave, screen, shows, ssechat
from support.hubs import opened
from support.pty import PtyProgram, clean_environment


def refused(program: PtyProgram, code: int) -> str:
    """What the program says that ends without having been on the screen, as one line."""
    assert program.wait() == code
    assert b"\x1b[?1049h" not in program.raw
    said = " ".join(program.screen_text().split())
    assert "Traceback" not in said
    return said


def config(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text)


@pytest.mark.parametrize("closed", ["stdin", "stderr"])
def test_without_a_terminal_it_names_ssechat_ask(tmp_path: Path, closed: str) -> None:
    ends = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    master, slave = os.openpty()
    if closed == "stderr":
        ends["stdin"] = slave
    done = subprocess.run(
        [sys.executable, "-m", "ssechat", "--demo"],
        env=clean_environment(tmp_path),
        text=True,
        timeout=20,
        check=False,
        **ends,
    )
    os.close(master)
    os.close(slave)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "ssechat ask" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_move_its_cursor_is_refused(tmp_path: Path, kind: str) -> None:
    with demo(tmp_path, cols=400, env={"TERM": kind}) as program:
        assert "ssechat ask" in refused(program, 2)


def test_a_folder_that_cannot_be_written_is_told_before_the_app(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nowhere = {"SSECHAT_DATA_DIR": str(tmp_path / "file" / "data")}
    with demo(tmp_path, cols=400, env=nowhere) as program:
        said = refused(program, 2)
    assert "cannot be created" in said
    assert "set SSECHAT_DATA_DIR to a directory of yours" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_journal_is_told_before_the_app(tmp_path: Path) -> None:
    asyncio.run(make_journal(tmp_path))
    (tmp_path / "data" / "ssechat.db").chmod(0o400)
    with demo(tmp_path, cols=400) as program:
        assert "the journal cannot be written" in refused(program, 1)


def test_a_journal_from_a_later_version_is_told_and_left_alone(tmp_path: Path) -> None:
    asyncio.run(make_journal(tmp_path))
    file = tmp_path / "data" / "ssechat.db"
    content = bytearray(file.read_bytes())
    content[60:64] = (9999).to_bytes(4, "big")  # user_version, sqlite.org/fileformat.html
    file.write_bytes(content)
    with demo(tmp_path, cols=400) as program:
        said = refused(program, 1)
    assert "the journal has format 9999" in said
    assert "upgrade ssechat" in said
    assert file.read_bytes() == content


def test_a_journal_that_is_none_is_told_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    file = tmp_path / "data" / "ssechat.db"
    file.write_text("my diary\n" * 1000)
    with demo(tmp_path, cols=400) as program:
        assert "the journal is damaged or not a journal" in refused(program, 1)
    assert file.read_text() == "my diary\n" * 1000


async def make_journal(home: Path) -> None:
    async with opened(home / "data"):
        pass


def test_an_unknown_profile_is_told_before_the_app(tmp_path: Path) -> None:
    seen = "import atexit, sys; atexit.register(lambda: print('loaded:', 'textual' in sys.modules))"
    with ssechat(tmp_path, "--profile", "nobody", cols=400, before=seen) as program:
        said = refused(program, 2)
    assert "there is no profile 'nobody'" in said
    assert said.endswith("loaded: False")


def test_a_broken_config_is_told_with_its_line_and_the_demo_answers(tmp_path: Path) -> None:
    config(tmp_path, 'profile = "work"\n[profiles.work\n')
    with ssechat(tmp_path, cols=200) as program:
        shows(program, "config.toml:2:")
        shows(program, "nothing in this file is used")
        program.wait_for(READY)
        program.wait_for("the demo answers: config.toml has a fault")
        leave(program)


def test_each_fault_in_the_config_is_told_and_the_rest_is_used(tmp_path: Path) -> None:
    config(
        tmp_path,
        """
[ui]
theme = "ssechat-drak"
thinking = "loud"
[keys]
"app.hlep" = "f5"
"tab.new" = "f7, ctrl+s"
"view.end" = "f1"
""",
    )
    with demo(tmp_path, cols=160, rows=50) as program:
        shows(program, "ui.theme: expected")
        shows(program, "ssechat-dark")
        shows(program, "ui.thinking: expected")
        shows(program, "keys.app.hlep: there is no such action; docs/keys.md lists them")
        shows(program, "keys.tab.new: ctrl+s cannot be bound: many terminals freeze on it")
        program.send(b"\x1b[18~")  # F7
        program.wait_for("2 new")
        program.send(b"\x1bOP")  # F1, given to another action, is no longer help
        program.send(b"x")
        program.wait_for(re.compile("^ x$", re.MULTILINE))
        assert "Every event is saved" not in screen(program)
        leave(program)


NOTED = """
import os, sys
from ssechat.link import Clients
from ssechat.tui import app
from ssechat.tui.driver import SsechatDriver

def say(when):
    lexers = any(name.startswith("pygments.lexers.") for name in set(sys.modules) - KNOWN)
    has = ["httpcore"] * ("httpcore" in sys.modules) + ["lexers"] * lexers
    os.write(2, f"<<{' '.join([when, *has])}>>".encode())

def noted(owner, name, once=[]):
    old = getattr(owner, name)
    def new(*given):
        if name not in once:
            once.append(name)
            say(name)
        return old(*given)
    setattr(owner, name, new)

KNOWN = {"pygments.lexers._mapping"}
noted(SsechatDriver, "write_frame")
noted(Clients, "prepare")
noted(app, "welcome")
warm_up = app.warm_up
app.warm_up = lambda: (say("warm_up"), warm_up(), say("warm"))
"""


def test_what_the_first_frame_does_without_is_loaded_after_it_in_the_order_of_need(
    tmp_path: Path,
) -> None:
    profile = 'dialect = "openai-chat"\nbase_url = "http://127.0.0.1:9"\nmodel = "m"\n'
    config(tmp_path, f'profile = "p"\n[profiles.p]\n{profile}background_relay = false\n')
    with ssechat(tmp_path, before=NOTED) as program:
        program.wait_for(b"lexers>>")
        said = re.findall(rb"<<(.+?)>>", program.raw)
        leave(program)
    assert said == [
        b"write_frame",
        b"prepare",
        b"welcome httpcore",
        b"warm_up httpcore",
        b"warm httpcore lexers",
    ]


def test_files_that_others_can_read_are_told(tmp_path: Path) -> None:
    config(tmp_path, "")
    (tmp_path / "config.toml").chmod(0o644)
    with demo(tmp_path, cols=200) as program:
        shows(program, "others can read")
        shows(program, "run chmod 600")
        leave(program)
