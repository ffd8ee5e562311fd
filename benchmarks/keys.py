"""How long from a key to its letter in the composer, at rest and while 200 tokens a second stream?

    python benchmarks/keys.py [ROUNDS]

The real app runs in a pty of 120x40. Each key is a letter that stands nowhere else, written to the
pty; the time runs until the letter comes out of it, so the terminal's own share is in it: some
tenths of a millisecond. Keys come 70 to 160 ms apart. What others need can only be measured by a
harness that knows them; see docs/benchmarks.md.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from rounds import COLS, ROWS, bar, in_turn, machine
from sse_server import configure, serving

from support.app import ask, leave, ssechat
from support.pty import PtyProgram

RATE = 200  # tokens/s
LETTERS = [chr(code) for code in range(0x1E02, 0x1E92)]  # one cell wide, and in no text of ours
BACKSPACE = b"\x7f"


def latencies(port: int, *, streaming: bool) -> dict[str, float]:
    """Milliseconds from a key to its letter: p50 and p99."""
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        configure(home, port)
        with ssechat(home, cols=COLS, rows=ROWS) as program:
            program.wait_for("enter sends", 30)
            time.sleep(2)  # so that what follows the first paint is done
            if streaming:
                ask(program, f"#mixed #rate={RATE} #tokens={60 * RATE}")
                time.sleep(2)
            found = []
            for letter in LETTERS:
                found.append(pressed(program, letter))
                program.send(BACKSPACE)
                time.sleep(rng.uniform(0.07, 0.16))
            if streaming:
                program.send(b"\x1b")
                program.wait_for("stopped")
            leave(program)
    found.sort()
    return {"p50": 1000 * found[len(found) // 2], "p99": 1000 * found[len(found) * 99 // 100]}


def pressed(program: PtyProgram, letter: str) -> float:
    """Seconds until the letter of this key came."""
    key = letter.encode()
    began = time.monotonic()
    program.send(key)
    program.wait_for(key)
    return time.monotonic() - began


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    machine()
    with serving() as port:
        found = in_turn(
            rounds,
            {
                "at rest": lambda: latencies(port, streaming=False),
                "streaming": lambda: latencies(port, streaming=True),
            },
        )
    rest, busy = found["at rest"], found["streaming"]
    for at in ("p50", "p99"):
        aside = f"at rest {rest[at]:.1f} ms, {busy[at] / rest[at]:.1f} x"
        bar(f"key to screen at {RATE} tok/s, {at}", busy[at], "ms", None, aside)


if __name__ == "__main__":
    main()
