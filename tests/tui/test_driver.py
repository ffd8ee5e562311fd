"""The driver on a real terminal: stalls, hang-ups, signals, crashes, suspension."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support import tiny_app
from support.pty import PtyProgram


def tiny(
    tmp_path: Path, *options: str, before: tuple[str, ...] = (), **terminal: Any
) -> PtyProgram:
    # -P: the folder of tiny_app.py holds a pty.py that must not hide the standard one
    argv = [*before, sys.executable, "-P", tiny_app.__file__, str(tmp_path / "log"), *options]
    return PtyProgram(argv, tmp_path, **terminal)


def logged(tmp_path: Path, field: str) -> list[Any]:
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    return [entry[field] for line in lines if field in (entry := json.loads(line))]


def start(program: PtyProgram) -> None:
    """Wait until the app runs and has painted all that a start paints."""
    program.wait_for("inputs=0")
    program.send(b"x")
    program.wait_for("inputs=1 last=x")


def freeze_until_full(program: PtyProgram, tmp_path: Path) -> None:
    """A ticking app soon fills what the system buffers for a terminal."""
    program.freeze()
    end = time.monotonic() + 10
    while logged(tmp_path, "stuck")[-1:] != [True]:
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_screen_is_as_the_app_has_it(program: PtyProgram, tmp_path: Path) -> None:
    program.send(b"d")
    program.wait_for("last=d")
    # the first row counts inputs, so it was another one when the app wrote its rows down
    assert logged(tmp_path, "screen")[-1][1:] == program.screen_text().splitlines()[1:]


def test_a_frozen_terminal_neither_delays_the_event_loop_nor_spoils_the_screen(
    tmp_path: Path,
) -> None:
    with tiny(tmp_path, "ticking") as program:
        start(program)
        program.freeze()
        time.sleep(2.5)
        program.resize(90, 20)
        program.send(b"s")
        time.sleep(0.5)
        program.thaw()
        program.wait_for("still inputs=2 last=s")
        assert_screen_is_as_the_app_has_it(program, tmp_path)
        program.send(b"q")
        assert program.wait() == 0
    (late,), (ticks,), (backlog,) = (logged(tmp_path, f) for f in ("late", "ticks", "backlog"))
    assert late < 0.5
    assert ticks > 40
    assert 0 < backlog < 100_000


@pytest.mark.parametrize("frozen", [False, True], ids=["reading", "frozen"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_flushes_then_restores_and_exits(
    tmp_path: Path, number: signal.Signals, frozen: bool
) -> None:
    with tiny(tmp_path, "ticking") as program:
        program.wait_for("inputs=0")
        if frozen:
            freeze_until_full(program, tmp_path)
        program.kill(number)
        assert program.wait(2.5) == 128 + number
        program.thaw()
        program.wait_for(program.restored)
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    names = [name for event in events if (name := next(iter(event))) != "stuck"]
    assert names == ["flushed", "late"]


def test_a_flush_that_fails_does_not_keep_the_app_alive(tmp_path: Path) -> None:
    with tiny(tmp_path, "fail-flush") as program:
        start(program)
        program.kill(signal.SIGTERM)
        assert program.wait(2.5) == 143
        assert program.unrestored() == []
        assert b"Traceback" not in program.raw


@pytest.mark.parametrize("where", ["a handler", "the flush", "the end"])
def test_what_hangs_is_cut_short_by_a_signal(tmp_path: Path, where: str) -> None:
    options = {"the flush": ["hang-flush"], "the end": ["hang-end"]}.get(where, [])
    with tiny(tmp_path, *options) as program:
        start(program)
        if where == "a handler":
            program.send(b"h")
            program.wait_for("last=h")
        program.kill(signal.SIGTERM)
        assert program.wait(2.5) == 143
        assert program.unrestored() == []


def test_what_hangs_when_the_user_leaves_is_cut_short(tmp_path: Path) -> None:
    with tiny(tmp_path, "hang-end") as program:
        start(program)
        program.send(b"q")
        assert program.wait(2.5) == 1
        assert program.unrestored() == []


@pytest.mark.parametrize("options", [[], ["ticking"]], ids=["idle", "ticking"])
def test_a_hang_up_flushes_and_exits(tmp_path: Path, options: list[str]) -> None:
    with tiny(tmp_path, *options) as program:
        start(program)
        program.hang_up()
        assert program.wait(2.5) == 129
    assert logged(tmp_path, "flushed") == [True]


def test_a_lost_terminal_is_noticed_without_a_signal(tmp_path: Path) -> None:
    """The signal goes to the session's leader, here a shell that ignores it, not to the app."""
    ignoring = ("sh", "-c", 'trap "" HUP; "$@"; exit $?', "sh")
    with tiny(tmp_path, before=ignoring) as program:
        start(program)
        program.hang_up()
        assert program.wait(2.5) == 129
    assert logged(tmp_path, "flushed") == [True]


