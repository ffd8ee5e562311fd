"""What the bytes of old and new terminals mean, and that a paste is only a paste."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Key, Paste
from textual.message import Message

from ssechat.tui.driver_keys import KeyParser
from support import tiny_app
from support.pty import PtyProgram

KEYS = {
    b"\r": "enter",
    b"\n": "ctrl+j",
    b"\x1b\r": "alt+enter",
    b"\x1b\n": "alt+enter",
    b"\x1b1": "alt+1",
    b"\x1b9": "alt+9",
    b"\x1b[27;2;13~": "shift+enter",
    b"\x1b[27;3;13~": "alt+enter",
    b"\x1b[27;5;13~": "ctrl+enter",
    b"\x1b[13;2u": "shift+enter",
    b"\x1b[13;3u": "alt+enter",
    b"\x1b[49;3u": "alt+1",
    b"\x1b[27u": "escape",
    b"\x1bx": "alt+x",
    b"\x1b[5;5~": "ctrl+pageup",
    b"\x1b[17~": "f6",
    b"\x18": "ctrl+x",
    b"\x1f": "ctrl+underscore",
    "é".encode(): "é",
}
PASTES = ["\x1b\r", "\x1b1\x1b[27;2;13~", "\x1b" + "x" * 40 + "\r", "a\nb", "\x1b", ""]


def pasted(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


def said(messages: list[Message]) -> list[str]:
    """Keys as they are named, pastes as their text in brackets."""
    return [
        message.key if isinstance(message, Key) else f"[{message.text}]"
        for message in messages
        if isinstance(message, Key | Paste)
    ]


def fed(*reads: str) -> list[str]:
    parser = KeyParser()
    return said([message for read in reads for message in parser.feed(read)])


def test_raw_bytes_arrive_as_the_keys_and_pastes_they_are(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with PtyProgram([sys.executable, "-P", tiny_app.__file__, str(log)], tmp_path) as program:
        program.wait_for("inputs=0")
        for count, data in enumerate(KEYS, 1):
            program.send(data)
            program.wait_for(f"inputs={count} ")
        program.send(b"\x1b")
        program.wait_for("last=escape")
        program.send(b"\r")
        program.wait_for("last=enter")
        program.send(pasted("\x1b\r").encode())
        program.wait_for("last=paste")
        program.send(b"\xffz")
        program.wait_for("last=z")
        program.send(b"q")
        assert program.wait() == 0
    inputs = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    keys = [entry["key"] for entry in inputs if "key" in entry]
    assert keys == [*KEYS.values(), "escape", "enter", "replacement_character", "z", "q"]
    assert [entry["paste"] for entry in inputs if "paste" in entry] == ["\x1b\r"]


@pytest.mark.parametrize("sequence", ["\x1b\r", "\x1b1", "\x1b[27;3;49~"])
def test_a_key_with_alt_types_nothing(sequence: str) -> None:
    (message,) = KeyParser().feed(sequence)
    assert isinstance(message, Key)
    assert not message.is_printable


@pytest.mark.parametrize("text", PASTES)
def test_a_paste_is_one_paste_whatever_is_in_it(text: str) -> None:
    assert fed("a", pasted(text), "b") == ["a", f"[{text}]", "b"]


def test_a_paste_that_begins_after_an_escape_key_is_a_paste() -> None:
    assert fed("\x1b", pasted("x"), "\x1b\r") == ["escape", "[x]", "alt+enter"]


def test_what_looks_like_a_paste_after_the_escape_key_timed_out_is_typing() -> None:
    parser = KeyParser()
    assert said(list(parser.feed("\x1b"))) == []
    parser._timeout_time = 0.0
    assert said(list(parser.tick())) == ["escape"]
    assert said(list(parser.feed("[200~x"))) == [
        "left_square_bracket", "2", "0", "0", "tilde", "x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "report", ["\x1b[99999999999;2u", "\x1b[27;2;9999999~", "\x1b[48;0;0;0;0t\x1b[<0;5;5M"]
)
def test_an_impossible_report_does_not_stop_the_keyboard(report: str) -> None:
    assert fed(report, "q")[-1:] == ["q"]


TYPED = st.sampled_from([data.decode() for data in KEYS if data != b"\x1b"])
PIECES = st.lists(TYPED | st.text(st.sampled_from("\x1b[20~1\rab;"), max_size=12).map(pasted))


@given(PIECES, st.data())
def test_how_the_terminal_splits_its_bytes_does_not_matter(
    pieces: list[str], data: st.DataObject
) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    reads = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert fed(*reads) == fed(text)


@given(st.lists(st.text(st.characters() | st.sampled_from("\x1b[<;:0129~uMtR?$y"))))
def test_no_input_breaks_the_parser(reads: list[str]) -> None:
    fed(*reads)
