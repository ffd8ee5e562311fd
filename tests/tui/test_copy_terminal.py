"""Selecting with a mouse, byte by byte, and what then goes to the terminal's clipboard."""

from __future__ import annotations

import base64
from pathlib import Path

from support.app import LEADER, READY, ask, bar_says, demo, expected, leave, screen, told
from support.pty import PtyProgram

COPY = b"\x03"  # ctrl+c
PROMPT = "explain SSE #rate=2000"


def at(program: PtyProgram, words: str) -> tuple[int, int]:
    """Column and row of these words, from 1."""
    lines = screen(program).splitlines()
    return next((line.index(words) + 1, y) for y, line in enumerate(lines, 1) if words in line)


def press(program: PtyProgram, place: tuple[int, int], times: int = 1) -> None:
    x, y = place
    program.send(f"\x1b[<0;{x};{y}M\x1b[<0;{x};{y}m".encode() * times)


def drag(program: PtyProgram, start: tuple[int, int], *way: tuple[int, int]) -> None:
    moves = "".join(f"\x1b[<32;{x};{y}M" for x, y in way)
    program.send(
        f"\x1b[<0;{start[0]};{start[1]}M{moves}\x1b[<0;{way[-1][0]};{way[-1][1]}m".encode()
    )


def copied(program: PtyProgram, text: str) -> None:
    """Wait until the terminal is given this text."""
    program.send(COPY)
    program.wait_for(b"\x1b]52;c;" + base64.b64encode(text.encode()))


def test_clicks_and_drags_select_what_ctrl_c_copies(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, PROMPT)
        bar_says(program, "complete", timeout=60)
        press(program, at(program, "seen."), times=2)
        copied(program, "seen")
        told(program, "copied 4 characters")
        press(program, at(program, "Stop it with"), times=3)
        copied(
            program,
            "Stop it with ctrl+c, copy the last id: and the location: (add -i to see it), and curl"
            " -N that path with -H 'Last-Event-ID: …'. The next event is the one you had not seen.",
        )
        x, y = at(program, "copy the last")
        drag(program, (x, y), (x + 3, y + 1), (x + 12, y))
        copied(program, "copy the last")
        program.send(LEADER + b"y")
        source = base64.b64encode(expected(PROMPT).encode())
        program.wait_for(b"\x1b]52;c;" + source)
        program.send(b"\x1b[1;5H")  # ctrl+home
        program.wait_for("   explain SSE")
        x, y = at(program, "   explain SSE")  # not in the tab's title
        press(program, (x + 4, y), times=2)
        program.send(LEADER + b"y")
        program.wait_for(b"\x1b]52;c;" + base64.b64encode(PROMPT.encode()))
        leave(program)


def test_what_is_selected_in_a_stream_is_copied_though_it_goes_on(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "explain SSE #rate=60")
        program.wait_for("does not end yet")
        x, y = at(program, "does not end yet")
        program.send(f"\x1b[<64;{x};{y}M".encode())  # the wheel: follow no longer
        x, y = at(program, "does not end yet")
        drag(program, (x, y), (x + 5, y), (x + 15, y))
        copied(program, "does not end yet")
        leave(program)
