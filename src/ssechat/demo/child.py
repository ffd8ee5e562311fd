"""The demo server as a child of the app: it lives as long as we do, and not longer."""

from __future__ import annotations

import asyncio
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from ssechat.core.errors import Problem

_START = 15.0
_STOP = 3.0
_SAID = 2000
_READY = re.compile(rb"READY (http://\S+)\n")


class DemoChild:
    """A running demo server; `base_url` is its origin, such as `http://127.0.0.1:40123`.

    It ends when its standard input does, and that is a pipe which only we hold: it cannot outlive
    us, however we die.
    """

    def __init__(self, process: subprocess.Popen[bytes], base_url: str) -> None:
        self._process = process
        self.base_url = base_url

    @classmethod
    async def start(cls, state_dir: Path, *, rate: float | None = None) -> DemoChild:
        """Start a server that keeps its streams in `state_dir`. Raises Problem."""
        with tempfile.TemporaryFile() as errors:
            try:
                process = _spawn(state_dir, rate, errors)
            except OSError as error:
                raise _failed(error.strerror or str(error)) from None
            try:
                url = await asyncio.to_thread(_await_ready, process)
            except asyncio.CancelledError:
                process.kill()
                _reap(process)
                raise
            if url is None:
                process.kill()
                _reap(process)
                raise _failed(_tail(errors))
        return cls(process, url)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    async def close(self) -> None:
        """End the server; its streams stay in the state directory. May be called twice."""
        await asyncio.to_thread(_reap, self._process)


def _spawn(state_dir: Path, rate: float | None, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ssechat.demo", "--port", "0"]
    command += ["--state", str(state_dir.absolute()), "--lifeline"]
    if rate is not None:
        command += ["--rate", str(rate)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=_environment(),
        bufsize=0,
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """Ours without keys; without the current directory on the module path."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return kept | {"PYTHONSAFEPATH": "1"}


def _await_ready(process: subprocess.Popen[bytes]) -> str | None:
    """The URL in the child's first line; None if it ends or takes too long. Blocks."""
    assert process.stdout is not None
    until, said = time.monotonic() + _START, b""
    with process.stdout as out, selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_READ)
        while b"\n" not in said and (left := until - time.monotonic()) > 0:
            if not selector.select(left):
                break
            chunk = out.read(4096)
            if not chunk:
                break
            said += chunk
    match = _READY.fullmatch(said)
    return match[1].decode() if match else None


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Let go of the lifeline and wait; then insist. Blocks for a few seconds at most."""
    if process.stdin is not None:
        process.stdin.close()
    for insist in (process.terminate, process.kill):
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            insist()
        else:
            return
    process.wait()


def _tail(errors: IO[bytes]) -> str:
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - _SAID))
    return errors.read(_SAID).decode(errors="replace").strip()


def _failed(detail: str) -> Problem:
    return Problem(
        "the demo server did not start",
        detail=detail,
        remedy="run `ssechat demo-server` in another terminal to see why",
    )
