"""How late do streams get when the terminal stops reading, and does memory grow?

    python benchmarks/frozen_terminal.py [SECONDS]

First a heartbeat, due every 20 ms in a tiny app that repaints its screen 20 times a second: with
Textual's driver and with ours. Then the real app, which reads 200 tokens a second: the server
notes in each event when it was sent, the journal when it came. Each runs once with a terminal that
reads and once with one that is frozen for SECONDS (10). What counts is the ratio of the two; 1
means that nobody but the user notices. (On an idle machine both are a few milliseconds, and a ratio
above 2 may mean just that; below 20 ms nobody is late.)
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from rounds import COLS, ROWS, bar, machine
from sse_server import configure, serving

from support import tiny_app
from support.app import ask, ssechat
from support.pty import PtyProgram

RATE = 200  # tokens/s
SETTLED = 2.0  # s of the stream before anything is looked at
LATE = 0.02  # s; less than that is not late


def heartbeat(seconds: float, *options: str, frozen: bool) -> float:
    """Seconds by which the latest heartbeat was late."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        argv = [sys.executable, "-P", tiny_app.__file__, str(log), "ticking", *options]
        with PtyProgram(argv, Path(folder), cols=COLS, rows=ROWS) as program:
            program.wait_for("inputs=0")
            if frozen:
                program.freeze()
            time.sleep(seconds)
            program.thaw()
            program.send(b"q")
            program.wait(60)
        last = log.read_text(encoding="utf-8").splitlines()[-1]
        return float(json.loads(last)["late"])


def stream(port: int, seconds: float, *, frozen: bool) -> tuple[float, float, float]:
    """The real app: seconds by which the latest event, and the 99th of 100, came late, and by how
    many MB it grew."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        configure(home, port)
        with ssechat(home, cols=COLS, rows=ROWS) as program:
            program.wait_for("enter sends", 30)
            time.sleep(2)  # so that what follows the first paint is done
            ask(program, f"#mixed #rate={RATE} #tokens={int(RATE * (seconds + 20))}")
            time.sleep(SETTLED)
            before, began = resident(program.pid), time.time()
            if frozen:
                program.freeze()
            time.sleep(seconds)
            after, ended = resident(program.pid), time.time()
            program.thaw()
            time.sleep(1)
            program.send(b"\x11")
            program.send(b"\x11")
            program.wait(30)
        late = sorted(asyncio.run(lateness(home, began, ended)))
    return late[-1], late[len(late) * 99 // 100], after - before


def resident(pid: int) -> float:
    """MB of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def lateness(home: Path, began: float, ended: float) -> list[float]:
    """Seconds from when each event was sent to when it came, of those sent in this time."""
    from ssechat.journal import Journal

    journal = await Journal.open(home / "data" / "ssechat.db")
    try:
        (stream,) = await journal.streams()
        frames = await journal.frames(stream.id, 0, 1_000_000)
    finally:
        await journal.close()
    found = []
    for _, frame in frames:
        sent = json.loads(frame.data).get("sent") if frame.data.startswith("{") else None
        if sent is not None and began <= sent <= ended:
            found.append(frame.wall - sent)
    return found


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    machine()
    for name, options, target in (("Textual's", ["stock"], None), ("our", [], 2)):
        reading, frozen = (heartbeat(seconds, *options, frozen=f) for f in (False, True))
        aside = f"{1000 * reading:.0f} ms reading, {1000 * frozen:.0f} ms frozen"
        ratio = max(frozen, LATE) / max(reading, LATE)
        bar(f"latest heartbeat, {name} driver", ratio, "x", target, aside)
    with serving() as port:
        reading, frozen = (stream(port, seconds, frozen=f) for f in (False, True))
    for at, what in enumerate(("latest event", "p99 of events")):
        one, other = 1000 * reading[at], 1000 * frozen[at]
        ratio = max(frozen[at], LATE) / max(reading[at], LATE)
        aside = f"{one:.0f} ms reading, {other:.0f} ms frozen"
        bar(f"SSE lateness, {what}", ratio, "x", 2, aside)
    bar("memory while frozen", frozen[2], "MB", 2, f"{reading[2]:.1f} MB reading, the same text")


if __name__ == "__main__":
    main()
