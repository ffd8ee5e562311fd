"""A demo provider with its fault knobs turned: what the user sees, and what is kept."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from support.app import (
    ESCAPE,
    F6,
    LEADER,
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

SEAM = re.compile(r"┄┄ connection lost \d\d:\d\d:\d\d · resumed after \d\.\d s, nothing missing ┄┄")


def test_a_cut_answer_goes_on_and_shows_its_seam(tmp_path: Path) -> None:
    with demo(tmp_path, rows=90) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=600 #cut=300,500")
        bar_says(program, "reconnecting (")
        program.wait_for(SEAM)
        bar_says(program, "complete", "exact", "resumed ×2")
        assert len(SEAM.findall(screen(program))) == 2
        leave(program)
    ((_, answer),) = stored(tmp_path)
    assert answer.text == expected("hello #rate=600 #cut=300,500")


def test_a_cut_without_a_way_to_resume_is_told_as_a_cut(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #plain #rate=200 #cut=300")
        bar_says(program, "thinking", "continue")
        program.send(b"\x11")
        told(program, "an answer is still coming and would be cut")
        bar_says(program, "cut (F6 continues)")
        leave(program)
    with demo(tmp_path) as program:
        program.wait_for("hello #plain #rate=200… ✗")
        bar_says(program, "cut (F6 continues)")
        ask(program, "python #length=300 #rate=1000")
        bar_says(program, "length")
        leave(program)
    ((_, cut, _, _),) = stored(tmp_path)
    assert cut.state == "cut"
    assert cut.text


def test_a_cut_answer_goes_on_by_a_new_request_when_the_user_asks(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #plain #rate=1000 #cut=300")
        bar_says(program, "cut (F6 continues)")
        program.send(F6)
        program.wait_for(re.compile(r"goes on by a new request \(by a message\)"))
        program.wait_for("attempt 2/2")
        bar_says(program, "live")
        program.send(ESCAPE)
        bar_says(program, "stopped")
        leave(program)
    ((_, answer),) = stored(tmp_path)
    assert (answer.state, answer.parts[0]["seams"][0]["how"]) == ("stopped", "continued")


def test_a_slow_first_byte_runs_the_clock_of_ttfb(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #slow=2 #length=200 #rate=1000")
        bar_says(program, "waiting", "TTFB")
        early = ttfb(program)
        program.wait_for(lambda: ttfb(program) > early + 500)
        assert bar(program).startswith(" waiting")
        bar_says(program, "length")
        assert 2000 <= ttfb(program) < 4000
        leave(program)


def ttfb(program: PtyProgram) -> int:
    """Milliseconds, as the status bar says."""
    match = re.search(r"TTFB (\d+) ms", bar(program))
    return int(match[1]) if match else -1


def test_a_busy_server_is_tried_again_when_it_says(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #429=1 #length=200 #rate=1000")
        bar_says(program, "reconnecting (1 s)")
        program.wait_for("⟳ ")
        bar_says(program, "length")
        leave(program)


def test_f6_does_not_wait_for_the_next_try(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #429=60 #length=200 #rate=1000")
        bar_says(program, "reconnecting (")
        program.send(F6)
        bar_says(program, "length")
        leave(program)


@pytest.mark.parametrize(
    ("knob", "said"),
    [
        ("#type=html", "failed: "),
        ("#json", "failed: "),
        ("#error=250", "failed: "),
    ],
)
def test_what_is_no_answer_fails_with_a_reason(tmp_path: Path, knob: str, said: str) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, f"hello {knob} #rate=1000")
        bar_says(program, said)
        assert "Traceback" not in screen(program)
        leave(program)


def test_nothing_that_a_hostile_answer_says_reaches_the_terminal(tmp_path: Path) -> None:
    with demo(tmp_path, rows=60) as program:
        program.wait_for(READY)
        ask(program, "#hostile #rate=1000")
        bar_says(program, "complete")
        for key in (b"\x14", b"\x14", LEADER + b"b", LEADER + b"g", b"\x14"):
            program.send(key)
            program.send(b"x")
            program.wait_for(re.compile("^ x+$", re.MULTILINE))
        leave(program)
        raw = program.raw
    raw = raw.replace(b"\x1b]22;default\x07", b"")  # Textual's own: the mouse pointer's shape
    assert b"\x1b]" not in raw  # OSC: titles, the clipboard (52), links (8)
    assert not re.search(rb"\x1b[PX^_kc]", raw)  # strings, and a reset
    text = raw.decode()
    assert not re.search("[\x80-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert set(re.findall("[\x00-\x1f\x7f]", text)) <= {"\x1b", "\r", "\n"}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children in /proc")
@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_after_a_short_stop_a_connection_that_brings_nothing_is_replaced(
    tmp_path: Path, number: signal.Signals
) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=100")
        bar_says(program, "live")
        (child,) = children(program.pid)
        os.kill(child, signal.SIGSTOP)
        try:
            program.kill(number)
            program.wait_until_stopped()
            program.kill(signal.SIGCONT)
            bar_says(program, "resuming")
        finally:
            os.kill(child, signal.SIGCONT)
        bar_says(program, "complete", "resumed ×1")
        leave(program)
    ((_, answer),) = stored(tmp_path)
    assert answer.text == expected("hello #rate=100")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children in /proc")
def test_f6_brings_back_an_answer_whose_demo_provider_died(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=300")
        bar_says(program, "thinking")
        (child,) = children(program.pid)
        os.kill(child, signal.SIGKILL)
        bar_says(program, "reconnecting (")
        while not bar(program).startswith(" cut (F6 resumes)"):
            program.send(F6)  # try now: nobody is there, so the tries are used up
            program.wait_for(re.compile(r"^ (reconnecting|cut)", re.MULTILINE))
        program.send(F6)
        bar_says(program, "complete", "resumed ×1")
        leave(program)
    ((_, answer),) = stored(tmp_path)
    assert answer.text == expected("hello #rate=300")
