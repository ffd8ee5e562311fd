"""What a user does, in the real program on a real terminal, with the real demo provider."""

from __future__ import annotations

import re
from pathlib import Path

from support.app import (
    ENTER,
    ESCAPE,
    F1,
    F2,
    LEADER,
    READY,
    ask,
    bar,
    bar_says,
    demo,
    expected,
    leave,
    screen,
    stored,
)
from support.pty import PtyProgram


def test_send_stop_retry_and_the_attempts_in_reach(tmp_path: Path) -> None:
    with demo(tmp_path, rows=90) as program:  # the whole answer is in sight
        program.wait_for("message demo")
        ask(program, "hello #rate=1000")
        bar_says(program, "complete")
        assert re.search(
            r"demo  TTFB \d+ ms  \d+\.\d tok/s  [\d,]+ tok  id ….{8}  exact", bar(program)
        )
        program.send(b"\x12")  # ctrl+r
        program.wait_for("attempt 2/2")
        bar_says(program, "complete")
        program.send(LEADER + b"[")
        program.wait_for("attempt 1/2")
        program.send(LEADER + b"[")
        program.wait_for("this is the first of 2 attempts")
        program.send(LEADER + b"]")
        program.wait_for("attempt 2/2")
        ask(program, "python")
        bar_says(program, "thinking")
        program.send(ESCAPE)
        bar_says(program, "stopped")
        leave(program)
    (path,) = stored(tmp_path)
    assert [row.role for row in path] == ["user", "assistant"] * 2
    assert path[1].text == expected("hello #rate=1000")
    assert [row.state for row in path[1::2]] == ["complete", "stopped"]


def test_two_tabs_stream_at_once_and_keys_go_between_them(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "python #rate=100")
        program.send(b"\x0e")  # ctrl+n
        program.wait_for(re.compile("python #rate=100 ●  2 new"))
        ask(program, "rust #rate=600")
        program.wait_for(re.compile("python #rate=100 ●  2 rust #rate=600 ●"))
        program.send(b"\x1b1")  # alt+1
        program.wait_for("asyncio")
        program.wait_for(re.compile("rust #rate=600 ✓ •"))  # ended unseen
        program.send(b"\x1b[6;5~")  # ctrl+pagedown
        program.wait_for("  2 rust #rate=600 ✓   ")  # and now seen
        program.send(b"\x1b[5;5~")  # ctrl+pageup
        program.wait_for("asyncio")
        program.send(LEADER + b"2")
        program.wait_for("E0499")
        program.send(LEADER + b"w")
        program.wait_for(lambda: "rust" not in screen(program).splitlines()[0])
        program.send(b"\x0e")
        program.wait_for("2 new")
        program.send(LEADER + b"1" + b"typed at once")
        program.wait_for("typed at once")
        assert re.match(r" 1 python.* 2 new ", screen(program).splitlines()[0])
        leave(program)
    texts = {path[0].text: path[1] for path in stored(tmp_path)}
    assert texts["rust #rate=600"].text == expected("rust #rate=600")


def test_closing_a_tab_does_not_end_its_stream(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=400 #length=400")
        program.send(LEADER + b"w")
        program.wait_for("the answer goes on without the tab")
        program.wait_for(re.compile(r"^ 1 new  ", re.MULTILINE))
        program.send(F2)
        program.wait_for(re.compile(r"hello #rate=400 .*length · 2 msg"), 15)
        program.send(ENTER)
        bar_says(program, "length")
        leave(program)


def test_every_size_from_large_to_tiny_shows_the_conversation(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=20")
        for cols, rows in ((80, 24), (120, 40), (40, 12), (20, 5), (1, 1), (100, 30)):
            program.resize(cols, rows)
            if cols > 1:
                program.wait_for(lambda cols=cols, rows=rows: whole(program, cols, rows))
        bar_says(program, "thinking")
        leave(program)


def whole(program: PtyProgram, cols: int, rows: int) -> bool:
    """Whether the tab strip, the composer and the status bar stand in their places."""
    lines = screen(program).splitlines()
    return (
        len(lines) == rows
        and lines[0].startswith(" 1 hello")
        and lines[-2].startswith(" message")
        and lines[-1].startswith(" thinking")
        and all(len(line) <= cols for line in lines)
    )


def test_overlays_open_over_the_stream_and_escape_closes_them_alone(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=30")
        program.send(F1)
        program.wait_for("Keys")
        program.wait_for("ctrl+n, ctrl+x n")
        program.send(ESCAPE)
        program.wait_for(lambda: "ctrl+x n" not in screen(program))
        program.send(b"\x0c")  # ctrl+l
        program.wait_for("Profile and model")
        program.wait_for("demo · demo-fast")
        program.send(b"fast")
        program.wait_for(lambda: "demo · demo  " not in screen(program))
        program.send(ENTER)
        program.wait_for("message demo-fast")
        program.send(F2)
        program.wait_for("Conversations")
        program.send(ESCAPE)
        program.wait_for(lambda: "Conversations" not in screen(program))
        bar_says(program, "thinking")
        program.send(ESCAPE)
        bar_says(program, "stopped")
        leave(program)
