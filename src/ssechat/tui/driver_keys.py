"""Keys that Textual's parser misreads, and pastes that it would type.

What a terminal without the kitty protocol sends for alt+enter and alt+digit, and what xterm sends
when `modifyOtherKeys` is on, becomes the key that was pressed. A bracketed paste arrives as it is:
Textual looks for keys in it, so an ESC in pasted text could press enter.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator

from textual import events
from textual._parser import Parser
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.keys import Keys
from textual.message import Message

from ssechat.tui.driver_round_trip import ANSWER, RoundTrip
from ssechat.tui.driver_scroll import ScrollTest

LEGACY_KEYS = {
    "\x1b\r": "alt+enter",
    "\x1b\n": "alt+enter",
    **{f"\x1b{digit}": f"alt+{digit}" for digit in "0123456789"},
}
# xterm, modifyOtherKeys: CSI 27 ; modifier ; code point ~
MODIFIED_KEY = re.compile(r"\x1b\[27;(\d{1,3});(\d{1,7})~")
PASTE_LIMIT = 16 * 1024 * 1024  # characters; the rest of a longer paste is dropped


class KeyParser(XTermParser):
    """Text from the terminal → Textual's messages. It survives any input.

    Where the cursor is, is told to `scroll_test` alone, the only one that asks; that the terminal
    is there, to `round_trip`.
    """

    def __init__(
        self,
        debug: bool = False,
        scroll_test: ScrollTest | None = None,
        round_trip: RoundTrip | None = None,
    ) -> None:
        super().__init__(debug)
        self._scroll_test = scroll_test or ScrollTest()
        self._round_trip = round_trip or RoundTrip()
        self._recent = ""  # the last few characters, in case a paste begins in them
        self._paste: list[str] | None = None
        self._paste_size = 0
        self._paste_tail = ""

    def feed(self, data: str) -> Iterator[Message]:
        while data:
            if self._paste is None:
                data = yield from self._feed_keys(data)
            else:
                data = yield from self._feed_paste(data)

    def tick(self) -> Iterator[Message]:
        """What begins like a sequence and has not gone on for a while is keys.

        It is not while an answer is due, of which the rest may be still on its way.
        """
        if self._scroll_test.due or (self._round_trip.due and self._begins_like_an_answer):
            return
        for message in super().tick():
            self._recent = ""
            yield message

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
        self._recent, self._paste, self._paste_size = "", [], 0
        yield from self._parse_keys(data[:end])
        return data[end:]

    def _feed_paste(self, data: str) -> Generator[Message, None, str]:
        """Collect up to where the paste ends; what is left of `data` is the generator's value."""
        text = self._paste_tail + data
        end = text.find(BRACKETED_PASTE_END)
        if end < 0:
            kept = 1 - len(BRACKETED_PASTE_END)
            self._add_to_paste(text[:kept])
            self._paste_tail = text[kept:]
            return ""
        self._add_to_paste(text[:end])
        pasted = "".join(self._paste or ()).replace("\x00", "")
        self._paste, self._paste_tail = None, ""
        for message in self._parse_keys(BRACKETED_PASTE_END):
            yield events.Paste(pasted) if isinstance(message, events.Paste) else message
        return text[end + len(BRACKETED_PASTE_END) :]

    def _add_to_paste(self, text: str) -> None:
        if self._paste is not None:
            text = text[: PASTE_LIMIT - self._paste_size]
            self._paste.append(text)
            self._paste_size += len(text)

    def _parse_keys(self, text: str) -> Iterator[Message]:
        try:
            for message in super().feed(text):
                if isinstance(message, events.CursorPosition):
                    self._scroll_test.take(message.y + 1, message.x + 1)
                else:
                    yield message
        except (ArithmeticError, ValueError):  # a report with impossible numbers in it
            Parser.__init__(self)

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
