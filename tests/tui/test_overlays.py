"""Overlays under hasty fingers, and terminals too small for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.app import ENTER, ESCAPE, READY, demo, leave, screen

PALETTE, MODELS = b"\x10", b"\x0c"


@pytest.mark.parametrize("burst", [ENTER * 2, ENTER * 4, ESCAPE * 2 + b"x"])
def test_keys_that_come_twice_close_an_overlay_once(tmp_path: Path, burst: bytes) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        for key, title in ((PALETTE, "Stop: "), (MODELS, "demo · demo-fast")):
            program.send(key)
            program.wait_for(title)
            program.send(burst)
            program.wait_for(lambda title=title: title not in screen(program))
            program.send(b"\x15")  # what came after the overlay had closed
        leave(program)


@pytest.mark.parametrize(("cols", "rows"), [(1, 30), (2, 30), (1, 1), (4, 2)])
def test_no_terminal_is_too_small(tmp_path: Path, cols: int, rows: int) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.resize(cols, rows)
        program.send(b"x\x7f")
        program.resize(80, 24)
        program.wait_for(READY)
        leave(program)
