"""Output to a pseudo-terminal: nobody waits, nothing is lost or mixed up, the end is noticed."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from ssechat.tui import driver_output
from ssechat.tui.driver_output import Output


@dataclass
class Line:
    """Both ends of a pseudo-terminal, and what the output told about it."""

    master: int
    slave: int
    drained: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)

    def output(self) -> Output:
        return Output(self.slave, on_drained=self.drained.set, on_gone=self.gone.set)

    def read_until(self, end: str) -> str:
        data = ""
        while not data.endswith(end) and select.select([self.master], [], [], 5)[0]:
            data += os.read(self.master, 65536).decode()
        return data

    def hang_up(self) -> None:
        os.close(self.master)
        self.master = -1


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line(*os.openpty())
    yield line
    for fd in (line.master, line.slave):
        if fd >= 0:
            os.close(fd)


def test_what_the_terminal_takes_at_once_leaves_no_backlog(line: Line) -> None:
    output = line.output()
    output.write("grüße")
    assert output.backlog == 0
    assert line.read_until("e") == "grüße"
    output.close()


@pytest.mark.parametrize("own_descriptor", [True, False])
def test_a_backlog_arrives_whole_and_in_order_and_its_end_is_told(
    line: Line, own_descriptor: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not own_descriptor:
        monkeypatch.setattr(driver_output, "_paths", lambda fd: iter(()))
    output = line.output()
    sent = "".join(f"{number:07} " for number in range(50_000))
    for start in range(0, len(sent), 8000):
        output.write(sent[start : start + 8000])
    assert output.backlog > 100_000
    assert line.read_until("0049999 ") == sent
    assert line.drained.wait(5)
    assert output.backlog == 0
    output.close()


def test_what_a_stuck_terminal_never_took_is_bounded(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_output, "LIMIT", 100_000)
    output = line.output()
    for _ in range(1000):
        output.write("x" * 1000)
    assert 100_000 < output.backlog < 102_000
    output.close()


def test_the_last_word_replaces_what_a_stuck_terminal_did_not_read(line: Line) -> None:
    output = line.output()
    for _ in range(500):
        output.write("x" * 1000)
    assert not output.drain(0.05)
    output.supersede("the end")
    output.write("too late")
    output.close()
    assert line.read_until("the end").strip("x") == "the end"


def test_a_lost_terminal_is_told_once_and_takes_everything(line: Line) -> None:
    output = line.output()
    line.hang_up()
    output.write("x")
    assert line.gone.wait(5)
    line.gone.clear()
    output.write("x")
    assert output.backlog == 0
    assert not line.gone.is_set()
    assert output.drain(0)
    output.close()


def test_a_terminal_lost_while_stuck_is_told(line: Line) -> None:
    output = line.output()
    output.write("x" * 1_000_000)
    line.hang_up()
    assert line.gone.wait(5)
    assert output.drain(5)
    output.close()


def test_unpaired_surrogates_do_not_stop_the_output(line: Line) -> None:
    output = line.output()
    output.write("a\ud800b")
    assert line.read_until("b") == "a?b"
    output.close()
