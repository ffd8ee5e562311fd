"""How late does the event loop get when the terminal stops reading? Textual's driver and ours.

usage: python benchmarks/frozen_terminal.py [SECONDS]

A tiny app repaints its screen 20 times a second while a heartbeat, due every 20 ms, notes how late
it came. Each driver runs once with a terminal that reads and once with one that is frozen for
SECONDS (10). What counts is the ratio of the two; 1 means that nobody but the user notices.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import tiny_app
from support.pty import PtyProgram


def worst_lateness(seconds: float, *options: str, frozen: bool) -> float:
    """Milliseconds by which the latest heartbeat was late."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        argv = [sys.executable, "-P", tiny_app.__file__, str(log), "ticking", *options]
        with PtyProgram(argv, Path(folder), cols=120, rows=40) as program:
            program.wait_for("inputs=0")
            if frozen:
                program.freeze()
            time.sleep(seconds)
            program.thaw()
            program.send(b"q")
            program.wait(60)
        last = log.read_text(encoding="utf-8").splitlines()[-1]
        return 1000 * float(json.loads(last)["late"])


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print(f"{'driver':8} {'reading':>9} {'frozen':>9} {'ratio':>7}   worst lateness, {seconds:g} s")
    for name, options in (("Textual", ["stock"]), ("ours", [])):
        reading, frozen = (worst_lateness(seconds, *options, frozen=f) for f in (False, True))
        print(f"{name:8} {reading:6.0f} ms {frozen:6.0f} ms {frozen / reading:7.1f}")


if __name__ == "__main__":
    main()
