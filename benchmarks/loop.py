"""How long does one turn of the event loop take while the real app shows 200 tokens a second?

    python benchmarks/loop.py [SECONDS]

The program runs in a pty of 120x40 and reads from a server on loopback, once for each kind of
content. A turn is what happens between two looks at the sockets: keys and streams wait so long at
worst. The targets are for wall time; CPU time says what of it is ours on a busy machine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import probe
from rounds import COLS, ROWS, bar, machine
from sse_server import configure, serving

from support.app import ask, bar_says, leave, ssechat

RATE = 200  # tokens/s
SETTLED = 2.0  # s after the question from which on turns count
KINDS = ("mixed", "fence", "list", "table", "paragraph")


def streamed(port: int, kind: str, seconds: float) -> list[probe.Turn]:
    """The turns while an answer of so many seconds came."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        configure(home, port)
        before = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r});"
            f"import probe; probe.note_turns({str(home / 'turns')!r})"
        )
        prompt = f"#{kind} #rate={RATE} #tokens={int(RATE * (seconds + SETTLED))}"
        with ssechat(home, cols=COLS, rows=ROWS, before=before) as program:
            program.wait_for("enter sends", 30)
            time.sleep(2)  # so that what follows the first paint is done
            ask(program, prompt)
            began = time.monotonic()
            bar_says(program, "complete", timeout=3 * seconds + 30)
            ended = time.monotonic()
            leave(program)
        noted = probe.turns(home / "turns")
    return [turn for turn in noted if began + SETTLED <= turn.at <= ended]


def told(kind: str, turns: list[probe.Turn]) -> None:
    walls, cpus = (sorted(values) for values in zip(*((t.wall, t.cpu) for t in turns), strict=True))
    p99 = len(turns) * 99 // 100
    for what, at, target in (("p99", p99, 16), ("longest", -1, 50)):
        aside = f"CPU {1000 * cpus[at]:.1f} ms; {len(turns):,} turns"
        bar(f"{what} of a turn at {RATE} tok/s, {kind}", 1000 * walls[at], "ms", target, aside)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    machine()
    with serving() as port:
        for kind in KINDS:
            told(kind, streamed(port, kind, seconds))


if __name__ == "__main__":
    main()
