"""Put into a program before it starts, it notes how long each turn of the event loop takes.

python -c "import probe; probe.note_turns(FILE); …"
"""

from __future__ import annotations

import atexit
import selectors
import threading
import time
from array import array
from pathlib import Path
from typing import NamedTuple

_FIGURES = 3  # for each turn


class Turn(NamedTuple):
    """From one look at what has come to the next. `at` is on the monotonic clock; in seconds."""

    at: float
    wall: float
    cpu: float


def note_turns(file: str) -> None:
    """Write all turns of the main thread's loop to `file` when the program ends."""
    figures = array("d")  # nothing that the garbage collector would look at
    selector = selectors.DefaultSelector
    select = selector.select
    main = threading.get_ident()
    began: tuple[float, float] | None = None

    def noted(self, timeout=None):  # type: ignore[no-untyped-def]
        nonlocal began
        if threading.get_ident() != main:
            return select(self, timeout)
        now, cpu = time.monotonic(), time.thread_time()
        if began is not None:
            figures.extend((now, now - began[0], cpu - began[1]))
        found = select(self, timeout)
        began = time.monotonic(), time.thread_time()
        return found

    selector.select = noted  # type: ignore[method-assign]
    atexit.register(lambda: Path(file).write_bytes(figures.tobytes()))


def turns(file: Path) -> list[Turn]:
    """What `note_turns` wrote."""
    figures = array("d")
    figures.frombytes(file.read_bytes())
    return [Turn(*figures[at : at + _FIGURES]) for at in range(0, len(figures), _FIGURES)]
