"""A program in a real pseudo-terminal, with somebody at the other end of it.

    with PtyProgram([sys.executable, "-m", "ssechat"], tmp_path) as program:
        program.wait_for("message")
        program.send(b"hello\r")

The program gets a session and a controlling terminal of its own and an environment without the
user's: no keys, no proxies, its files under the given directory. A thread reads what it writes, as
a terminal would, so nothing here sleeps or polls.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from support.vt import Terminal

# A new session has no terminal yet; Linux and macOS both give it one this way.
_LAUNCH = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)

What = str | bytes | re.Pattern[str] | Callable[[], object]


def clean_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which a program meets nothing of the user's; its files are in `home`."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "xdg-config"),
        "XDG_DATA_HOME": str(home / "xdg-data"),
        "XDG_STATE_HOME": str(home / "xdg-state"),
        "XDG_CACHE_HOME": str(home / "xdg-cache"),
        "XDG_RUNTIME_DIR": str(home),
        "SSECHAT_CONFIG": str(home / "config.toml"),
        "SSECHAT_DATA_DIR": str(home / "data"),
        **(extra or {}),
    }


class PtyProgram:
    """`argv` on a terminal of `cols` by `rows`. `env` is added to `clean_environment(home)`.

    With `answers` the terminal replies to mode, attribute and cursor queries, like a modern one;
    without, it stays silent, like an old one. `far` seconds pass until a reply comes back, as over
    a slow network.
    """

    def __init__(
        self,
        argv: Sequence[str],
        home: Path,
        *,
        cols: int = 100,
        rows: int = 30,
        env: Mapping[str, str] | None = None,
        answers: bool = True,
        far: float = 0.0,
    ) -> None:
        self._argv = list(argv)
        self._env = clean_environment(home, env)
        self._size = (cols, rows)
        self._answers = answers
        self._far = far
        self._terminal = Terminal(cols, rows)
        self._raw = bytearray()
        self._changed = threading.Condition()
        self._frozen = False
        self._stopped = False
        self._status: int | None = None
        self._local_flags = 0

    def __enter__(self) -> Self:
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)
        self._set_size(*self._size)
        self._wake_reader, self._wake = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-ISc", _LAUNCH, *self._argv],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            env=self._env,
        )
        self._threads = [threading.Thread(target=run) for run in (self._reap, self._read)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill(signal.SIGKILL)
        self.hang_up()
        for thread in self._threads:
            thread.join()
        os.close(self._wake_reader)
        os.close(self._wake)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def raw(self) -> bytes:
        """Every byte the program has written so far, and that was read."""
        with self._changed:
            return bytes(self._raw)

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while the program runs."""
        return self._status

    def screen_text(self) -> str:
        """What the terminal shows, without trailing spaces: the alternate screen while it is on."""
        with self._changed:
            return self._terminal.text()

    def send(self, data: bytes, timeout: float = 10.0) -> None:
        """Type `data`. Fails if the program does not read it within `timeout` seconds."""
        end = time.monotonic() + timeout
        while data:
            ready = self._master >= 0 and select.select([], [self._master], [], timeout)[1]
            if not ready or time.monotonic() > end:
                raise AssertionError(self._report(f"the program does not read {data[:40]!r}"))
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:  # the terminal changes its mode just now
                with self._changed:
                    self._changed.wait(0.01)

    def resize(self, cols: int, rows: int) -> None:
        with self._changed:
            self._terminal.resize(cols, rows)
        self._set_size(cols, rows)

    def wait_for(self, what: What, timeout: float = 10.0) -> None:
        """Wait until the screen shows a text or pattern, the output holds bytes, or a call is true.

        Fails, with the screen in the message, after `timeout` seconds or when the program ended
        without it.
        """
        test = self._test(what)
        with self._changed:
            self._changed.wait_for(lambda: test() or self._over, timeout)
            if not test():
                raise AssertionError(self._report(f"no {what!r} within {timeout} s"))

    def wait(self, timeout: float = 10.0) -> int:
        """The exit status (negative for a signal), once the program ended and all is read."""
        with self._changed:
            self._changed.wait_for(lambda: self._status is not None, timeout)
            if self._status is None:
                raise AssertionError(self._report(f"still running after {timeout} s"))
            self._changed.wait_for(lambda: self._master < 0 or self._frozen, 1.0)
            return self._status

    def wait_until_stopped(self, timeout: float = 10.0) -> None:
        """Wait until a signal has suspended the program."""
        self.wait_for(lambda: self._stopped, timeout)

    def freeze(self) -> None:
        """Stop reading what the program writes, like a stalled connection. Typing still works."""
        with self._changed:
            self._frozen = True

    def thaw(self) -> None:
        with self._changed:
            self._frozen = False
            self._changed.notify_all()

    def hang_up(self) -> None:
        """Close the terminal, as a closed window or a dropped connection does."""
        with self._changed:
            self._frozen = False
            self._changed.notify_all()
            os.write(self._wake, b"!")
            self._changed.wait_for(lambda: self._master < 0)

    def kill(self, number: signal.Signals) -> None:
        with self._changed:
            if self._status is None:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    def restored(self) -> bool:
        """Whether the terminal is as a shell wants it; `unrestored` says what is not."""
        return not self.unrestored()

    def unrestored(self) -> list[str]:
        with self._changed:
            wrong = self._terminal.unrestored()
            running = self._status is None
            flags = self._read_local_flags() if running else self._local_flags
        cooked = termios.ECHO | termios.ICANON | termios.ISIG
        return wrong + ["raw input"] * (flags & cooked != cooked)

    @property
    def _over(self) -> bool:
        return self._status is not None and (self._master < 0 or self._frozen)

    def _read_local_flags(self) -> int:
        """ECHO, ICANON and the like, as the program set them; 0 once the terminal was closed."""
        with suppress(termios.error, ValueError):
            return int(termios.tcgetattr(self._master)[3])
        return 0

    def _set_size(self, cols: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def _test(self, what: What) -> Callable[[], object]:
        if isinstance(what, str):
            return lambda: what in self._terminal.text()
        if isinstance(what, bytes):
            return lambda: what in self._raw
        if isinstance(what, re.Pattern):
            return lambda: what.search(self._terminal.text())
        return what

    def _report(self, problem: str) -> str:
        ended = "running" if self._status is None else f"ended with {self._status}"
        width = self._terminal.screen.columns
        rule = "-" * width
        return f"{problem}; the program is {ended}\n{rule}\n{self._terminal.text()}\n{rule}"

    def _reap(self) -> None:
        """Follow the program to its end; closing our copy of its side lets the reader see it."""
        while self._status is None:
            _, status = os.waitpid(self.pid, os.WUNTRACED | os.WCONTINUED)
            with self._changed:
                self._stopped = os.WIFSTOPPED(status)
                if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                    self._local_flags = self._read_local_flags()
                    os.close(self._slave)
                    self._status = self._process.returncode = os.waitstatus_to_exitcode(status)
                self._changed.notify_all()

    def _read(self) -> None:
        """Be the terminal until the program closed it, or we do."""
        try:
            while self._read_some():
                pass
        finally:
            with self._changed:
                os.close(self._master)
                self._master = -1
                self._changed.notify_all()

    def _read_some(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: not self._frozen)
        readable, _, _ = select.select([self._master, self._wake_reader], [], [])
        with self._changed:
            return self._wake_reader not in readable and (self._frozen or self._take_output())

    def _take_output(self) -> bool:
        """Read what there is. False at the end: Linux reports it as an error, macOS as no data."""
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._raw += data
        self._terminal.feed(data)
        replies = self._terminal.take_replies()
        if replies and self._answers:
            if self._far:
                threading.Timer(self._far, self._answer, (replies,)).start()
            else:
                self._answer(replies)
        self._changed.notify_all()
        return bool(data)

    def _answer(self, replies: bytes) -> None:
        with self._changed, suppress(BlockingIOError):  # the program reads nothing
            if self._master >= 0:
                os.write(self._master, replies)
