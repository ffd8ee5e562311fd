"""Keys that Textual's parser misreads, and pastes and reports that it would type.

What a terminal without the kitty protocol sends for alt+enter and alt+digit, and what xterm sends
when `modifyOtherKeys` is on, becomes the key that was pressed. A bracketed paste arrives as it is:
Textual looks for keys in it, so an ESC in pasted text could press enter. What a terminal says that
cannot be so (a mouse beyond its edge, a size that it has not) counts for nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator

from textual import events
from textual._parser import Parser
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.keys import Keys
from textual.message import Message

from ssechat.tui import driver_paste, driver_sequences
from ssechat.tui.driver_paste import Paste, goes_on
from ssechat.tui.driver_round_trip import ANSWER, RoundTrip
from ssechat.tui.driver_scroll import ScrollTest
from ssechat.tui.driver_sequences import Sequences

LEGACY_KEYS = {
    "\x1b\r": "alt+enter",
    "\x1b\n": "alt+enter",
    **{f"\x1b{digit}": f"alt+{digit}" for digit in "0123456789"},
}
# xterm, modifyOtherKeys: CSI 27 ; modifier ; code point ~
MODIFIED_KEY = re.compile(r"\x1b\[27;(\d{1,3});(\d{1,7})~")
_SIZE = re.compile(r"\x1b\[48;(\d+)[^;]*;(\d+)[^;]*;[^t]*t")
_ANYWHERE = (1 << 16, 1 << 16)


class KeyParser(XTermParser):
    """Text from the terminal → Textual's messages. It survives any input.

    Where the cursor is, is told to `scroll_test` alone, the only one that asks; that the terminal
    is there, to `round_trip`. `size` gives the terminal's columns and rows.
    """

    def __init__(
        self,
        debug: bool = False,
        scroll_test: ScrollTest | None = None,
        round_trip: RoundTrip | None = None,
        *,
        size: Callable[[], tuple[int, int]] = lambda: _ANYWHERE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(debug)
        self._scroll_test = scroll_test or ScrollTest()
        self._round_trip = round_trip or RoundTrip()
        self._size = size
        self._now = now
        self._heard = now()
        self._recent = ""  # the last few characters, in case a paste begins in them
        self._paste: Paste | None = None
        self._cut = False  # a paste's end did not come, and nothing else has since
        self._sequences = Sequences(self._is_known)

    def feed(self, data: str) -> Iterator[Message]:
        if self._cut and data:
            if goes_on(data):
                self._paste = Paste(self._is_answer)
            self._cut = data.startswith("\x1b")  # a report, or a key that types nothing
        while data:
            if self._paste is None:
                self._heard = self._now()
                data = yield from self._feed_keys(data)
                continue
            length = self._paste.length
            rest = self._paste.feed(data)
            if self._paste.length != length:  # answers may come at any time
                self._heard = self._now()
            if rest is None:
                return
            yield from self._end_paste()
            data = rest

    def tick(self) -> Iterator[Message]:
        """What begins like a sequence and has not gone on for a while is keys; a paste that has not
        is at its end.

        A sequence is not while an answer is due, of which the rest may be still on its way.
        """
        silence = self._now() - self._heard
        if self._paste is not None:
            if silence >= driver_paste.SILENCE:
                yield from self._end_paste()
                self._cut = True
            return
        if self._sequences.swallowing:
            if silence >= driver_sequences.SILENCE:
                yield from self._parse(self._sequences.flush())
            return
        if self._scroll_test.due or (self._round_trip.due and self._begins_like_an_answer):
            return
        for message in super().tick():
            self._recent = ""
            yield message
        if self._timeout_time is None:
            yield from self._parse(self._sequences.flush())

    @property
    def _begins_like_an_answer(self) -> bool:
        """Whether what is not a key yet may become one of `round_trip`'s. A user's ESC may, too."""
        _, escape, rest = self._recent.rpartition(ANSWER[0])
        return ANSWER.startswith(escape + rest)

    def _feed_keys(self, data: str) -> Generator[Message, None, str]:
        """Parse up to where a paste begins; what is left of `data` is the generator's value."""
        text = self._recent + data
        start = text.find(BRACKETED_PASTE_START)
        if start < 0:
            self._recent = text[1 - len(BRACKETED_PASTE_START) :]
            yield from self._parse_keys(data)
            return ""
        end = start + len(BRACKETED_PASTE_START) - len(self._recent)
        self._recent = ""
        yield from self._parse_keys(data[:end])
        self._paste = Paste(self._is_answer)
        return data[end:]

    def _end_paste(self) -> Iterator[Message]:
        pasted, self._paste = self._paste, None
        yield events.Paste(pasted.text if pasted else "")
        for message in self._parse(BRACKETED_PASTE_END):  # it has seen the beginning, no more
            if not isinstance(message, events.Paste):
                yield message

    def _parse_keys(self, text: str) -> Iterator[Message]:
        for piece in self._sequences.feed(text):
            if piece is None:
                Parser.__init__(self)
            else:
                yield from self._parse(piece)

    def _parse(self, text: str) -> Iterator[Message]:
        if not text:
            return  # for Textual that would be the end of all input
        try:
            for message in super().feed(text):
                if isinstance(message, events.CursorPosition):
                    self._scroll_test.take(message.y + 1, message.x + 1)
                else:
                    yield message
        except (ArithmeticError, ValueError):  # a report with impossible numbers in it
            Parser.__init__(self)
            self._sequences.flush()

    def _is_answer(self, sequence: str) -> bool:
        """Whether somebody has asked for that and waits for it."""
        if sequence == ANSWER:
            return self._round_trip.take()
        row, _, column = sequence[2:-1].partition(";")
        return self._scroll_test.take(int(row), int(column))

    def _is_known(self, sequence: str) -> bool:
        """Whether Textual may see a CSI sequence: of sizes, only the one that the terminal has."""
        told = _SIZE.fullmatch(sequence)
        return told is None or (int(told[2]), int(told[1])) == self._size()

    def parse_mouse_code(self, code: str) -> Message | None:
        """A press beyond the edge, as a terminal that was just larger may report it, is none; a
        drag or a release is at the edge."""
        event = super().parse_mouse_code(code)
        width, height = self._size()
        if not isinstance(event, events.MouseEvent) or (event.x < width and event.y < height):
            return event
        if not isinstance(event, events.MouseMove | events.MouseUp):
            return None
        event._x = event._screen_x = min(event._x, width - 1.0)
        event._y = event._screen_y = min(event._y, height - 1.0)
        return event

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if sequence == ANSWER:
            self._round_trip.take()
            return [events.Key(Keys.Ignore, sequence)]
        if key := LEGACY_KEYS.get(sequence):
            return [events.Key(key, None)]
        if match := MODIFIED_KEY.fullmatch(sequence):
            modifier, code = match.groups()
            keys = self._parse_extended_key(f"\x1b[{code};{modifier}u") or ()
            return [key.copy() for key in keys]
        return super()._sequence_to_key_events(sequence, alt)
