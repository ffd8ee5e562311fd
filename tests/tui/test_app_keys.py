"""Keys as a terminal sends them, byte by byte, into the real program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.app import (
    ENTER,
    ESCAPE,
    LEADER,
    QUIT,
    READY,
    ask,
    bar_says,
    demo,
    leave,
    screen,
    shows,
    stored,
    told,
)
from support.pty import PtyProgram

# What xterm sends without any extension; `shift+enter` only exists with one.
BYTES = {
    "enter": [b"\r", b"\x1b[13u"],
    "escape": [b"\x1b", b"\x1b[27u"],
    "alt+enter": [b"\x1b\r", b"\x1b\n", b"\x1b[13;3u"],
    "shift+enter": [b"\x1b[13;2u", b"\x1b[27;2;13~"],
    "pageup": [b"\x1b[5~"],
    "pagedown": [b"\x1b[6~"],
    "ctrl+pageup": [b"\x1b[5;5~"],
    "ctrl+pagedown": [b"\x1b[6;5~"],
    "ctrl+home": [b"\x1b[1;5H"],
    "ctrl+end": [b"\x1b[1;5F"],
    "left": [b"\x1b[D", b"\x1bOD"],
    "right": [b"\x1b[C", b"\x1bOC"],
    "f1": [b"\x1bOP", b"\x1b[11~", b"\x1b[[A", b"\x1b[P"],
    "f2": [b"\x1bOQ", b"\x1b[12~", b"\x1b[[B", b"\x1b[Q"],
    "f6": [b"\x1b[17~"],
    "question_mark": [b"?"],
}
RECORD = """
import os
from ssechat.tui import verbs
def recorder(name):
    async def record(app):
        app.composer.clear()
        app.composer.insert(f"did {name}")
    return record
