"""Textual's driver for Linux and macOS, for terminals that stall, vanish or speak old dialects.

Textual's own writer holds up the event loop once a few frames wait, dies with the terminal, and
its reader spins on one that is gone. This driver keeps Textual's way into and out of application
mode and replaces what lies between: the output, the input loop and the end.
"""

from __future__ import annotations

import os
import select
import signal
import termios
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from textual import events
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size

from ssechat.tui.driver_keys import KeyParser
from ssechat.tui.driver_output import Output
from ssechat.tui.driver_round_trip import RoundTrip
from ssechat.tui.driver_scroll import SWITCH, ScrollTest

# CAN ends a sequence that was cut short; then every mode that application mode turns on goes off.
RESTORE = (
    "\x18\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l"
    "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    "\x1b[r\x1b[0m\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
STDERR = 2  # where Textual paints
DRAIN_SECONDS = 0.5
READ_SIZE = 64 * 1024


class SsechatDriver(LinuxDriver):
    """Given to Textual as `App(driver_class=SsechatDriver)`; the app should be a PaintedApp.

    `on_terminal_gone` is called once, on the event loop, when the terminal no longer exists. As it
    comes, it hangs up: the process sends itself SIGHUP.
    """

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        self._told_before_us = signal.getsignal(signal.SIGCONT)
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.on_terminal_gone: Callable[[], None] = partial(os.kill, os.getpid(), signal.SIGHUP)
        self.times_opened = 0
        """How often the terminal's screen became ours; whatever it showed before is gone."""
        self._scroll_test = ScrollTest()
        self._round_trip = RoundTrip()
        self._gone = False
        self._output: Output | None = None
        self._when_ready: Callable[[], object] | None = None
        self._printers = [fd for fd in (1, 2) if os.isatty(fd)]

    @property
    def backlog(self) -> int:
        """Bytes handed to the driver that the terminal has not taken yet."""
        return self._output.backlog if self._output else 0

    @property
    def scrolls(self) -> bool:
        """Whether the terminal is known to scroll a part of its screen as it should."""
        return self._scroll_test.passed

    @property
    def ready(self) -> bool:
        """Whether a frame painted now would reach the terminal now."""
        return self._output is not None and not self._gone and not self._output.backlog

    @property
    def round_trip(self) -> float:
        """Seconds until the terminal answers what comes after a frame; 0 if it never does."""
        return self._round_trip.seconds

    def when_ready(self, callback: Callable[[], object]) -> None:
        """Call `callback` once, on the event loop, as soon as `ready` holds; the latest wins."""
        self._when_ready = callback
        if self.ready:
            self._post(self._tell_ready)

    def write(self, data: str) -> None:
        """Queue `data` for the terminal; outside application mode it is dropped. Never blocks."""
        if self._output is not None:
            self._output.write(data)

    def write_frame(self, data: str) -> None:
        """`write`, and ask now and then when the terminal has got so far."""
        self.write(data + self._round_trip.ask() if self.input_tty else data)

    def restore_now(self) -> None:
        """Leave the terminal usable, at once and from any thread, whatever else is going on."""
        if self._output is not None:
            self._output.supersede(RESTORE)
        if self.attrs_before is not None:
            with suppress(termios.error):
                termios.tcflush(self.fileno, termios.TCIFLUSH)
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)

    # Into application mode and out of it; Textual calls these.

    def start_application_mode(self) -> None:
        if self._output is None:
            self._open_output()
        size = self._get_terminal_size()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGWINCH, lambda *_: self._post(self._tell_size))
        if self._get_terminal_size() != size:
            self._post(self._tell_size)
        if self._writer_thread is None:  # Textual declined: we are in the background
            self.close()
        elif self.input_tty and SWITCH not in os.environ:
            self.write(self._scroll_test.ask(self._get_terminal_size()[1]))
        self._post(self._tell_ready)

    def disable_input(self) -> None:
        """Stop reading, but not before what the terminal was asked: else the shell gets it."""
        if self._output is not None and not self._gone and not self._output.backlog:
            self._scroll_test.wait()
            self._round_trip.wait()
        super().disable_input()

    def _open_output(self) -> None:
        self.times_opened += 1
        tell_ready = partial(self._post, self._tell_ready)
        self._output = Output(STDERR, on_drained=tell_ready, on_gone=self._report_gone)

    def close(self) -> None:
        """Let the last words out, but wait for a stuck terminal no longer than DRAIN_SECONDS."""
        super().close()
        self._writer_thread = None
        if self._output is None:
            return
        if not self._output.drain(DRAIN_SECONDS):
            self._output.supersede(RESTORE)
            if not self._app.is_running:
                self._discard_prints()
        self._output.close()
        self._output = None

    def _disable_mouse_support(self) -> None:
        super()._disable_mouse_support()
        if self._mouse_pixels:
            self.write("\x1b[?1016l")

    # Signals may arrive in the middle of a write, or of another signal's handler (of two sizes the
    # older would be told last), so what they ask for waits for the event loop; while the app runs
    # another program (`App.suspend`) the loop is busy, and Textual just stops.

    def _tell_size(self) -> None:
        size = Size(*self._get_terminal_size())
        self.process_message(events.Resize(size, size))

    def _sigtstp_application(self, *args: object) -> None:
        stop = super()._sigtstp_application
        if self._auto_restart:
            self._post(stop)
        else:
            stop()

    def _sigcont_application(self, number: int, frame: FrameType | None) -> None:
        if callable(self._told_before_us):
            self._told_before_us(number, frame)
        if self._auto_restart:
            self._post(self._continue)

    def _continue(self) -> None:
        if self._output is not None:  # SIGSTOP came without a warning
            self.suspend_application_mode()
        self.resume_application_mode()
        self._app.refresh()

    # Input, in a thread of its own.

    def run_input_thread(self) -> None:
        size = self._get_terminal_size
        parser = KeyParser(self._debug, self._scroll_test, self._round_trip, size=size)
        decode = getincrementaldecoder("utf-8")("replace").decode
        while not self.exit_event.is_set():
            if select.select([self.fileno], [], [], 0.1)[0]:
                data = self._read()
                if data == b"":
                    self._report_gone()
                    return
                for message in parser.feed(decode(data or b"")):
                    self.process_message(message)
            for message in parser.tick():
                self.process_message(message)

    def _read(self) -> bytes | None:
        """What the terminal sent; None if it sent nothing after all, empty at its end."""
        try:
            return os.read(self.fileno, READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    # The terminal's end.

    def _report_gone(self) -> None:
        self._post(self._lose_terminal)

    def _lose_terminal(self) -> None:
        if not self._gone:
            self._gone = True
            self._discard_prints()
            self.on_terminal_gone()

    def _discard_prints(self) -> None:
        """Send later prints nowhere: on a stuck terminal they would hang, on a lost one fail."""
        null = os.open(os.devnull, os.O_WRONLY)
        for fd in self._printers:
            os.dup2(null, fd)
        os.close(null)

    def _tell_ready(self) -> None:
        if self._when_ready is not None and self.ready:
            callback, self._when_ready = self._when_ready, None
            callback()

    def _post(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(callback)
