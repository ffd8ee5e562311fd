"""Hang-ups, kills and quits in mid-stream: the next start has the tabs, the drafts, the answers."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from support.app import (
    ENTER,
    ESCAPE,
    F2,
    F6,
    LEADER,
    QUIT,
    READY,
    ask,
    bar,
    bar_says,
    children,
    demo,
    expected,
    leave,
    screen,
    stored,
    told,
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


def test_a_second_window_follows_the_stream_and_takes_it_over_when_the_first_one_dies(
    tmp_path: Path,
) -> None:
    with demo(tmp_path) as first, demo(tmp_path) as second:
        first.wait_for(READY)
        second.wait_for(READY)
        ask(first, "hello #rate=150")
        bar_says(first, "thinking")
        second.send(F2)
        second.wait_for(re.compile(r"hello #rate=150 .*live · 2 msg"))
        second.send(ENTER)
        bar_says(second, "thinking", "in another window")
        second.send(ESCAPE)
        told(second, "read by another window; F6 takes it over")
        first.kill(signal.SIGKILL)
        first.wait()
        bar_says(second, "live", "resumed ×1")
        assert "in another window" not in bar(second)
        bar_says(second, "complete")
        leave(second)
    ((_, answer),) = stored(tmp_path)
    assert answer.text == expected("hello #rate=150")


def test_a_frozen_terminal_stops_neither_the_stream_nor_the_program(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=200")
        bar_says(program, "thinking")
        program.freeze()
        until = time.monotonic() + 15
        while stored(tmp_path)[0][1].state != "complete":
            assert time.monotonic() < until
        program.thaw()
        bar_says(program, "complete")
        leave(program)
    ((_, answer),) = stored(tmp_path)
    assert answer.text == expected("hello #rate=200")


def test_who_quits_is_told_what_goes_on_and_finds_it_at_the_next_start(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=100")
        bar_says(program, "thinking", "exact")
        leave(program)
        said = " ".join(program.screen_text().split())
        assert "1 answer goes on at the server; the next start of ssechat shows the rest" in said
    with demo(tmp_path) as program:
        bar_says(program, "complete", "resumed ×1")
        leave(program)
    ((_, answer),) = stored(tmp_path)
    assert answer.text == expected("hello #rate=100")


def test_who_detaches_fetches_the_rest_when_it_is_wanted(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=150")
        bar_says(program, "thinking", "exact")
        program.send(LEADER + b"d")
        told(program, "detached: the server goes on")
        bar_says(program, "cut (F6 resumes)")
        program.send(F6)
        bar_says(program, "complete", "resumed ×1")
        leave(program)
    ((_, answer),) = stored(tmp_path)
    assert answer.text == expected("hello #rate=150")
