"""Leases: who lives, who is dead, and what hostile text means."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.journal.lease import Lease, process_start, start_from_ps

NOW = 1_000_000.0
FRESH, STALE = NOW - 29, NOW - 31

words = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
leases = st.builds(
    Lease,
    boot=words,
    space=st.integers(0, 2**63),
    pid=st.integers(1, 2**31),
    start=words,
)


def like_ours(pid: int, start: str) -> Lease:
    return msgspec.structs.replace(Lease.current(), pid=pid, start=start)


def test_this_process_lives_however_old_its_heartbeat() -> None:
    own = Lease.current()
    assert own.boot
    assert own.alive(str(own), 0.0, NOW)


def test_a_child_lives_until_it_is_killed_even_before_it_is_waited_for() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        lease = str(like_ours(child.pid, process_start(child.pid)))
        assert Lease.current().alive(lease, 0.0, NOW)
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not Lease.current().alive(lease, NOW, NOW)
    finally:
        child.communicate()
    assert not Lease.current().alive(lease, NOW, NOW)


def test_a_pid_that_was_used_again_is_another_process() -> None:
    assert not Lease.current().alive(str(like_ours(os.getpid(), "1")), NOW, NOW)


@pytest.mark.parametrize("field", ["boot", "space"])
def test_elsewhere_the_heartbeat_decides(field: str) -> None:
    own = Lease.current()
    other = msgspec.structs.replace(own, **{field: {"boot": "other", "space": 7}[field]})
    assert own.alive(str(other), FRESH, NOW)
    assert not own.alive(str(other), STALE, NOW)


def test_where_the_boot_is_not_known_the_heartbeat_decides() -> None:
    own = Lease("", 0, 5, "x")
    assert own.alive("::5:x", FRESH, NOW)
    assert not own.alive("::5:x", STALE, NOW)


def test_a_heartbeat_from_the_future_is_no_sign_of_life() -> None:
    assert not Lease.current().alive("other:1:1:1", NOW + 3600, NOW)


def test_nobody_is_not_alive() -> None:
    assert not Lease.current().alive("", NOW, NOW)


def test_ps_tells_a_start_that_stays_the_same_and_ends_with_the_process() -> None:
    assert start_from_ps(os.getpid()) == start_from_ps(os.getpid()) != ""
    assert Lease.parse(f"b:1:1:{start_from_ps(os.getpid())}")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert start_from_ps(child.pid) == ""


@given(leases)
def test_a_lease_survives_its_text(lease: Lease) -> None:
    assert Lease.parse(str(lease)) == lease


@given(st.text() | st.from_regex(r"[\w-]*:[0-9]*:[0-9]*:[\w-]*"))
def test_any_text_is_judged_without_error(text: str) -> None:
    Lease.parse(text)
    assert Lease.current().alive(text, STALE, NOW) in (True, False)
    assert len(str(Lease.parse(text) or "")) <= 200
