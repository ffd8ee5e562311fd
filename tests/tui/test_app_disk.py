"""The journal fails while an answer streams: it goes on, the bar says so, nothing is lost."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from support.app import QUIT, READY, ask, bar, bar_says, demo, expected, leave, stored, told
from support.pty import PtyProgram

if sys.platform == "linux":
    import resource
else:
    pytest.skip("sets a limit on a running process", allow_module_level=True)

PROMPT = "hello #rate=300"
SMALL = 8192  # bytes: room for a text file, but not for more of the journal


def limit_files(program: PtyProgram, size: int) -> None:
    """Let every write beyond `size` bytes of a file fail in the program, as on a full disk."""
    hard = resource.prlimit(program.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (size, hard))


def test_a_journal_that_fails_in_mid_stream_is_told_and_catches_up(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, PROMPT)
        bar_says(program, "thinking")
        limit_files(program, SMALL)
        bar_says(program, "thinking", "not saved")
        bar_says(program, "live", "not saved")
        limit_files(program, resource.RLIM_INFINITY)
        program.wait_for(lambda: "not saved" not in bar(program))
        bar_says(program, "complete")
        assert "resumed" not in bar(program)
        leave(program)
    ((_, answer),) = stored(tmp_path)
    assert answer.text == expected(PROMPT)


def test_quitting_with_an_unsaved_answer_writes_it_to_a_file(tmp_path: Path) -> None:
    with demo(tmp_path, cols=200, rows=90) as program:
        program.wait_for(READY)
        ask(program, PROMPT)
        bar_says(program, "thinking")
        limit_files(program, SMALL)
        bar_says(program, "live", "not saved")
        program.wait_for("This is ssechat")
        program.send(QUIT)
        told(program, "not all could be saved; ctrl+q again writes it to a file and quits")
        program.send(QUIT)
        assert program.wait(20) == 1
        assert program.unrestored() == []
        said = program.screen_text()
    match = re.search(r"what the journal could not take is in (\S+\.md)", said)
    assert match, said
    file = Path(match[1])
    assert file.parent == tmp_path
    assert file.stat().st_mode & 0o077 == 0
    text = file.read_text(encoding="utf-8").rstrip("\n")
    assert "This is ssechat" in text
    assert expected(PROMPT).startswith(text)


def test_a_file_that_cannot_be_written_either_keeps_the_app_open(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        ask(program, "hello #rate=100")
        bar_says(program, "thinking")
        limit_files(program, 0)
        bar_says(program, "thinking", "not saved")
        program.send(QUIT)
        told(program, "not all could be saved")
        program.send(QUIT)
        told(program, "it cannot be written to a file either")
        limit_files(program, resource.RLIM_INFINITY)
        program.wait_for(lambda: "not saved" not in bar(program))
        leave(program)
    ((_, answer),) = stored(tmp_path)
    assert answer.state == "live"  # the next start goes on with it
