"""`ssechat` as a real process: started, fed, interrupted and killed by its PID."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

COMMAND = (sys.executable, "-W", "error", "-m", "ssechat")


class Done(NamedTuple):
    """An ended process: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


def environment(home: Path, **more: str) -> dict[str, str]:
    """Ours, with configuration and data in `home`."""
    paths = {"SSECHAT_CONFIG": str(home / "config.toml"), "SSECHAT_DATA_DIR": str(home / "data")}
    return {**os.environ, **paths, **more}


def configure(home: Path, base_url: str, **more: object) -> None:
    """A configuration whose only profile, the default, is called `test`."""
    fields = {"dialect": "openai-chat", "base_url": base_url, "model": "a-model", **more}
    lines = [f"{name} = {_toml(value)}" for name, value in fields.items()]
    home.mkdir(parents=True, exist_ok=True)
    text = "\n".join(['profile = "test"', "[profiles.test]", *lines, ""])
    (home / "config.toml").write_text(text)


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'


@asynccontextmanager
async def started(
    home: Path, *arguments: str, stdin: int = DEVNULL, **variables: str
) -> AsyncIterator[Process]:
    """A running `ssechat`; killed at the end of the block if it has not ended by then."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=stdin,
        stdout=PIPE,
        stderr=PIPE,
        env=environment(home, **variables),
    )
    try:
        yield process
    finally:
        kill(process)
        await process.communicate()


async def run(
    home: Path, *arguments: str, stdin: bytes | None = None, within: float = 30.0, **variables: str
) -> Done:
    """Run `ssechat` to its end; `stdin` is what it reads, None for nothing at all."""
    kind = DEVNULL if stdin is None else PIPE
    async with started(home, *arguments, stdin=kind, **variables) as process:
        return await done(process, within, stdin)


async def done(process: Process, within: float = 30.0, stdin: bytes | None = None) -> Done:
    """The process, once it has ended."""
    out, err = await asyncio.wait_for(process.communicate(stdin), within)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


async def read(process: Process, count: int, within: float = 10.0) -> bytes:
    """At least `count` bytes of standard output, or all up to its end."""
    assert process.stdout is not None
    got = b""
    async with asyncio.timeout(within):
        while len(got) < count and (data := await process.stdout.read(4096)):
            got += data
    return got


def kill(process: Process) -> None:
    """As `kill -9`; nothing if it has ended."""
    if process.returncode is None:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has just ended
