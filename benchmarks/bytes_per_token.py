"""Bytes to the terminal per token of a streamed answer, as multiples of the token's own 4 bytes.

    python benchmarks/bytes_per_token.py [SECONDS]

Text (1 token = 4 characters) comes at 50 tokens/s into our transcript, in a pty of 120x40 at whose
other end somebody answers as xterm does. The screen is full before we count. Each content is sent
three ways: frames whole, what differs, and what differs on a terminal that scrolls; once with a
frame for every second token, once with a frame for each.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from transcript import document

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

TOKEN = 4  # characters, and bytes
RATE = 50  # tokens/s
BEFORE = 800  # tokens that are there when counting begins
CONTENTS = {"mixed": "mixed", "code": "fence"}
WAYS = {
    "frames whole": ({"SSECHAT_FULL_FRAMES": "1"}, {}),
    "differences": ({"SSECHAT_NO_SCROLL": "1"}, {"mixed": 200, "code": 200}),
    "and scrolling": ({}, {"mixed": 40, "code": 60}),
}


def stream(content: str, tokens: int, every: int) -> None:
    """Be the program in the terminal: paint a frame for `every` so many tokens."""
    from textual.app import ComposeResult

    from ssechat.core.deltas import Text
    from ssechat.core.reply import Reply
    from ssechat.tui.driver import SsechatDriver
    from ssechat.tui.paint.display import PaintedApp
    from ssechat.tui.transcript import Page, ReplyItem
    from ssechat.tui.widgets.transcript import Transcript

    text = document(CONTENTS[content], (BEFORE + tokens) * TOKEN)
    reply = Reply()

    class Streaming(PaintedApp[None]):
        def compose(self) -> ComposeResult:
            yield Transcript(Page([ReplyItem("r", reply, "model")]))

        def on_mount(self) -> None:
            self.run_worker(self.run_stream())

        async def run_stream(self) -> None:
            self.put(0, BEFORE)
            await asyncio.sleep(1)
            self.mark()
            clock = asyncio.get_running_loop().time
            due = clock()
            for token in range(BEFORE, BEFORE + tokens, every):
                self.put(token, token + every)
                due += every / RATE
                await asyncio.sleep(max(0, due - clock()))
            self.mark()
            await asyncio.sleep(0.2)
            self.exit()

        def put(self, first: int, last: int) -> None:
            reply.apply(Text(text[first * TOKEN : last * TOKEN]), 1.0)
            self.query_one(Transcript).pull()

        def mark(self) -> None:
            if self._driver is not None:
                self._driver.write(MARK)

    Streaming(driver_class=SsechatDriver).run()


MARK = "\x1b]7770;mark\x07"  # a terminal skips it


def bytes_per_token(content: str, seconds: float, every: int, extra: dict[str, str]) -> float:
    from support.pty import PtyProgram

    tokens = int(seconds * RATE)
    argv = [sys.executable, __file__, "--stream", content, str(tokens), str(every)]
    env = {"COLORTERM": "truecolor", **extra}
    with (
        tempfile.TemporaryDirectory() as home,
        PtyProgram(argv, Path(home), env=env, cols=120, rows=40) as program,
    ):
        program.wait(seconds * 3 + 30)
        _, counted, _ = program.raw.split(MARK.encode())
    return len(counted) / tokens


def main() -> None:
    if sys.argv[1:2] == ["--stream"]:
        stream(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print(f"{'content':8} {'sent':14} {'25 frames/s':>11} {'50 frames/s':>11}   target")
    for content in CONTENTS:
        for way, (extra, targets) in WAYS.items():
            figures = [bytes_per_token(content, seconds, n, extra) / TOKEN for n in (2, 1)]
            target = f"<= {targets[content]} x" if content in targets else ""
            print(f"{content:8} {way:14} {figures[0]:9.1f} x {figures[1]:9.1f} x   {target}")


if __name__ == "__main__":
    main()
