"""Bytes to the terminal, in order, without ever holding up the caller.

A terminal that reads slowly, or not at all, makes a plain write wait. So we write through a
descriptor of our own that does not wait (the flag on an inherited one would be shared with the
shell), and only what the terminal would not take at once is left to a thread.
"""

from __future__ import annotations

import os
import select
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

LIMIT = 8 * 1024 * 1024  # bytes held for a terminal that takes nothing; more than any frame
CHUNK = 16 * 1024
POLL = 0.1  # seconds


class Output:
    """The way out to the terminal behind `fd`.

    `on_drained` is called when a backlog has been written, `on_gone` once, when the terminal no
    longer exists; each from any thread, and neither may block.
    """

    def __init__(
        self, fd: int, *, on_drained: Callable[[], None], on_gone: Callable[[], None]
    ) -> None:
        self._fd, self._waits = _own_descriptor(fd)
        self._on_drained = on_drained
        self._on_gone = on_gone
        self._pending = bytearray()
        self._changed = threading.Condition()
        self._closed = False
        self.gone = False
        self._thread = threading.Thread(target=self._run, name="ssechat-output", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Bytes that the terminal has not taken yet."""
        return len(self._pending)

    def write(self, data: str) -> None:
        """Send `data` after all that went before; drop it if there is nobody to take it."""
        encoded = data.encode("utf-8", "replace")
        with self._changed:
            if self.gone or self._closed or len(self._pending) > LIMIT:
                return
            sent = 0 if self._waits or self._pending else self._send(encoded)
            self._pending += encoded[sent:]
            if self._pending:
                self._changed.notify_all()

    def drain(self, timeout: float) -> bool:
        """Wait until nothing is left to write. False if `timeout` seconds were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout)

    def supersede(self, data: str) -> None:
        """Send `data` instead of whatever was not read yet. The last word: nothing follows it.

        It takes no lock and does not wait, so that it may come from any thread at any time.
        """
        self._closed = True
        with suppress(OSError, termios.error):
            termios.tcflush(self._fd, termios.TCOFLUSH)
            if select.select([], [self._fd], [], 0)[1]:
                os.write(self._fd, data.encode())

    def close(self) -> None:
        """Forget the backlog, end the thread."""
        with self._changed:
            self._closed = True
            self._pending.clear()
            self._changed.notify_all()
        self._thread.join(5 * POLL)
        if not self._thread.is_alive():
            os.close(self._fd)
            self._fd = -1

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closed)
                if self._closed:
                    return
                chunk = bytes(self._pending[:CHUNK])
            if select.select([], [self._fd], [], POLL)[1] and not self._closed:
                self._advance(self._send(chunk))

    def _advance(self, sent: int) -> None:
        with self._changed:
            del self._pending[: len(self._pending) if self.gone else sent]
            drained = not self._pending
            self._changed.notify_all()
        if drained:
            self._on_drained()
        elif not sent:  # one byte of room counts as writable, but does not take a line end
            time.sleep(POLL / 10)

    def _send(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            if not self.gone:
                self.gone = True
                self._on_gone()
            return len(data)


def _own_descriptor(fd: int) -> tuple[int, bool]:
    """A new descriptor for the terminal behind `fd`, and whether a write to it may wait."""
    for path in _paths(fd):
        with suppress(OSError):
            return os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK), False
    return os.dup(fd), True


def _paths(fd: int) -> Iterator[str]:
    with suppress(OSError):
        yield os.ttyname(fd)
    with suppress(OSError):  # after `su` the device belongs to somebody else, but this one opens
        os.tcgetpgrp(fd)
        yield "/dev/tty"
