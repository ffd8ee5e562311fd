"""Without a usable terminal the app says so, and what to use instead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ssechat.core.errors import TerminalProblem
from ssechat.tui import terminal
from support.pty import PtyProgram, clean_environment

CHECK = (
    "import sys\n"
    "from ssechat.tui.terminal import require_terminal\n"
    "try: require_terminal(); print('usable')\n"
    "except Exception as problem: print(problem)\n"
    "print('textual' in sys.modules)\n"
)


@pytest.mark.parametrize(
    ("stdin", "stderr", "named"),
    [("pipe", "terminal", "standard input"), ("terminal", "pipe", "standard error")],
)
def test_a_stream_that_is_no_terminal_is_named(
    tmp_path: Path, stdin: str, stderr: str, named: str
) -> None:
    redirect = {"pipe": ("</dev/null", "2>/dev/null"), "terminal": ("", "")}
    shell = f'"$0" -c "$1" {redirect[stdin][0]} {redirect[stderr][1]}'
    with PtyProgram(["sh", "-c", shell, sys.executable, CHECK], tmp_path) as program:
        assert program.wait() == 0
        assert f"standard {named.split()[1]} is not one" in program.screen_text()
        assert "ssechat ask" in program.screen_text()


@pytest.mark.parametrize(
    ("term", "said"),
    [("dumb", "'dumb'"), ("", "''"), ("unknown", "'unknown'"), ("linux", "usable")],
)
def test_the_kind_of_terminal_decides(tmp_path: Path, term: str, said: str) -> None:
    with PtyProgram([sys.executable, "-c", CHECK], tmp_path, env={"TERM": term}) as program:
        assert program.wait() == 0
        assert said in program.screen_text()
        assert ("ssechat ask" in program.screen_text()) == (said != "usable")


def test_asking_does_not_load_textual(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", CHECK],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_environment(tmp_path),
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "False"


def test_windows_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.sys, "platform", "win32")
    with pytest.raises(TerminalProblem, match=r"not on Windows.*\n.*`ssechat ask`"):
        terminal.require_terminal()
