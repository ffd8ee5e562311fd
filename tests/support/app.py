"""The app as a user meets it: the real program in a pty with its real demo child, and inside
Textual's test harness with a real session. All of it lives in one temporary folder."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from textual import events
from textual.pilot import Pilot

from ssechat import first_run
from ssechat.demo.answers import compose
from ssechat.journal import MessageRow
from ssechat.session import Session
from ssechat.tui.app import SsechatApp
from support.fault_server import Wire
from support.hubs import opened
from support.pty import PtyProgram
from support.screen import rows

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
    before: str = "",
    **terminal: Any,
) -> PtyProgram:
    """The program, not started yet. `before` is Python that runs in it first, to put a fault in.

    Without `before` this is what the `ssechat` script does. `terminal`: see PtyProgram.
    """
    start = f"{before}\nfrom ssechat.cli import main\nmain()"
    code = ["-c", start] if before else ["-m", "ssechat"]
    return PtyProgram([sys.executable, "-P", *code, *arguments], home, **terminal)


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


def shows(program: PtyProgram, words: str, timeout: float = 10.0) -> None:
    """Wait until the screen says this, wherever its lines break."""
    program.wait_for(lambda: words in " ".join(screen(program).split()), timeout)


def told(program: PtyProgram, words: str, timeout: float = 10.0) -> None:
    """Wait until a toast says this, wherever its lines break."""
    program.wait_for(lambda: words in _toasts(screen(program)), timeout)


def _toasts(text: str) -> str:
    return " ".join(line.split("▌", 1)[1].strip() for line in text.splitlines() if "▌" in line)


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


class Desktop(NamedTuple):
    """The app in Textual's harness, and its keyboard."""

    app: SsechatApp
    pilot: Pilot[int]

    async def write(self, text: str) -> None:
        """Put text where the cursor is, all at once."""
        self.app.post_message(events.Paste(text))
        await self.pilot.pause()

    async def ask(self, text: str) -> None:
        await self.write(text)
        await self.pilot.press("enter")

    async def until(self, true: Callable[[], object], within: float = 10.0) -> None:
        """Let the app work until `true()`."""
        end = time.monotonic() + within
        while not true():
            assert time.monotonic() < end, "\n".join([*rows(self.app), *self.toasts])
            await self.pilot.pause(0.01)

    async def says(self, state: str) -> None:
        """Wait until the status bar begins with `state`."""
        await self.until(lambda: self.bar.startswith(f" {state}"))

    async def tells(self, words: str) -> None:
        """Wait until a toast says this."""
        await self.until(lambda: any(words in toast for toast in self.toasts))

    @property
    def toasts(self) -> list[str]:
        return [notification.message for notification in self.app._notifications]

    @property
    def screen(self) -> str:
        return "\n".join(rows(self.app))

    @property
    def words(self) -> str:
        """The screen as one line, so that it does not matter where its lines break."""
        return " ".join(self.screen.split())

    @property
    def bar(self) -> str:
        return rows(self.app)[-1]

    @property
    def draft(self) -> str:
        return self.app.composer.text


GOLDENS = Path(__file__).parents[1] / "tui" / "goldens"
_VARYING = [
    (r"TTFB +\d+ ms", "TTFB 0 ms"),
    (r"~?[\d.]+ tok/s(  [▁-█]+)?", "0.0 tok/s"),
    (r"\b\d\d:\d\d:\d\d\b", "00:00:00"),
    (r"\b\d\d:\d\d\b", "00:00"),
    (r"\b\d+\.\d s\b", "0.0 s"),
    (r" +F1 help$", ""),
]
"""What differs from run to run: times, durations, rates, and whether they leave room for help."""


def _fixed(text: str) -> str:
    for pattern, fixed in _VARYING:
        text = re.sub(pattern, fixed, text, flags=re.MULTILINE)
    return text.rstrip() + "\n"


async def check_golden(name: str, desk: Desktop) -> None:
    """Compare the screen with `goldens/app_NAME.txt`, but for what differs from run to run.

    With UPDATE_GOLDENS=1 in the environment the file is written: look at its diff then.
    """
    file = GOLDENS / f"app_{name}.txt"
    if os.environ.get("UPDATE_GOLDENS"):
        await desk.pilot.pause(0.5)
        file.write_text(_fixed(desk.screen), encoding="utf-8")
    golden = file.read_text(encoding="utf-8")
    try:
        await desk.until(lambda: _fixed(desk.screen) == golden, within=3)
    except AssertionError:
        assert _fixed(desk.screen) == golden  # this one shows the difference


@asynccontextmanager
async def desktop(
    *, profile: str | None = None, demo: bool = False, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[Desktop]:
    """The app on the session that the environment describes, once it has restored its tabs."""
    session = await QuietSession.open()
    try:
        choice = session.choose(profile=profile, model=None, demo=demo)
        app = SsechatApp(session, choice)
        async with app.run_test(size=size) as pilot:
            yield Desktop(app, pilot)
        await app.save()
    finally:
        await session.close()


def configure(home: Path, base_url: str, *lines: str) -> None:
    """A configuration whose only profile, the default, is `test`; then more lines."""
    text = f"""
profile = "test"
background_relay = false
[profiles.test]
dialect = "openai-chat"
base_url = "{base_url}"
model = "a-model"
"""
    file = home / "ssechat" / "config.toml"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text("\n".join([text, *lines, ""]))
    file.chmod(0o600)


def chunk(content: str = "", **choice: object) -> str:
    """The data of one Chat Completions event."""
    return json.dumps({"choices": [{"index": 0, "delta": {"content": content}, **choice}]})


async def answers(wire: Wire, *pieces: str, ends: bool = True) -> None:
    """Stream an answer in the shape of Chat Completions."""
    await wire.open_stream()
    for piece in pieces:
        await wire.event(chunk(piece))
    if ends:
        await wire.event(chunk(finish_reason="stop"))
        await wire.event("[DONE]")
        await wire.end()