@pytest.mark.parametrize("frozen", [False, True], ids=["reading", "frozen"])
def test_a_crash_restores_and_exits(tmp_path: Path, frozen: bool) -> None:
    with tiny(tmp_path, "ticking", *["wordy"] * frozen) as program:
        program.wait_for("inputs=0")
        if frozen:
            freeze_until_full(program, tmp_path)
        program.send(b"c")
        assert program.wait(2.5) == 1
        program.thaw()
        program.wait_for(program.restored)
        assert frozen or b"crash on request" in program.raw


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_a_stopped_app_repaints_and_takes_keys_when_continued(
    tmp_path: Path, number: signal.Signals
) -> None:
    with tiny(tmp_path) as program:
        start(program)
        program.kill(number)
        program.wait_until_stopped()
        if number == signal.SIGTSTP:
            program.wait_for(program.restored)
        program.kill(signal.SIGCONT)
        program.wait_for(lambda: program.raw.count(b"\x1b[?1049h") == 2)
        program.wait_for("inputs=1 last=x")
        assert_screen_is_as_the_app_has_it(program, tmp_path)
        program.send(b"q")
        assert program.wait() == 0
        assert program.unrestored() == []


# What a frame takes for granted about the terminal, and what it may not.

QUESTION = b"\x1b[6n"
SCROLL = re.compile(rb"\x1b\[\d+;\d+r\x1b\[\d+H(?:\r?\n)+\x1b\[r")


def test_a_terminal_that_scrolls_is_told_to_and_shows_what_the_app_has(tmp_path: Path) -> None:
    with tiny(tmp_path, "ticking", "scrolling") as program:
        program.wait_for(lambda: len(SCROLL.findall(program.raw)) >= 10)
        program.send(b"s")
        program.wait_for("still")
        assert_screen_is_as_the_app_has_it(program, tmp_path)
        program.send(b"q")
        assert program.wait() == 0


@pytest.mark.parametrize(
    "terminal",
    [
        {"answers": False},
        {"env": {"SSECHAT_NO_SCROLL": "1"}},
        {"env": {"SSECHAT_FULL_FRAMES": "1"}},
    ],
    ids=["silent", "switched off", "whole frames"],
)
def test_no_other_terminal_is(tmp_path: Path, terminal: dict[str, Any]) -> None:
    with tiny(tmp_path, "ticking", "scrolling", **terminal) as program:
        program.wait_for(re.compile(r"^30 0 1 2", re.MULTILINE))
        program.send(b"s")
        program.wait_for("still")
        assert SCROLL.findall(program.raw) == []
        assert_screen_is_as_the_app_has_it(program, tmp_path)
        program.send(b"q")
        assert program.wait() == 0
        assert (QUESTION in program.raw) == ("SSECHAT_NO_SCROLL" not in terminal.get("env", {}))


def test_a_continued_app_asks_its_terminal_again(tmp_path: Path) -> None:
    with tiny(tmp_path) as program:
        start(program)
        assert program.raw.count(QUESTION) == 1
        program.kill(signal.SIGTSTP)
        program.wait_until_stopped()
        program.kill(signal.SIGCONT)
        program.wait_for(lambda: program.raw.count(QUESTION) == 2)


def test_an_answer_that_is_under_way_at_the_end_is_not_left_to_the_shell(tmp_path: Path) -> None:
    shell = (
        "import os, select, subprocess, sys, tty; subprocess.run(sys.argv[1:]); tty.setraw(0);"
        "left = os.read(0, 99) if select.select([0], [], [], 0.2)[0] else b'';"
        "print('left to the shell:', left)"
    )
    before = (sys.executable, "-c", shell)
    with tiny(tmp_path, "patient", before=before, answers=False) as program:
        program.wait_for("inputs=0")
        program.send(b"q")
        program.wait_for(b"\x1b[?2004l")  # it has begun to restore the terminal
        time.sleep(0.4)  # the answer has a long way
        program.send(b"\x1b[3;")
        program.send(b"3R")
        program.wait_for("left to the shell: b''")
        assert program.wait() == 0


@pytest.mark.parametrize("sign", [b"\x1b[I", b"r"], ids=["focus", "redraw"])
def test_what_others_wrote_on_the_terminal_goes(tmp_path: Path, sign: bytes) -> None:
    with tiny(tmp_path) as program:
        start(program)
        program.send(b"w")
        program.wait_for("scribble")
        program.send(sign)
        program.wait_for("14 0 1 2")  # in the last row but one
        assert_screen_is_as_the_app_has_it(program, tmp_path)


def test_a_size_that_is_back_at_what_it_was_is_another_screen(tmp_path: Path) -> None:
    with tiny(tmp_path) as program:
        start(program)
        program.send(b"w")
        program.wait_for("scribble")
        for cols in (60, 100, 60, 100):
            program.resize(cols, 30)
        program.wait_for("14 0 1 2")
        assert_screen_is_as_the_app_has_it(program, tmp_path)


def test_of_two_sizes_in_a_row_the_last_counts(tmp_path: Path) -> None:
    with tiny(tmp_path, "resizing") as program:
        start(program)
        program.resize(60, 30)
        program.wait_for(b"sixty")
        program.resize(90, 30)
        program.wait_for(lambda: len(program.screen_text().splitlines()[15]) > 80)
        assert_screen_is_as_the_app_has_it(program, tmp_path)


def test_only_the_size_that_the_terminal_has_counts_whoever_tells_it(tmp_path: Path) -> None:
    with tiny(tmp_path) as program:
        start(program)
        program.send(b"\x1b[?2048;1$y")  # it tells sizes among the keys, it says
        program.wait_for(b"\x1b[?1016h")
        for size in (b"0;0;0;0", b"5000;5000;9;9"):
            program.send(b"\x1b[48;%bt" % size)
        program.resize(120, 30)
        program.wait_for(lambda: len(program.screen_text().splitlines()[15]) > 101)
        assert_screen_is_as_the_app_has_it(program, tmp_path)
