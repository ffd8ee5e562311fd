"""A transcript in a real terminal: `reader_app.py TEXT LOG` streams the text, scrolling about.

At its end it writes what the screen should show to LOG, as a JSON list of rows, rings, and waits
for `q`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path

from textual.app import App, ComposeResult

from ssechat.core.deltas import Text, Thinking
from ssechat.core.reply import Reply
from ssechat.tui.markdown.spans import line_text
from ssechat.tui.transcript import Page, ReplyItem, ThinkingMode
from ssechat.tui.transcript.column import Column
from ssechat.tui.transcript.slices import Look
from ssechat.tui.widgets.transcript import Transcript


class ReaderApp(App[None]):
    BINDINGS = [("q", "quit", "Quit")]  # noqa: RUF012

    def __init__(self, text: str, log: Path) -> None:
        super().__init__()
        self._text, self._log = text, log
        self._reply = Reply()
        page = Page([ReplyItem("r", self._reply, "model-1")])
        self.transcript = Transcript(page, now=lambda: 2.0)

    def compose(self) -> ComposeResult:
        yield self.transcript

    def on_mount(self) -> None:
        self.run_worker(self._stream())

    async def _stream(self) -> None:
        rng = random.Random(7)
        self._reply.apply(Thinking("Let me see. " * 40), 1.0)
        for at in range(0, len(self._text), 30):
            self._reply.apply(Text(self._text[at : at + 30]), 3.0)
            self.transcript.pull()
            self._disturb(rng.randrange(40))
            await asyncio.sleep(0.005)
        self.transcript.follow()
        await asyncio.sleep(0.1)
        self._reply.apply(Text(", the end"), 4.0)
        self.transcript.pull()
        await asyncio.sleep(0.1)
        self._log.write_text(json.dumps(self._expected()))
        self.bell()

    def _expected(self) -> list[str]:
        """The rows as a layout has them that did not grow bit by bit."""
        column = Column(self.transcript.page)
        area = self.transcript.scrollable_content_region
        column.arrange(Look(area.width, self.transcript.thinking_mode), area.height)
        return [line_text(line).rstrip() for line in column.rows()]

    def _disturb(self, what: int) -> None:
        if what == 0:
            self.transcript.scroll_page_up()
        elif what == 1:
            self.transcript.scroll_relative(y=3)
        elif what == 2:
            self.transcript.follow()
        elif what < 6:
            self.transcript.thinking_mode = list(ThinkingMode)[what - 3]


if __name__ == "__main__":
    ReaderApp(Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2])).run()
