"""What do 50 streams cost that nobody looks at? The app on an idle tab, and a hub without any.

    python benchmarks/hidden.py [ROUNDS [SECONDS]]

A server in a process of its own sends 47 tokens a second on each of 50 streams, which a hub reads,
journals and folds: alone, and in the real app, each in a tab, while an empty one is on the screen.
What is compared is the process' CPU time while they stream. The cursor does not blink, so a frame
is painted only if something has changed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rounds import CELL, Figures, bar, in_terminal, in_turn, machine
from sse_server import configure, serving

if TYPE_CHECKING:
    from ssechat.hub import Hub

STREAMS, RATE = 50, 47  # and tokens/s on each
SETTLED = 3.0  # s after the last question from which on CPU time counts
SECONDS = 10.0


async def measured(hub: Hub, seconds: float, frames: Callable[[], int]) -> Figures:
    """CPU (in cores), tokens and frames while time passes, and how many streams there were."""

    def now() -> tuple[float, float, int, int]:
        tokens = sum(live.fold.meter.tokens for live in hub.lives)
        return time.monotonic(), time.process_time(), tokens, frames()

    await asyncio.sleep(SETTLED)
    before = now()
    await asyncio.sleep(seconds)
    lasted, cpu, tokens, painted = (b - a for a, b in zip(before, now(), strict=True))
    return {"cpu": cpu / lasted, "tokens": tokens, "frames": painted, "live": len(hub.lives)}


def prompt(seconds: float) -> str:
    return f"#mixed #rate={RATE} #tokens={int(RATE * (seconds + 20))}"


async def hub_alone(streams: int, seconds: float) -> Figures:
    from ssechat.hub import Question
    from ssechat.session import Session

    session = await Session.open()
    profile = await session.ready(session.choose(profile=None, model=None, demo=False).profile)
    for _ in range(streams):
        await session.hub.submit(Question(profile, text=prompt(seconds)))
    figures = await measured(session.hub, seconds, lambda: 0)
    await session.close()
    return figures


async def app(streams: int, seconds: float) -> Figures:
    from ssechat.core.draft import Draft
    from ssechat.session import Session
    from ssechat.tui.app import SsechatApp
    from ssechat.tui.driver import SsechatDriver

    frames = 0
    write = SsechatDriver.write

    def counted(self: SsechatDriver, data: str) -> None:
        nonlocal frames
        frames += 1
        write(self, data)

    SsechatDriver.write = counted  # type: ignore[method-assign]
    session = await Session.open()
    figures: Figures = {}

    class Subject(SsechatApp):
        def on_ready(self) -> None:
            self.start(self.use())

        async def use(self) -> None:
            await asyncio.sleep(2)
            self.composer.cursor_blink = False
            for _ in range(streams):
                self.desk.take(self.desk.tab, Draft(prompt(seconds)))
                await self.desk.send(self.desk.tab)
                self.desk.new()
                self.show_tab()
            figures.update(await measured(session.hub, seconds, lambda: frames))
            self.exit()

    subject = Subject(session, session.choose(profile=None, model=None, demo=False))
    await subject.run_async()
    await session.close()
    if subject.failure is not None:
        raise subject.failure
    return figures


def cell(out: str, what: str, streams: int, seconds: float) -> None:
    subject = {"hub": hub_alone, "app": app}[what]
    figures = asyncio.run(subject(streams, seconds))
    if figures.pop("live") != streams:
        raise RuntimeError("some streams have ended")
    Path(out).write_text(json.dumps(figures))


def measure(port: int, what: str, streams: int, seconds: float) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        configure(Path(folder), port)
        found: Figures = in_terminal(__file__, what, streams, seconds, home=Path(folder))
        return found


def main() -> None:
    if sys.argv[1:2] == [CELL]:
        cell(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    machine()
    with serving() as port:
        found = in_turn(
            rounds,
            {
                "a hub alone": partial(measure, port, "hub", STREAMS, seconds),
                "the app": partial(measure, port, "app", STREAMS, seconds),
                "the app at rest": partial(measure, port, "app", 0, seconds),
            },
        )
    alone, ours, rest = (found[name] for name in ("a hub alone", "the app", "the app at rest"))
    each, floor = (one["cpu"] * 1e6 * seconds / one["tokens"] for one in (ours, alone))
    aside = f"{each:.0f} µs a token, alone {floor:.0f} µs; {100 * ours['cpu']:.0f} % of a core"
    aside += f", at rest {100 * rest['cpu']:.1f} %"
    bar(f"CPU of {STREAMS} hidden streams", each / floor, "x", 1.3, aside)
    caused = ours["frames"] - rest["frames"]
    bar(f"frames in {seconds:g} s because of them", caused, "", 0, f"{rest['frames']:g} at rest")


if __name__ == "__main__":
    main()
