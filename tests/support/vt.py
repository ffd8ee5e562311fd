"""A terminal good enough for tests: a screen to look at, modes to ask about, replies to send.

pyte draws. It knows neither the alternate screen nor the sequences of kitty and xterm that a modern
program sends, so the bytes are cut into sequences here and only what pyte understands reaches it.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder

import pyte

_SEQUENCE = re.compile(
    r"""
      \x1b\[ (?P<private>[<=>?]?) (?P<params>[0-9;:]*) (?P<inter>[ -/]*) (?P<final>[@-~])
    | \x1b[\]PX^_] [^\x18]*? (?: \x07 | \x1b\\ )    # strings: OSC, DCS, SOS, PM, APC
    | \x1b[^\x1b\x18]* \x18                         # cut short by CAN
    | \x1b\[ [0-?]* (?=\x1b)                        # cut short by the next sequence
    | (?P<simple> \x1b [ -/]* [0-OQ-WYZ\\`-~])
    | (?P<text> [^\x1b]+)
    """,
    re.VERBOSE | re.DOTALL,
)
ALTERNATE = frozenset({47, 1047, 1049})
DRAWN_MODES = frozenset({6, 7, 25})
DRAWN_CSI = frozenset("@ABCDEFGHJKLMPXadefghlmnr`")
LEFT_ON = {7: "line wrap", 25: "cursor"}
LEFT_OFF = {
    1000: "mouse clicks",
    1002: "mouse drags",
    1003: "mouse moves",
    1004: "focus reports",
    1006: "SGR mouse",
    1015: "urxvt mouse",
    1016: "pixel mouse",
    1049: "alternate screen",
    2004: "bracketed paste",
    2026: "synchronised output",
    2048: "in-band resize",
}


class Terminal:
    """Fed with what a program writes. `modes` holds the DEC private modes that were ever set."""

    def __init__(self, cols: int, rows: int) -> None:
        self._screens = [pyte.Screen(cols, rows), pyte.Screen(cols, rows)]
        self._streams = [pyte.Stream(screen, strict=False) for screen in self._screens]
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""
        self._replies = bytearray()
        self.modes: dict[int, bool] = {7: True, 25: True}
        self.kitty_depth = 0

    @property
    def alternate(self) -> bool:
        return any(self.modes.get(mode, False) for mode in ALTERNATE)

    @property
    def screen(self) -> pyte.Screen:
        """The screen that shows: the main or the alternate one."""
        return self._screens[self.alternate]

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def resize(self, cols: int, rows: int) -> None:
        for screen in self._screens:
            screen.resize(rows, cols)

    def unrestored(self) -> list[str]:
        """What a program that has ended left on, or off, in the terminal."""
        wrong = [name for mode, name in LEFT_OFF.items() if self.modes.get(mode)]
        wrong += [f"no {name}" for mode, name in LEFT_ON.items() if not self.modes[mode]]
        whole = (None, (0, self.screen.lines - 1))
        wrong += ["scroll region"] * any(screen.margins not in whole for screen in self._screens)
        return wrong + ["kitty keyboard"] * (self.kitty_depth > 0)

    def take_replies(self) -> bytes:
        """What the terminal answers to the queries it was sent since the last call."""
        replies = bytes(self._replies)
        self._replies.clear()
        return replies

    def feed(self, data: bytes) -> None:
        text = self._rest + self._decode(data)
        position = 0
        while match := _SEQUENCE.match(text, position):
            self._take(match)
            position = match.end()
        self._rest = text[position:]

    def _take(self, match: re.Match[str]) -> None:
        if match["final"]:
            self._control(match)
        elif match["text"] or match["simple"]:
            self._draw(match[0].replace("\x18", ""))

    def _control(self, match: re.Match[str]) -> None:
        kind = (match["private"], match["inter"], match["final"])
        if kind in {("?", "", "h"), ("?", "", "l")}:
            for param in match["params"].split(";"):
                self._set_mode(int(param or 0), kind[2] == "h")
        elif kind in {(">", "", "u"), ("<", "", "u")}:
            self.kitty_depth = max(0, self.kitty_depth + (1 if kind[0] == ">" else -1))
        elif reply := self._reply(kind, match["params"]):
            self._replies += reply.encode()
        elif kind[:2] == ("", "") and kind[2] in DRAWN_CSI and ":" not in match["params"]:
            self._draw(match[0])

    def _set_mode(self, mode: int, on: bool) -> None:
        if mode in ALTERNATE and on and not self.alternate:
            self._screens[True].reset()
        self.modes[mode] = on
        if mode in DRAWN_MODES:
            self._draw(f"\x1b[?{mode}{'h' if on else 'l'}")

    def _reply(self, kind: tuple[str, str, str], params: str) -> str:
        match kind, params:
            case ("?", "$", "p"), _:
                known = {"2026": 1 if self.modes.get(2026) else 2}
                return f"\x1b[?{params};{known.get(params, 0)}$y"
            case ("", "", "c"), ("" | "0"):
                return "\x1b[?62;4c"
            case ("", "", "n"), "5":
                return "\x1b[0n"
            case ("", "", "n"), "6":
                cursor = self.screen.cursor
                return f"\x1b[{cursor.y + 1};{cursor.x + 1}R"
        return ""

    def _draw(self, text: str) -> None:
        self._streams[self.alternate].feed(text)
