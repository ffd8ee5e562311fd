"""Hang-ups, kills and quits in mid-stream: the next start has the tabs, the drafts, the answers."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from support.app import (
    LEADER,
    QUIT,
    READY,
    ask,
    bar_says,
    children,
    demo,
    expected,
    leave,
    screen,
    stored,
)
from support.pty import PtyProgram

PROMPT = "hello #rate=300"  # a good three seconds


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def stream_and_write_a_draft(program: PtyProgram) -> None:
    program.wait_for(READY)
    ask(program, PROMPT)
    bar_says(program, "thinking")
    program.send("a draft, 草稿".encode())
    program.wait_for("a draft, 草稿")


def everything_is_back(home: Path, program: PtyProgram) -> None:
    """The tab with its draft; and its answer, which goes on to its end, exactly as uncut."""
    program.wait_for("a draft, 草稿")
    program.wait_for(re.compile(r"^ 1 hello #rate=300", re.MULTILINE))
    bar_says(program, "complete", "resumed ×1")
    leave(program)
    ((_, answer),) = stored(home)
    assert (answer.state, answer.resumes) == ("complete", 1)
    assert answer.text == expected(PROMPT)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children in /proc")
def test_after_a_hang_up_in_mid_stream_the_next_start_finishes_the_answer(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        stream_and_write_a_draft(program)
        (child,) = children(program.pid)
        program.hang_up()
        assert program.wait() == 128 + signal.SIGHUP
        assert not alive(child)
    with demo(tmp_path) as program:
        everything_is_back(tmp_path, program)


def test_after_kill_9_in_mid_stream_the_next_start_finishes_the_answer(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        stream_and_write_a_draft(program)
        program.wait_for(lambda: "草稿".encode() in raw_journal(tmp_path))
        program.kill(signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL
    with demo(tmp_path) as program:
        everything_is_back(tmp_path, program)


def raw_journal(home: Path) -> bytes:
    return (home / "data" / "ssechat.db-wal").read_bytes()


def test_sigterm_saves_restores_the_terminal_and_says_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        stream_and_write_a_draft(program)
        program.kill(signal.SIGTERM)
        assert program.wait() == 128 + signal.SIGTERM
        assert program.unrestored() == []
        assert program.screen_text().strip() == ""
    with demo(tmp_path) as program:
        everything_is_back(tmp_path, program)


def test_quitting_keeps_every_tab_its_draft_and_which_one_was_active(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.send(b"one\x0etwo\x0ethree" + LEADER + b"2" + b", and more\x1b\r!" + QUIT)
        assert program.wait() == 0
        assert program.unrestored() == []
    with demo(tmp_path) as program:
        program.wait_for("two, and more\n !")
        assert screen(program).startswith(" 1 new  2 new  3 new ")
        program.send(LEADER + b"1")
        program.wait_for("\n one\n")
        program.send(LEADER + b"3")
        program.wait_for("\n three\n")
        leave(program)


def test_what_is_typed_before_the_first_paint_arrives(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.send(b"early bird")
        program.wait_for(re.compile(r"^ early bird$", re.MULTILINE))
        leave(program)
    with demo(tmp_path) as program:
        program.send(b", again")
        program.wait_for(re.compile(r"^ early bird, again$", re.MULTILINE))
        leave(program)
