"""Running the command that prints a key: no shell, no terminal, bounded in time and output."""

from __future__ import annotations

import os
import selectors
import shlex
import signal
import subprocess
import time

from ssechat.core.errors import KeyProblem

TIMEOUT = 20.0
POLL = 0.02
"""Both in seconds; the second is how often we look whether it has ended."""
MAX_OUTPUT = 65_536
EXCERPT = 200

_REMEDY = "run it by hand: it must print the key alone, and ask for nothing"


def run(command: str, timeout: float = TIMEOUT) -> str:
    """What `command` prints, stripped. Raises KeyProblem, which never holds what it printed."""
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise _problem(f"api_key_command cannot be split into words: {error}") from None
    if not arguments:
        raise _problem("api_key_command is empty")
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise _problem(f"api_key_command cannot be started: {reason}") from None
    with process:
        try:
            out, err = _collect(process, time.monotonic() + timeout)
        finally:
            _end(process)
    if process.returncode:
        raise _problem(f"api_key_command failed with exit code {process.returncode}", err)
    try:
        return out.decode().strip()
    except UnicodeDecodeError:
        raise _problem("api_key_command printed something that is not text") from None


def _collect(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes]:
    """Its stdout and stderr until it exits. Raises KeyProblem at the bounds.

    The end of the process counts, not of the pipes: an agent that it started may keep them open.
    """
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, out)  # type: ignore[arg-type]
        selector.register(process.stderr, selectors.EVENT_READ, err)  # type: ignore[arg-type]
        while True:
            ended = process.poll() is not None
            ready = selector.select(0 if ended else POLL)
            for key, _ in ready:
                chunk = os.read(key.fd, 4096)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            if len(out) + len(err) > MAX_OUTPUT:
                raise _problem(f"api_key_command printed more than {MAX_OUTPUT:,} bytes")
            if ended and not ready:
                return bytes(out), bytes(err)
            if time.monotonic() > deadline:
                raise _problem("api_key_command did not finish in time", bytes(err))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what still runs of it; the session is its own, so its children go too."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _problem(title: str, err: bytes = b"") -> KeyProblem:
    said = " ".join(err.decode(errors="replace").split())
    return KeyProblem(title, detail=said[-EXCERPT:], remedy=_REMEDY)
