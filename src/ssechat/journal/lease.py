"""Leases: which process owns a stream or a tab, and whether that process still lives.

A process is named by the boot it runs in, its PID namespace, its PID and its start time: a PID
alone is soon used again. Where a PID means nothing here (that of another machine, container or
boot), the owner's heartbeat decides.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec

HEARTBEAT_TIMEOUT = 30.0  # s
_TEXT = re.compile(r"([\w-]{0,64}):(\d{0,20}):(\d{1,10}):([\w-]{1,64})", re.ASCII)


class Lease(msgspec.Struct, frozen=True):
    """`boot` is "" where it cannot be told; `space` is the PID namespace, 0 if there is none."""

    boot: str
    space: int
    pid: int
    start: str

    def __str__(self) -> str:
        return f"{self.boot}:{self.space}:{self.pid}:{self.start}"

    @staticmethod
    def parse(text: str) -> Lease | None:
        """The lease that `str` wrote; None if it is not one."""
        if match := _TEXT.fullmatch(text):
            return Lease(match[1], int(match[2] or 0), int(match[3]), match[4])
        return None

    @staticmethod
    def current() -> Lease:
        """This process'. Looks at the system once (on macOS by running two programs)."""
        return _lease_of(os.getpid())

    def alive(self, text: str, beat: float, now: float) -> bool:
        """Whether the owner named by `text` lives, seen from this process.

        `beat` is its last heartbeat, `now` the time, both in seconds since the epoch. "" is nobody.
        """
        other = Lease.parse(text)
        if other is None or not self.boot or (other.boot, other.space) != (self.boot, self.space):
            return bool(text) and abs(now - beat) < HEARTBEAT_TIMEOUT
        return other == self or process_start(other.pid) == other.start


def process_start(pid: int) -> str:
    """When a process started, in the system's own form; "" if there is none or it has ended."""
    return start_from_proc(pid) if sys.platform == "linux" else start_from_ps(pid)


def start_from_proc(pid: int) -> str:
    """Ticks since boot: proc(5), `/proc/PID/stat`, field 22. A zombie has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]


def start_from_ps(pid: int) -> str:
    """The date of the start, to the second, from POSIX ps."""
    state, _, start = _output("ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)).partition(" ")
    return "" if state.startswith("Z") else _word(start)


@cache
def _lease_of(pid: int) -> Lease:
    return Lease(_boot(), _space(), pid, process_start(pid) or "unknown")


def _boot() -> str:
    if sys.platform == "linux":
        return _word(_read("/proc/sys/kernel/random/boot_id"))
    return _word(_output("sysctl", "-n", "kern.bootsessionuuid"))


def _space() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _output(*command: str) -> str:
    """What a program prints, in plain C and UTC; "" if it fails."""
    environment = {"PATH": "/bin:/usr/bin:/sbin:/usr/sbin", "LC_ALL": "C", "TZ": "UTC"}
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text.strip())[:64]
