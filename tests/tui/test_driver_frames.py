"""Frames on real terminals: synchronized, as far apart as a network wants, right after resizes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ssechat.tui.driver_round_trip import QUESTION
from support import tiny_app
from support.app import LEADER, QUIT, READY, ask, bar, bar_says, demo, leave, screen
from support.pty import PtyProgram, clean_environment

BEGIN, END = b"\x1b[?2026h", b"\x1b[?2026l"
BACKSPACE = b"\x7f"
FAR = 0.4  # s to a terminal and back


def tiny(tmp_path: Path, **terminal: Any) -> PtyProgram:
    argv = [sys.executable, "-P", tiny_app.__file__, str(tmp_path / "log"), "ticking"]
    return PtyProgram(argv, tmp_path, **terminal)


def at_rest(program: PtyProgram) -> str:
    """The screen once it has stayed as it is for half a second: the scrollbar follows late."""
    text, before = program.screen_text(), ""
    while text != before:
        time.sleep(0.5)
        text, before = program.screen_text(), text
    return text


def assert_redrawing_changes_nothing(program: PtyProgram) -> None:
    """What the terminal shows is what the app draws when it draws everything."""
    before = at_rest(program)
    program.send(LEADER + b"l" + b"z")
    program.wait_for(lambda: screen(program) != before)
    program.send(BACKSPACE)
    program.wait_for(lambda: screen(program) == before)


def test_frames_are_synchronized_where_the_terminal_says_that_it_can(tmp_path: Path) -> None:
    with tiny(tmp_path) as program:
        program.wait_for(lambda: program.raw.count(END) > 5)
        modes = re.findall(rb"\x1b\[\?2026([hl])", program.raw)
        assert modes[:10] == [b"h", b"l"] * 5
        frame = program.raw.partition(BEGIN)[2].partition(END)[0]
        assert re.search(rb"\x1b\[\d+;\d+H$", frame)  # the last of it: where the cursor is


def test_they_are_not_where_it_says_nothing(tmp_path: Path) -> None:
    with tiny(tmp_path, answers=False) as program:
        program.wait_for(re.compile(r"^0 20 21", re.MULTILINE))
        assert BEGIN not in program.raw


def frames_of_an_answer(home: Path, **terminal: Any) -> int:
    """With how many frames an answer of some seconds is shown, on a terminal that answers."""
    home.mkdir()
    with demo(home, **terminal) as program:
        program.wait_for(READY)
        program.wait_for(lambda: program.raw.count(QUESTION.encode()) > 1)  # so one was answered
        before = program.raw.count(BEGIN)
        ask(program, "hello #rate=200 #long=2")
        bar_says(program, "complete", timeout=30)
        return program.raw.count(BEGIN) - before


def test_a_terminal_that_is_far_away_gets_fewer_frames(tmp_path: Path) -> None:
    near = frames_of_an_answer(tmp_path / "near")
    far = frames_of_an_answer(tmp_path / "far", far=FAR)
    assert 0 < far < near / 2


def test_a_storm_of_sizes_in_a_stream_ends_with_the_right_screen(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=200 #long=2")
        bar_says(program, "live")
        for number in range(40):
            program.resize(40 + 7 * number % 80, 12 + 5 * number % 30)
        program.resize(72, 22)
        bar_says(program, "complete", timeout=30)
        assert len(screen(program).splitlines()) == 22
        assert_redrawing_changes_nothing(program)
        leave(program)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux")
def test_a_tmux_client_of_another_size_is_painted_right_and_so_is_the_first_one_again(
    tmp_path: Path,
) -> None:
    tmux = ["tmux", "-L", "ssechat-test", "-f", "/dev/null"]
    env = {"TMUX_TMPDIR": str(tmp_path)}
    options = ["set", "-g", "status", "off", ";", "set", "-g", "window-size", "latest", ";"]
    start = ["new", sys.executable, "-P", "-m", "ssechat", "--demo"]
    try:
        with PtyProgram([*tmux, *start, ";", *options[:-1]], tmp_path, env=env) as first:
            first.wait_for(READY)
            ask(first, "hello #rate=200 #long=2")
            bar_says(first, "live")
            with PtyProgram([*tmux, "attach"], tmp_path, env=env, cols=70, rows=20) as second:
                bar_says(second, "complete", timeout=30)
                assert_redrawing_changes_nothing(second)
                second.send(b"seventy")
                second.wait_for(re.compile("^ seventy", re.MULTILINE))
            first.send(b" or a hundred")
            first.wait_for(re.compile("^ seventy or a hundred", re.MULTILINE))
            first.wait_for(lambda: len(bar(first)) > 90)
            assert_redrawing_changes_nothing(first)
            first.send(QUIT)
            assert first.wait() == 0
    finally:
        kill = [*tmux, "kill-server"]
        subprocess.run(kill, env=clean_environment(tmp_path, env), check=False, capture_output=True)
