"""How long until the end of a long conversation is on the screen?

    python benchmarks/opening.py [ROUNDS]

A conversation of 2,000 messages, 5 MB in all, is shown in place of another one, in the transcript
of an app that paints as ours does, in a pty of 120x40. The time runs from `show` to the frame with
its end in it. The floor is to parse and lay out the last three screens of it, and no more. Each
round shows a new page, so nothing is known of it; both are measured in the same process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from rounds import CELL, ROWS, bar, in_terminal, machine
from transcript import sections

MESSAGES, SIZE = 2_000, 2_500  # and characters in each
SCREENS = 3
WIDTH = 110  # cells a line, about
SHORT = 60


def texts() -> list[str]:
    """The messages; some sections take more than one."""
    whole = sections("mixed", MESSAGES * SIZE // 20, 1)
    return [whole[at : at + SIZE] for at in range(0, len(whole), SIZE)] * 20


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of time and of CPU."""
    wall, cpu = time.perf_counter(), time.thread_time()
    work()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.thread_time() - cpu)


def cell(out: str, rounds: int) -> None:
    from textual.app import ComposeResult
    from textual.screen import Screen

    from ssechat.core.reply import restore
    from ssechat.tui.driver import SsechatDriver
    from ssechat.tui.markdown import Document
    from ssechat.tui.paint.display import PaintedApp
    from ssechat.tui.paint.flush import flush
    from ssechat.tui.screens.base import BaseScreen
    from ssechat.tui.transcript import Page, ReplyItem, UserItem
    from ssechat.tui.warm import warm_up
    from ssechat.tui.widgets.transcript import Transcript

    said = texts()[:MESSAGES]
    figures: dict[str, list[float]] = {}

    def page(words: list[str]) -> Page:
        items: list[UserItem | ReplyItem] = []
        for number in range(0, len(words), 2):
            stored = [{"kind": "text", "text": words[number + 1]}]
            answer = ReplyItem(f"r{number}", restore(stored), "model", state="complete")
            items += [UserItem(f"u{number}", words[number], 0.0), answer]
        return Page(items)

    def floor() -> None:
        """From the end upwards, message by message, until there are three screens."""
        lines = 0
        for text in reversed(said):
            document = Document()
            document.feed(text)
            document.finish()
            lines += len(document.lines(WIDTH))
            if lines >= SCREENS * ROWS:
                return

    class Subject(PaintedApp[None]):
        def get_default_screen(self) -> Screen[None]:
            return BaseScreen(id="_default")

        def compose(self) -> ComposeResult:
            yield Transcript(page(said[:SHORT]))

        def on_ready(self) -> None:
            self.run_worker(self.use())

        async def use(self) -> None:
            await asyncio.to_thread(warm_up)
            transcript = self.query_one(Transcript)
            for _ in range(rounds):
                for name in ("floor", "opening"):
                    transcript.show(page(said[:SHORT]))
                    await asyncio.sleep(0.3)
                    opened = page(said)
                    gc.collect()
                    await asyncio.sleep(0.3)
                    work = floor if name == "floor" else lambda: self.open(transcript, opened)  # noqa: B023
                    wall, cpu = timed(work)
                    figures.setdefault(f"{name} wall", []).append(wall)
                    figures.setdefault(f"{name} cpu", []).append(cpu)
            self.exit()

        def open(self, transcript: Transcript, opened: Page) -> None:
            """As the app does it, but without waiting between two frames."""
            transcript.show(opened)
            flush(self.screen, [transcript])
            while transcript.pending:
                transcript.pull()
                flush(self.screen, [transcript])

    Subject(driver_class=SsechatDriver).run()
    Path(out).write_text(json.dumps({name: median(values) for name, values in figures.items()}))


def main() -> None:
    if sys.argv[1:2] == [CELL]:
        cell(sys.argv[2], int(sys.argv[3]))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    machine()
    found = in_terminal(__file__, rounds)
    for what, name in (("CPU", "cpu"), ("time", "wall")):
        ours, floor = found[f"opening {name}"], found[f"floor {name}"]
        aside = f"{ours:.1f} ms, three screens {floor:.1f} ms"
        bar(f"opening {MESSAGES:,} messages, {what}", ours / floor, "x", 3, aside)


if __name__ == "__main__":
    main()
