"""CPU per flush of the transcript, against Textual's `Log` in the same terminal, and its growth.

    python benchmarks/transcript.py [ROUNDS [FLUSHES]]

Each cell runs in a pty of 120x40: the screen is full, a document of so many tokens (of 4
characters) is there, and 10 characters come with each of the FLUSHES (100), 20 times a second. They
are painted as the app does it. `Log` neither wraps nor styles: it is the floor. The same text comes
in all cells of a kind.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from functools import partial
from pathlib import Path

from rounds import CELL, bar, in_terminal, in_turn, machine

WORDS = [
    *("the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "on"),
    *("stream", "server", "event", "buffer", "token", "retry", "cursor", "parser", "connection"),
]
TOKEN = 4  # characters
PIECE = 10  # characters a flush
PACE = 1 / 20  # s
GLANCES = 5  # flushes from one look at the scrollbar to the next: the app's quarter of a second
SIZES = {"log": (500, 50_000), "mixed": (500, 50_000)}
KINDS = ("log", "mixed", "fence", "list", "table", "paragraph", "thinking")


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


def sections(kind: str, characters: int, seed: int) -> str:
    """At least so many characters."""
    rng = random.Random(seed)
    parts: list[str] = []
    size = 0
    while size < characters:
        parts.append(section(rng, kind, len(parts) + 1))
        size += len(parts[-1])
    return "".join(parts)


def document(kind: str, characters: int) -> str:
    """A text of at least so many characters; for all but "mixed" it is one block."""
    head = {"fence": "```python\n", "table": "| id | name | text | n |\n|---|---|---|--:|\n"}
    return head.get(kind, "") + sections(kind, characters, 1)


BEFORE = "".join(f"{prose(random.Random(line), 16)}\n" for line in range(60))
"""An earlier message, so that the screen is full and all of it scrolls, whatever comes."""


def cell(out: str, kind: str, tokens: int, flushes: int) -> None:
    """Run one cell in this terminal, and write its milliseconds of CPU per flush to `out`."""
    what = "mixed" if kind == "log" else kind
    there, rest = document(what, tokens * TOKEN), sections(what, flushes * PIECE, 2)
    pieces = [rest[at : at + PIECE] for at in range(0, flushes * PIECE, PIECE)]
    measure = log if kind == "log" else transcript
    spent = measure(there, pieces, kind)
    Path(out).write_text(json.dumps({"ms": spent * 1000}))


async def timed(put: partial[None], pieces: list[str]) -> float:
    """Seconds of CPU per piece."""
    clock = asyncio.get_running_loop().time
    began, due = time.process_time(), clock()
    for piece in pieces:
        put(piece)
        due += PACE
        await asyncio.sleep(max(0, due - clock()))
    return (time.process_time() - began) / len(pieces)


def log(there: str, pieces: list[str], kind: str) -> float:
    """Textual's own, in an app and on a driver as they come."""
    from textual.app import App, ComposeResult
    from textual.widgets import Log

    class Floor(App[float]):
        def compose(self) -> ComposeResult:
            yield Log()

        async def on_mount(self) -> None:
            self.run_worker(self.run_flushes())

        async def run_flushes(self) -> None:
            widget = self.query_one(Log)
            widget.write(BEFORE + there)
            await asyncio.sleep(1)
            self.exit(await timed(partial(self.put, widget), pieces))

        def put(self, widget: Log, piece: str) -> None:
            widget.write(piece)

    return Floor().run() or 0.0


def transcript(there: str, pieces: list[str], kind: str) -> float:
    """Ours, on the app's way to the terminal: cadence, pull, flush, differences."""
    from textual.app import ComposeResult
    from textual.screen import Screen

    from ssechat.core.deltas import Text, Thinking
    from ssechat.core.reply import Reply
    from ssechat.tui.driver import SsechatDriver
    from ssechat.tui.paint.cadence import Cadence
    from ssechat.tui.paint.display import PaintedApp
    from ssechat.tui.paint.flush import flush
    from ssechat.tui.screens.base import BaseScreen
    from ssechat.tui.transcript import Page, ReplyItem, ThinkingMode, UserItem
    from ssechat.tui.warm import warm_up
    from ssechat.tui.widgets.transcript import Transcript

    reply, delta = Reply(), Thinking if kind == "thinking" else Text

    class Subject(PaintedApp[float]):
        def get_default_screen(self) -> Screen[None]:
            return BaseScreen(id="_default")

        def compose(self) -> ComposeResult:
            page = Page([UserItem("u", BEFORE, 0.0), ReplyItem("r", reply, "model")])
            yield Transcript(page, thinking=ThinkingMode.SHOW)

        async def on_mount(self) -> None:
            self.puts, self.read = 0, asyncio.Event()
            self.transcript = self.query_one(Transcript)
            self.cadence = Cadence(self.paint)
            self.run_worker(self.run_flushes())

        async def run_flushes(self) -> None:
            await asyncio.to_thread(warm_up)
            self.put(there)
            await self.read.wait()
            await asyncio.sleep(1)
            self.exit(await timed(partial(self.put), pieces))

        def put(self, piece: str) -> None:
            reply.apply(delta(piece), 1.0)
            self.puts += 1
            self.cadence.wanted()

        def paint(self) -> bool:
            if not self.can_paint:
                return False
            self.transcript.pull()
            if self.puts % GLANCES == 0:
                self.transcript.settle_scrollbar()
            flush(self.screen, [self.transcript])
            if self.transcript.pending:
                self.cadence.wanted()
            else:
                self.read.set()
            return True

    return Subject(driver_class=SsechatDriver).run() or 0.0


def main() -> None:
    if sys.argv[1:2] == [CELL]:
        out, kind, tokens, flushes = sys.argv[2:]
        cell(out, kind, int(tokens), int(flushes))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    flushes = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    machine()
    cells = [(kind, size) for kind in KINDS for size in SIZES.get(kind, (500, 15_000))]
    found = in_turn(
        rounds,
        {
            f"{kind}, {size:,} tokens": partial(in_terminal, __file__, kind, size, flushes)
            for kind, size in cells
        },
    )
    spent = {at: found[f"{at[0]}, {at[1]:,} tokens"]["ms"] for at in cells}
    for size in SIZES["mixed"]:
        floor, ours = spent["log", size], spent["mixed", size]
        aside = f"{ours:.2f} ms a flush, Log {floor:.2f} ms"
        bar(f"CPU per flush, mixed, {size:,} tokens", ours / floor, "x", 1.5, aside)
    for kind in KINDS[1:]:
        small, large = SIZES.get(kind, (500, 15_000))
        first, last = spent[kind, small], spent[kind, large]
        aside = f"{first:.2f} → {last:.2f} ms a flush"
        bar(f"growth {small} → {large:,} tokens, {kind}", last / first, "x", 1.3, aside)


if __name__ == "__main__":
    main()
