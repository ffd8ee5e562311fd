"""What the benchmarks share: subjects measured in turn, a terminal to measure in, bars."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import pty
import struct
import sys
import tempfile
import termios
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

COLS, ROWS = 120, 40
CELL = "--cell"
_BUSY = 0.25  # load, in cores of this machine, from which on figures are not to be trusted

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.pty import clean_environment  # noqa: E402

Figures = dict[str, float]


def in_turn(rounds: int, subjects: Mapping[str, Callable[[], Figures]]) -> dict[str, Figures]:
    """Measure all subjects, then all again, so that what else the machine does hits them alike.

    The medians of each one's figures.
    """
    found: dict[str, list[Figures]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name, measure in subjects.items():
            print(f"  round {number + 1} of {rounds}: {name:40}", end="\r", file=sys.stderr)
            found[name].append(measure())
    print(" " * 70, end="\r", file=sys.stderr)
    return {
        name: {key: median(one[key] for one in many) for key in many[0]}
        for name, many in found.items()
    }


def in_terminal(script: str, *arguments: object, home: Path | None = None) -> Any:
    """What `script --cell OUT ARGUMENTS` writes to the file OUT as JSON.

    It runs in a terminal of its own, whose output is read and thrown away, with none of the user's
    files, but perhaps those in `home`.
    """
    with tempfile.NamedTemporaryFile() as out, tempfile.TemporaryDirectory() as folder:
        env = clean_environment(home or Path(folder), {"COLORTERM": "truecolor"})
        child, terminal = pty.fork()
        if child == 0:
            argv = [sys.executable, script, CELL, out.name, *map(str, arguments)]
            os.execve(sys.executable, argv, env)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLS, 0, 0))
        said = bytearray()
        try:
            while data := os.read(terminal, 65_536):
                said = (said + data)[-2000:]
        except OSError:
            pass  # the child has closed its side
        os.close(terminal)
        if os.waitpid(child, 0)[1]:
            raise RuntimeError(f"the cell failed:\n{said.decode(errors='replace')}")
        return json.loads(Path(out.name).read_text())


def machine() -> None:
    """Say what was measured on, and how busy that was."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    busy = " (busy: only ratios mean something)" if load > _BUSY * cores else ""
    print(f"Python {platform.python_version()}, {cores} cores, load {load:.1f}{busy}", flush=True)


def bar(what: str, value: float, unit: str, target: float | None, aside: str = "") -> None:
    """One line for one bar: it is met if the value is no greater than the target, if it has one."""
    verdict = "" if target is None else "ok" if value <= target else "MISSED"
    limit = "" if target is None else f"<= {target:g} {unit}"
    print(f"{what:46} {value:8.2f} {unit:2}  {limit:12} {verdict:6}  {aside}".rstrip(), flush=True)
