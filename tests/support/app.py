"""The app as a user meets it: the real program in a pty with its real demo child, and inside
Textual's test harness with a real session. All of it lives in one temporary folder."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.hubs import opened
from support.pty import PtyProgram
from textual.pilot import Pilot

from ssechat import first_run
from ssechat.demo.answers import compose
from ssechat.journal import MessageRow
from ssechat.session import Session
from ssechat.tui.app import SsechatApp

ENTER = b"\r"
ESCAPE = b"\x1b"
F1, F2, F6 = b"\x1bOP", b"\x1bOQ", b"\x1b[17~"
PAGE_UP = b"\x1b[5~"
QUIT = b"\x11"  # ctrl+q
LEADER = b"\x18"  # ctrl+x

READY = "(enter sends"  # in the placeholder, so the composer is empty
ESCAPE_TIME = 0.1  # s after which the program takes an ESC for the key


def ssechat(
    home: Path,
    *arguments: str,
    cols: int = 100,
    rows: int = 30,
    env: Mapping[str, str] | None = None,
    before: str = "",
) -> PtyProgram:
    """The program, not started yet. `before` is Python that runs in it first, to put a fault in.

    Without `before` this is what the `ssechat` script does.
    """
    start = f"{before}\nfrom ssechat.cli import main\nmain()"
    code = ["-c", start] if before else ["-m", "ssechat"]
    return PtyProgram(
        [sys.executable, "-P", *code, *arguments], home, cols=cols, rows=rows, env=env
    )


def demo(home: Path, *arguments: str, **options: Any) -> PtyProgram:
    """The program on its own demo provider."""
    return ssechat(home, "--demo", *arguments, **options)


def ask(program: PtyProgram, prompt: str) -> None:
    """Type a message into the empty composer and send it."""
    program.send(prompt.encode() + ENTER)
    program.wait_for(re.compile(rf"^ you .*\n   {re.escape(prompt)}$", re.MULTILINE))


def leave(program: PtyProgram, code: int = 0) -> None:
    """Quit; a second press in case the first one warns."""
    program.send(QUIT)
    assert program.wait() == code, program.screen_text()
    assert program.unrestored() == []


def screen(program: PtyProgram) -> str:
    """What stands on the screen; also within a test that `wait_for` makes."""
    return program._terminal.text()


def bar(program: PtyProgram) -> str:
    """The status bar: the last row."""
    return screen(program).splitlines()[-1]


def bar_says(program: PtyProgram, state: str, *words: str, timeout: float = 15.0) -> None:
    """Wait until the status bar begins with `state` and holds the other words."""

    def found() -> bool:
        return bar(program).startswith(f" {state}") and all(word in bar(program) for word in words)

    program.wait_for(found, timeout)


def expected(*prompts: str) -> str:
    """The demo's answer to the last of these prompts, as an uncut run sends it."""
    return "".join(compose(list(prompts)).text)


def stored(home: Path) -> list[list[MessageRow]]:
    """All conversations in the journal, newest first: each as the path last shown."""

    async def read() -> list[list[MessageRow]]:
        async with opened(home / "data") as hub:
            rows = await hub.journal.conversations()
            return [await hub.journal.path(row.id) for row in rows]

    return asyncio.run(read())


def children(pid: int) -> list[int]:
    """The PIDs of a process' children: its demo provider."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


# Inside Textual's harness: no terminal, so what is painted is what the compositor holds.


class QuietSession(Session):
    """A session that does not look for other people's servers."""

    async def probe(self) -> list[first_run.Found]:
        return []


@asynccontextmanager
async def running(
    *, profile: str | None = None, demo: bool = False, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[SsechatApp, Pilot[int]]]:
    """The app on the session that the environment describes."""
    session = await QuietSession.open()
    try:
        choice = session.choose(profile=profile, model=None, demo=demo)
        app = SsechatApp(session, choice)
        async with app.run_test(size=size) as pilot:
            yield app, pilot
    finally:
        await session.close()