verbs.VERBS |= {name: recorder(name) for name in verbs.VERBS if name != "app.quit"}
"""


def sent_for(key: str) -> list[bytes]:
    """What terminals send for a key of the registry."""
    *leader, last = key.split()
    if last in BYTES:
        found = BYTES[last]
    elif last.startswith("ctrl+"):
        found = [bytes([ord(last[-1]) & 0x1F])]
    else:
        found = [last.encode()]
    return [LEADER + one if leader else one for one in found]


def pressed_for(program: PtyProgram, key: bytes, action: str) -> None:
    program.send(key)
    program.wait_for(re.compile(rf"^ did {re.escape(action)}$", re.MULTILINE))


def test_every_default_key_reaches_its_action(tmp_path: Path) -> None:
    from ssechat.tui.actions import ACTIONS

    with demo(tmp_path, before=RECORD) as program:
        program.wait_for(READY)
        for action in ACTIONS:
            for key in action.keys:
                for data in sent_for(key):
                    if action.id != "app.quit":
                        pressed_for(program, data, action.id)
                        program.send(b"\x01\x0b")  # ctrl+a, ctrl+k: empty again
                        program.wait_for(READY)
        leave(program)


@pytest.mark.parametrize("keys", [QUIT, LEADER + b"q"])
def test_either_key_quits(tmp_path: Path, keys: bytes) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.send(keys)
        assert program.wait() == 0
        assert program.unrestored() == []


def test_keys_go_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.send(b"one #rate=9" + ENTER + b"two" + ENTER + b"\nthree\x1b\rfour\x1b[13;2ufive")
        program.wait_for(re.compile("^ two\n three\n four\n five$", re.MULTILINE))
        told(program, "an answer is still coming; your draft is kept (escape stops it)")
        program.send(ESCAPE)
        bar_says(program, "stopped")
        program.send(b"\x0e" + b"new tab\x1b1" + b", and the first")
        program.wait_for(re.compile("^ five, and the first$", re.MULTILINE))
        leave(program)
    ((question, _),) = stored(tmp_path)
    assert question.text == "one #rate=9"


def test_keys_in_one_burst_with_the_one_that_opens_an_overlay_go_to_it(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.send(b"\x0cslow\x7f\x7f\x7f\x7ffast")
        program.wait_for(re.compile("^ +fast$", re.MULTILINE))
        program.wait_for("demo · demo-fast")
        program.send(ENTER)
        program.wait_for("message demo-fast")
        program.send(LEADER + b"h" + b"nobody ever said this")
        program.wait_for("nothing found")
        program.send(ESCAPE)
        program.wait_for(lambda: "nothing found" not in screen(program))
        leave(program)
    assert stored(tmp_path) == []


def test_a_paste_of_many_lines_never_sends(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        pasted = b"first\rsecond\r\nthird\n\x1b[2J\r\x11\x18q"
        program.send(b"\x1b[200~" + pasted + b"\x1b[201~")
        program.wait_for(re.compile("^ first\n second\n third\n ␛\\[2J\n ␑␘q$", re.MULTILINE))
        leave(program)
    assert stored(tmp_path) == []


def test_editing_keys_keep_their_place_among_letters(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.send(b"helo\x1b[Dl\x1b[Fp\x7f there" + b"\x1b[A\x1b[Boh, \x1b[H\x1b[3~H\x1b[F!")
        program.wait_for(re.compile("^ Hello thereoh, !$", re.MULTILINE))
        program.send(b"\x17\x17#length=2\x7f1" + ENTER)  # ctrl+w takes a word
        bar_says(program, "length")
        leave(program)
    ((question, _),) = stored(tmp_path)
    assert question.text == "Hello #length=1"


def test_wide_characters_and_emoji_are_typed_and_sent_as_they_are(tmp_path: Path) -> None:
    text = "傅里叶变换 👍 é ✓ #length=1"
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.send(text.encode())
        program.wait_for("傅里叶变换")
        program.send(b"!\x7f" + ENTER)  # and backspace takes one character
        bar_says(program, "length")
        leave(program)
    ((question, _),) = stored(tmp_path)
    assert question.text == text


def test_ctrl_c_copies_else_clears_else_stops_else_hints_and_never_quits(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.send(b"\x03")
        told(program, "ctrl+q quits; nothing is lost")
        ask(program, "hello #rate=20")
        bar_says(program, "thinking")
        program.send(b"draft\x1b[1;2D\x1b[1;2D\x03")  # shift+left, twice
        program.wait_for(b"\x1b]52;c;ZnQ=")  # "ft"
        told(program, "copied 2 characters")
        program.send(b"\x03")
        told(program, "draft cleared; up brings it back")
        program.wait_for(READY)
        program.send(b"\x1b[A")
        program.wait_for(re.compile("^ draft$", re.MULTILINE))
        program.send(b"\x03")
        program.wait_for(READY)
        assert " thinking" in screen(program)
        program.send(b"\x03")
        bar_says(program, "stopped")
        program.send(b"\x03\x03\x03")
        program.send(b"alive")
        program.wait_for(re.compile("^ alive$", re.MULTILINE))
        leave(program)


def test_ctrl_s_does_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as program:
        program.wait_for(READY)
        program.send(b"a\x13b")
        program.wait_for(re.compile("^ ab$", re.MULTILINE))
        leave(program)


def test_what_the_user_maps_is_what_works(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[keys]\n"tab.new" = "f5, ctrl+x k"\n"app.quit" = ""\n"chat.send" = "ctrl+d"\n'
    )
    with demo(tmp_path) as program:
        shows(program, "keys.app.quit: it needs a key; its default stays")
        program.wait_for(READY)
        program.send(b"\x0e\x1b[15~")  # ctrl+n is free now; F5
        program.wait_for("1 new  2 new ")
        program.send(LEADER + b"k")
        program.wait_for("2 new  3 new ")
        program.send(b"by ctrl+d #length=1\x04")
        bar_says(program, "length")
        leave(program)


def test_the_leader_shows_what_may_follow_and_any_other_key_ends_it(tmp_path: Path) -> None:
    with demo(tmp_path, cols=80) as program:
        program.wait_for(READY)
        program.send(LEADER)
        program.wait_for(re.compile(r"^ ctrl\+x …  s stop  r retry  \[ previous", re.MULTILINE))
        program.send(b"%")
        bar_says(program, "ready")
        program.send(b"q")
        program.wait_for(re.compile("^ q$", re.MULTILINE))
        leave(program)
