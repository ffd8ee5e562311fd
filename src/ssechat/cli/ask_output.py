"""What `ask` prints: the answer as text, or one JSON object a line."""

from __future__ import annotations

import sys
from typing import Any, Protocol, TextIO

import msgspec

from ssechat.core.deltas import Delta, Text, Thinking, Tool, Usage
from ssechat.core.safe import Cleaner
from ssechat.hub import Live


class Output(Protocol):
    def begin(self, live: Live) -> None: ...

    def deltas(self, deltas: list[Delta]) -> None: ...

    def end(self, live: Live) -> None: ...


class Pen:
    """Writes text to one stream; cleaned if that is a terminal, as it came if it is not."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cleaner = Cleaner() if file.isatty() else None
        self._last = ""

    def write(self, text: str) -> None:
        if self._cleaner is not None:
            text = self._cleaner.feed(text)
        if text:
            self._file.write(text)
            self._file.flush()
            self._last = text[-1]

    def finish(self) -> None:
        """End the last line, if it is not ended."""
        if self._cleaner is not None:
            self._file.write(self._cleaner.finish())
        if self._last and self._last != "\n":
            self._file.write("\n")
        self._file.flush()


class TextOutput:
    """The answer to standard output; with `thinking`, the thinking to standard error."""

    def __init__(self, thinking: bool) -> None:
        self._answer = Pen(sys.stdout)
        self._thinking = Pen(sys.stderr) if thinking else None

    def begin(self, live: Live) -> None:
        pass

    def deltas(self, deltas: list[Delta]) -> None:
        for delta in deltas:
            if isinstance(delta, Text):
                self._answer.write(delta.text)
            elif isinstance(delta, Thinking) and self._thinking is not None:
                self._thinking.write(delta.text)

    def end(self, live: Live) -> None:
        if self._thinking is not None:
            self._thinking.finish()
        self._answer.finish()


class JsonOutput:
    """`{"type": …}` objects, one a line, as docs/ask.md lists them."""

    def __init__(self) -> None:
        self._state = ""

    def begin(self, live: Live) -> None:
        self._print(
            "meta",
            stream=live.stream_id,
            conversation=live.conversation_id,
            profile=live.profile,
            model=live.model,
        )
        live.watch(self._changed)
        self._changed(live)

    def deltas(self, deltas: list[Delta]) -> None:
        for delta in deltas:
            match delta:
                case Text(text):
                    self._print("text", text=text)
                case Thinking(text):
                    self._print("thinking", text=text)
                case Tool(index, id_, name, arguments):
                    self._print("tool", index=index, id=id_, name=name, text=arguments)
                case Usage(input_, output, reasoning):
                    self._print("usage", input=input_, output=output, reasoning=reasoning)

    def end(self, live: Live) -> None:
        assert live.outcome is not None
        meter, fold = live.fold.meter, live.fold
        self._print(
            "end",
            state=live.outcome.end,
            note=live.outcome.note,
            stream=live.stream_id,
            ttfb_ms=_ms(meter.ttfb()),
            ttft_ms=_ms(meter.ttft()),
            tokens=fold.tokens,
            tokens_estimated=fold.estimated,
            tokens_per_second=None if fold.rate is None else round(fold.rate, 1),
            resumes=fold.resumes,
        )

    def _changed(self, live: Live) -> None:
        state = live.machine.state
        if state != self._state and not live.machine.ended:
            self._state = state
            self._print("state", state=state, note=live.machine.note)

    def _print(self, kind: str, **fields: Any) -> None:
        line = msgspec.json.encode({"type": kind} | fields).decode()
        sys.stdout.write(f"{_escaped(line)}\n")
        sys.stdout.flush()


def _escaped(line: str) -> str:
    """JSON that no control character of a server's leaves; msgspec escapes only C0."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else _escape(char) for char in line)


def _escape(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
