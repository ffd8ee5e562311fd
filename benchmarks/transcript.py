"""CPU per flush of the transcript, as a ratio to Textual's `Log` in the same terminal.

    python benchmarks/transcript.py [FLUSHES]

Each cell runs in a pty of 120x40: a document of so many tokens (of 4 characters) is there, and 10
characters come with every flush. `Log` neither wraps nor styles: it is the floor. Ratios mean
something on a busy machine too, milliseconds do not.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import random
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

WORDS = [
    *("the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "on"),
    *("stream", "server", "event", "buffer", "token", "retry", "cursor", "parser", "connection"),
]
CELLS = [(kind, size) for size in (500, 5_000, 20_000) for kind in ("log", "mixed")]
CELLS += [("log", 15_000)]
CELLS += [(kind, 15_000) for kind in ("fence", "list", "table", "paragraph", "thinking")]


def prose(rng: random.Random, words: int) -> str:
    said = [rng.choice(WORDS) for _ in range(words)]
    said[words // 3], said[words // 2] = f"**{said[0]}**", f"`{said[1]}`"
    return " ".join(said).capitalize() + "."


def code(rng: random.Random) -> str:
    name, value = rng.choice(WORDS), rng.choice(WORDS)
    return "    " * rng.randrange(3) + f'{name} = {value}.{name}({rng.randrange(99)}, "{value}")\n'


def section(rng: random.Random, kind: str, number: int) -> str:
    if kind == "fence":
        return code(rng)
    if kind == "list":
        return f"{number}. **{rng.choice(WORDS)}**: {prose(rng, 14)}\n"
    if kind == "table":
        return f"| {number} | {rng.choice(WORDS)} | {prose(rng, 6)} | {rng.randrange(9999)} |\n"
    if kind in ("paragraph", "thinking"):
        return prose(rng, 12) + " "
    parts = [f"## Section {number}\n\n", prose(rng, 80), "\n\n"]
    parts += [f"- {prose(rng, 12)}\n" for _ in range(5)]
    parts += ["\n```python\n", *(code(rng) for _ in range(25)), "```\n\n", prose(rng, 60), "\n\n"]
    parts += ["| a | b |\n|---|--:|\n", *(f"| {rng.choice(WORDS)} | 1 |\n" for _ in range(6)), "\n"]
    return "".join(parts)


def document(kind: str, characters: int) -> str:
    """A text of at least so many characters; for all but "mixed" it is one block."""
    rng = random.Random(1)
    head = {"fence": "```python\n", "table": "| id | name | text | n |\n|---|---|---|--:|\n"}
    parts = [head.get(kind, "")]
    size = 0
    while size < characters:
        parts.append(section(rng, kind, len(parts)))
        size += len(parts[-1])
    return "".join(parts)


def measure(kind: str, tokens: int, flushes: int, out: str) -> None:
    """Run one cell in this terminal, and write its milliseconds of CPU per flush to `out`."""
    from textual.app import App, ComposeResult
    from textual.widgets import Log

    from ssechat.core.deltas import Text, Thinking
    from ssechat.core.reply import Reply
    from ssechat.tui.transcript import Page, ReplyItem, ThinkingMode
    from ssechat.tui.widgets.transcript import Transcript

    text = document("mixed" if kind == "log" else kind, tokens * 4 + flushes * 10)
    delta = Thinking if kind == "thinking" else Text
    reply = Reply()

    class Bench(App[float]):
        def compose(self) -> ComposeResult:
            mode = ThinkingMode.SHOW
            yield (
                Log()
                if kind == "log"
                else Transcript(Page([ReplyItem("r", reply, "model")]), thinking=mode)
            )

        def on_mount(self) -> None:
            self.run_worker(self.run_flushes())

        async def run_flushes(self) -> None:
            self.put(text[: tokens * 4])
            for _ in range(20):
                await asyncio.sleep(0.05)
                self.put("")
            began = time.process_time()
            for at in range(tokens * 4, tokens * 4 + flushes * 10, 10):
                self.put(text[at : at + 10])
                await asyncio.sleep(0.02)
            spent = (time.process_time() - began) / flushes * 1000
            self.exit(spent)

        def put(self, piece: str) -> None:
            if kind == "log":
                self.query_one(Log).write(piece)
                return
            if piece:
                reply.apply(delta(piece), 1.0)
            self.query_one(Transcript).pull()

    Path(out).write_text(json.dumps(Bench().run()))


def in_terminal(kind: str, tokens: int, flushes: int) -> float:
    """One cell in a child with a pty of its own, whose output is read and thrown away."""
    with tempfile.NamedTemporaryFile() as out:
        child, terminal = pty.fork()
        if child == 0:
            arguments = [kind, str(tokens), str(flushes), out.name]
            os.execv(sys.executable, [sys.executable, __file__, "--cell", *arguments])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        try:
            while os.read(terminal, 65_536):
                pass
        except OSError:
            pass  # the child has closed its side
        os.waitpid(child, 0)
        return float(json.loads(Path(out.name).read_text()))


def main() -> None:
    if sys.argv[1:2] == ["--cell"]:
        kind, tokens, flushes, out = sys.argv[2:]
        measure(kind, int(tokens), int(flushes), out)
        return
    flushes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    floor = 0.0
    for kind, tokens in CELLS:
        spent = in_terminal(kind, tokens, flushes)
        floor = spent if kind == "log" else floor
        print(f"{kind:10} {tokens:6} tokens  {spent:5.2f} ms a flush  {spent / floor:4.2f} x Log")


if __name__ == "__main__":
    main()
