"""Only rows that changed are repainted: in a real terminal, the screen is right all the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.pty import PtyProgram

HERE = Path(__file__).parent
APP = HERE.parent / "support" / "reader_app.py"


@pytest.mark.parametrize("rows", [24, 140], ids=["scrolling", "in-place"])
def test_what_a_terminal_shows_after_a_stream_is_what_should_be_shown(
    rows: int, tmp_path: Path
) -> None:
    text, log = tmp_path / "text.md", tmp_path / "rows.json"
    # Joined emoji are left out: the terminal of these tests has no notion of them.
    torture = (HERE / "goldens" / "torture.md").read_text(encoding="utf-8")
    text.write_text(torture.rstrip().replace("👨‍👩‍👧", "").replace("❤️", ""), encoding="utf-8")
    argv = [sys.executable, str(APP), str(text), str(log)]
    path = {"PYTHONPATH": str(HERE.parent), "TEXTUAL_ANIMATIONS": "none"}
    with PtyProgram(argv, tmp_path, cols=80, rows=rows, env=path) as program:
        program.wait_for(log.exists, 20)
        expected = json.loads(log.read_text())
        program.wait_for(lambda: _text(program.screen_text(), len(expected)) == expected)
        program.send(b"q")
        assert program.wait() == 0


def _text(screen: str, rows: int) -> list[str]:
    """The screen's rows without the scrollbar at the right."""
    return [line[:79].rstrip() for line in screen.split("\n")][:rows]
