"""What does it cost to go to another tab, with 5 tabs and with 50, against a repaint?

    python benchmarks/switch.py [ROUNDS]

The real app in a pty of 120x40; a conversation of 30 KB in each tab. All tabs are gone through in
turn, so with 50 of them each was last seen 50 switches ago. The floor is `redraw`: everything on
the screen once more. CPU time of the process from the one to when all is painted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from rounds import CELL, Figures, bar, in_terminal, in_turn, machine
from transcript import sections

TABS = (5, 50)
MESSAGES, SIZE = 12, 2_500  # and characters in each
PAUSE = 0.15  # s, in which all is painted
TIMES = 40


def cell(out: str, tabs: int) -> None:
    Path(out).write_text(json.dumps(asyncio.run(run(tabs))))


async def run(tabs: int) -> Figures:
    from ssechat.core.reply import restore
    from ssechat.session import Session
    from ssechat.tui.app import SsechatApp
    from ssechat.tui.transcript import Page, ReplyItem

    def page(seed: int) -> Page:
        text = sections("mixed", MESSAGES * SIZE, seed)
        stored = [[{"kind": "text", "text": text[n * SIZE : n * SIZE + SIZE]}] for n in range(12)]
        return Page(
            [ReplyItem(f"{n}", restore(s), "m", state="complete") for n, s in enumerate(stored)]
        )

    class Subject(SsechatApp):
        def on_ready(self) -> None:
            self.start(self.use())

        async def use(self) -> None:
            await asyncio.sleep(2)
            self.composer.cursor_blink = False
            for number in range(tabs):
                if number:
                    self.desk.new()
                self.desk.tab.page = page(number)
            for _ in range(2 * tabs):
                self.switch()
                await asyncio.sleep(PAUSE)
            figures: dict[str, list[float]] = {}
            for _ in range(TIMES):
                for name, act in (("idle", list), ("redraw", self.redraw), ("switch", self.switch)):
                    figures.setdefault(name, []).append(await self.cost(act))
            idle, redraw, switch = (median(values) for values in figures.values())
            found.update(redraw=redraw - idle, switch=switch - idle)
            self.exit()

        def switch(self) -> None:
            self.desk.go((self.desk.active + 1) % len(self.desk.tabs))
            self.show_tab()

        async def cost(self, act: Callable[[], object]) -> float:
            """Milliseconds of CPU."""
            began = time.process_time()
            act()
            await asyncio.sleep(PAUSE)
            return 1000 * (time.process_time() - began)

    found: Figures = {}
    session = await Session.open()
    subject = Subject(session, session.choose(profile=None, model=None, demo=True))
    await subject.run_async()
    await session.close()
    if subject.failure is not None:
        raise subject.failure
    return found


def main() -> None:
    if sys.argv[1:2] == [CELL]:
        cell(sys.argv[2], int(sys.argv[3]))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    machine()
    found = in_turn(rounds, {f"{n} tabs": partial(in_terminal, __file__, n) for n in TABS})
    for tabs in TABS:
        switch, redraw = (found[f"{tabs} tabs"][name] for name in ("switch", "redraw"))
        aside = f"{switch:.1f} ms, one repaint {redraw:.1f} ms"
        bar(f"tab switch, {tabs} tabs", switch / redraw, "x", 2, aside)
    few, many = (found[f"{tabs} tabs"]["switch"] for tabs in TABS)
    bar("tab switch, 50 tabs against 5", many / few, "x", 1.3)


if __name__ == "__main__":
    main()
