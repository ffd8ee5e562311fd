"""What `ask` prints: the answer as text, or one JSON object a line."""

from __future__ import annotations

import io
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

import click
import msgspec

from ssechat.cli import CLOSED_PIPE, close_quietly, report
from ssechat.core.blob import MediaFile
from ssechat.core.deltas import Citation, Delta, Text, Thinking, Tool, Usage, Whole
from ssechat.core.errors import Problem
from ssechat.core.media import size_text
from ssechat.core.reply import Part, PartKind, Reply
from ssechat.core.safe import Cleaner, clean, clean_line
from ssechat.hub import Live

_ADDRESS = 4096  # characters


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
            _put(self._file, text)
            self._last = text[-1]

    def finish(self) -> None:
        """End the last line, if it is not ended."""
        rest = self._cleaner.finish() if self._cleaner is not None else ""
        last = rest or self._last
        _put(self._file, rest if last in ("", "\n") else f"{rest}\n")


class TextOutput:
    """The answer to standard output; with `thinking`, the thinking to standard error."""

    def __init__(self, thinking: bool) -> None:
        self._answer = Pen(sys.stdout)
        self._thinking = Pen(sys.stderr) if thinking else None
        self._restated = False

    def begin(self, live: Live) -> None:
        pass

    def deltas(self, deltas: list[Delta]) -> None:
        for delta in deltas:
            if isinstance(delta, Text):
                self._answer.write(delta.text)
            elif isinstance(delta, Thinking) and self._thinking is not None:
                self._thinking.write(delta.text)
            self._restated |= isinstance(delta, Whole)

    def end(self, live: Live) -> None:
        if self._thinking is not None:
            self._thinking.finish()
        self._answer.finish()
        if self._restated:
            title = "the server's final answer is not what was printed"
            report(Problem(title, remedy="F2 in the app shows the final one"))
        for part in live.fold.reply.parts:
            if part.kind is PartKind.SOURCES:
                click.echo(clean(part.text.rstrip()), err=True)
        for file in live.fold.reply.media():
            name = f"{file.type.kind or 'file'}-{file.number}.{file.type.suffix}"
            kept = "saved with the conversation" if live.unsaved is None else "not saved"
            click.echo(f"{name}: {size_text(len(file.data))}, {kept}", err=True)


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
                case Whole(str(text)):
                    self._print("text", text=text, restated=True)
                case Citation(title, url, quote):
                    self._print("source", title=title, url=url, text=quote)
                case Tool(index, id_, name, arguments):
                    self._print("tool", index=index, id=id_, name=name, text=arguments)
                case Usage(input_, output, reasoning):
                    self._print("usage", input=input_, output=output, reasoning=reasoning)

    def end(self, live: Live) -> None:
        assert live.outcome is not None
        meter, fold = live.fold.meter, live.fold
        self._media(fold.reply)
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

    def _media(self, reply: Reply) -> None:
        """Images and sounds, once they are whole; `at` is where they stand in the answer's text."""
        files = {file.number: file for file in reply.media()}
        at = 0
        for part in reply.parts:
            if part.kind is PartKind.TEXT:
                at += part.chars
            elif part.media is not None:
                content = _content(part, files.get(part.index))
                self._print(part.kind, index=part.index, at=at, **content)

    def _changed(self, live: Live) -> None:
        """Called by the hub, which has no use for our troubles: the next line meets them again."""
        state = live.machine.state
        if state != self._state and not live.machine.ended:
            self._state = state
            try:
                self._print("state", state=state, note=live.machine.note)
            except (BrokenPipeError, Problem):
                pass

    def _print(self, kind: str, **fields: Any) -> None:
        line = msgspec.json.encode({"type": kind} | fields).decode()
        _put(sys.stdout, f"{_escaped(line)}\n")


def _content(part: Part, file: MediaFile | None) -> dict[str, Any]:
    """The bytes and what they are; else where they lie, and why they are not here."""
    if file is None:
        note = part.media.refused if part.media else ""
        return {"url": clean_line(part.text, _ADDRESS), "note": note}
    content = b64encode(file.data).decode()
    return {"mime": file.type.mime, "bytes": len(file.data), "content": content}


@contextmanager
def printing() -> Iterator[None]:
    """End quietly if standard output is closed, before or within the block."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        if sys.stdout is None:
            raise BrokenPipeError
        yield
    except BrokenPipeError:
        close_quietly()
        sys.exit(CLOSED_PIPE)


def _put(file: TextIO, text: str) -> None:
    try:
        file.write(text)
        file.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        close_quietly()
        raise Problem(
            "standard output cannot be written",
            detail=error.strerror or "",
            remedy="make room there; what came is kept in the history",
        ) from None


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
