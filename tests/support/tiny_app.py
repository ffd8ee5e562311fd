"""A small full-screen app on our driver, to be run in a pty: `tiny_app.py LOG [option ...]`.

It logs what happens to it as JSON lines. `s` starts and stops the ticking (a changing screen, 20
times a second), `d` logs the screen as Textual has it, `w` scribbles on the terminal behind the
app's back, `r` redraws, `c` crashes, `h` hangs, `q` quits.

    ticking       tick from the start        hang-end      never come back from the end
    scrolling     each tick moves the rows   hang-flush    never come back from the flush
    stock         use Textual's own driver   fail-flush    raise an error in the flush
    wordy         say much after the end     patient       wait long for the terminal's answer
    resizing      a size of 60 columns is only told once the terminal has another one
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from textual.app import ComposeResult
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, Paste
from textual.widgets import Static

from ssechat.tui import driver_scroll
from ssechat.tui.driver import SsechatDriver
from ssechat.tui.driver_signals import install_signals
from ssechat.tui.ending import TidyEnd

BEAT = 0.02  # seconds


class ResizingDriver(SsechatDriver):
    def _get_terminal_size(self) -> tuple[int, int]:
        size = super()._get_terminal_size()
        if size[0] == 60:
            os.write(2, b"sixty")
        while size[0] == os.get_terminal_size(2).columns == 60:
            time.sleep(0.001)  # the next signal comes in here
        return size


class TinyApp(TidyEnd[None]):
    CSS = "#head { height: 1; } #body { height: 1fr; }"

    def __init__(self, log: Path, options: frozenset[str]) -> None:
        driver = ResizingDriver if "resizing" in options else SsechatDriver
        super().__init__(driver_class=LinuxDriver if "stock" in options else driver)
        self._log = log.open("a", encoding="utf-8", buffering=1)
        self._options = options
        self._ticking = "ticking" in options
        self._ticks = self._inputs = self._beats = self._backlog = 0
        self._last = ""
        self._late = 0.0
        self._stuck = False

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Static(id="body", markup=False)

    def on_load(self) -> None:
        install_signals(self, self._flush)

    def on_mount(self) -> None:
        self.set_interval(1 / 20, self._tick)
        self.call_after_refresh(self._start_heart)
        self._show()

    async def on_unmount(self) -> None:
        self._note(late=self._late, beats=self._beats, ticks=self._ticks, backlog=self._backlog)
        if "hang-end" in self._options:
            time.sleep(60)  # noqa: ASYNC251

    async def on_key(self, event: Key) -> None:
        self._take(key=event.key, character=event.character)
        self._show()
        match event.key:
            case "s":
                self._ticking = not self._ticking
                self._show()
            case "d":
                rows = self.screen._compositor.render_strips()
                self._note(screen=[row.text.rstrip() for row in rows])
            case "w":
                os.write(2, b"\x1b[2J\x1b[5;5Hscribble")
            case "r":
                self.redraw()
            case "c":
                raise RuntimeError("crash on request")
            case "h":
                await asyncio.sleep(60)
            case "q":
                self.exit()

    def on_paste(self, event: Paste) -> None:
        self._take(paste=event.text)
        self._show()

    async def _flush(self) -> None:
        self._note(flushed=True)
        if "fail-flush" in self._options:
            raise OSError("no space left")
        if "hang-flush" in self._options:
            await asyncio.sleep(60)

    def _start_heart(self) -> None:
        self._heart = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        due = time.monotonic() + BEAT
        await asyncio.sleep(BEAT)
        while self.is_running:
            self._late = max(self._late, time.monotonic() - due)
            backlog = getattr(self._driver, "backlog", 0)
            self._backlog = max(self._backlog, backlog)
            if self._stuck != bool(backlog):
                self._stuck = bool(backlog)
                self._note(stuck=self._stuck)
            self._beats += 1
            due = time.monotonic() + BEAT
            await asyncio.sleep(BEAT)

    def _tick(self) -> None:
        if self._ticking:
            self._ticks += 1
            self._show()

    def _show(self) -> None:
        state = "ticking" if self._ticking else "still"
        self.query_one("#head", Static).update(f"{state} inputs={self._inputs} last={self._last}")
        first = self._ticks if "scrolling" in self._options else 0
        row = " ".join(str(self._ticks - first + n) for n in range(40))
        numbered = (f"{first + n} {row}" for n in range(100))
        self.query_one("#body", Static).update("\n".join(numbered))

    def _take(self, **what: object) -> None:
        self._inputs += 1
        self._last = str(what.get("key", "paste"))
        self._note(**what)

    def _note(self, **what: object) -> None:
        self._log.write(json.dumps(what) + "\n")


def main() -> None:
    log, *options = sys.argv[1:]
    if "patient" in options:
        driver_scroll.PATIENCE = 5.0
    app = TinyApp(Path(log), frozenset(options))
    app.run()
    if app.failure is not None:
        print(app.failure)
    print("word " * (100_000 if "wordy" in options else 1))
    raise SystemExit(app.return_code)


if __name__ == "__main__":
    main()
