"""How long until the first screen takes a key? Against `import textual.app` in the same Python.

    python benchmarks/startup.py [ROUNDS]

`ssechat --demo` starts in a pty of 120x40. As soon as the composer is on the screen a key is typed,
and the time ends when its letter is on the screen too. CPU time is the process' own until then.
Also: what `--help` and `--version` import.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from functools import partial
from pathlib import Path

from rounds import COLS, ROWS, Figures, bar, in_turn, machine

from support.pty import clean_environment

KEY = "ẁ".encode()
SUBJECT = ["-P", "-m", "ssechat", "--demo"]
FLOOR = ["-c", "import textual.app; print('imported', flush=True)"]
IMPORTS = """
import sys
from ssechat.cli import main
try:
    main()
except SystemExit:
    pass
print("textual" in sys.modules, file=sys.stderr)
"""


def started(home: Path, arguments: list[str], sign: bytes, key: bytes) -> Figures:
    """Seconds, and seconds of CPU, until the sign was shown, and then the key."""
    env = clean_environment(home, {"COLORTERM": "truecolor"})
    began = time.monotonic()
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, *arguments], env)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLS, 0, 0))
    try:
        read_until(terminal, sign)
        if key:
            os.write(terminal, key)
            read_until(terminal, key)
        wall = time.monotonic() - began
    finally:
        os.kill(child, signal.SIGKILL)
        _, _, used = os.wait4(child, 0)
        os.close(terminal)
    return {"time": wall, "CPU": used.ru_utime + used.ru_stime}


def read_until(terminal: int, sign: bytes) -> None:
    said = bytearray()
    while sign not in said:
        said += os.read(terminal, 65_536)


def imports_textual(option: str) -> bool:
    argv = [sys.executable, "-c", IMPORTS, option]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return done.stderr.split()[-1] == "True"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    machine()
    with tempfile.TemporaryDirectory() as folder:
        subjects = {
            "import textual.app": partial(started, Path(folder), FLOOR, b"imported", b""),
            "ssechat --demo": partial(started, Path(folder), SUBJECT, b"enter sends", KEY),
        }
        in_turn(1, subjects)  # byte code, and a journal to be opened
        found = in_turn(rounds, subjects)
    floor, ours = found.values()
    for what in ("time", "CPU"):
        aside = f"{1000 * ours[what]:.0f} ms, import {1000 * floor[what]:.0f} ms"
        bar(f"first usable paint, {what}", ours[what] / floor[what], "x", 1.2, aside)
    for option in ("--help", "--version"):
        bar(f"{option} imports textual", imports_textual(option), "", 0)


if __name__ == "__main__":
    main()
