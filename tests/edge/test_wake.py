"""Being told at once when the machine slept, ssechat was stopped, or the network changed."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ssechat import network
from ssechat.wake import NETWORK, PAUSED, SLEPT, STOPPED, Watch, watch


class Time:
    """Two clocks and a timer, all moved by hand."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.mono = 0.0
        self.calls: list[tuple[float, Callable[[], None]]] = []
        self.told: list[tuple[float, str]] = []

    def later(self, seconds: float, call: Callable[[], None]) -> Call:
        self.calls.append((self.mono + seconds, call))
        return Call(self, self.calls[-1])

    def watch(self) -> Watch:
        tell = lambda why: self.told.append((self.mono, why))  # noqa: E731
        return Watch(tell, self.later, wall=lambda: self.wall, mono=lambda: self.mono)

    def run(self, seconds: float) -> None:
        """Time passes, and what is due is called in time."""
        end = self.mono + seconds
        while self.calls and (due := min(self.calls, key=lambda one: one[0]))[0] <= end:
            self.calls.remove(due)
            self.skip(max(0.0, due[0] - self.mono))
            due[1]()
        self.skip(end - self.mono)

    def skip(self, seconds: float) -> None:
        """Time passes, and nobody is there."""
        self.mono += seconds
        self.wall += seconds


class Call:
    def __init__(self, time: Time, call: tuple[float, Callable[[], None]]) -> None:
        self._time = time
        self._call = call

    def cancel(self) -> None:
        if self._call in self._time.calls:
            self._time.calls.remove(self._call)


@pytest.fixture
def time() -> Time:
    return Time()


def test_while_all_is_well_nothing_is_told(time: Time) -> None:
    time.watch()
    time.run(1000)
    assert time.told == []


def test_a_sleep_is_told_at_the_next_tick(time: Time) -> None:
    time.watch()
    time.run(10.25)
    time.wall += 3600
    time.run(10)
    assert time.told == [(11, SLEPT)]


def test_a_stop_is_told_as_soon_as_it_is_over(time: Time) -> None:
    time.watch()
    time.run(10.25)
    time.skip(60)
    time.run(10)
    assert time.told == [(70.25, STOPPED)]


def test_the_many_steps_of_a_change_of_the_network_are_told_once(time: Time) -> None:
    watch = time.watch()
    time.run(10)
    for _ in range(4):
        watch.network_changed()
        time.run(0.125)
    time.run(10)
    assert time.told == [(11, NETWORK)]


def test_a_network_that_never_rests_is_told_once_a_second(time: Time) -> None:
    watch = time.watch()
    for _ in range(50):
        watch.network_changed()
        time.run(0.25)
    times = [at for at, _ in time.told]
    assert times == [*range(1, 1 + len(times))]
    assert len(times) == 12


def test_a_network_that_changes_on_waking_is_told_with_the_sleep(time: Time) -> None:
    watch = time.watch()
    time.run(10.25)
    time.wall += 3600
    watch.network_changed()
    time.run(10)
    assert time.told == [(11, SLEPT)]


def test_a_network_that_is_there_only_after_waking_is_told_too_a_second_later(time: Time) -> None:
    watch = time.watch()
    time.run(10.25)
    time.wall += 3600
    time.run(1)
    watch.network_changed()
    time.run(10)
    assert time.told == [(11, SLEPT), (12.25, NETWORK)]


def test_a_sleep_right_after_a_change_is_told_within_a_second_but_not_at_once(time: Time) -> None:
    watch = time.watch()
    time.run(9.75)
    watch.network_changed()
    time.run(1.1)
    time.wall += 3600
    time.run(10)
    assert time.told == [(10.75, NETWORK), (11.75, SLEPT)]


def test_who_fails_to_hear_is_told_again_the_next_time(time: Time) -> None:
    def fail(why: str) -> None:
        raise ValueError(why)

    Watch(fail, time.later, wall=lambda: time.wall, mono=lambda: time.mono)
    for _ in range(2):
        time.run(2)
        time.wall += 3600
        with pytest.raises(ValueError, match=SLEPT):
            time.run(2)


def test_going_on_after_a_stop_of_any_length_is_told_at_once(time: Time) -> None:
    watch = time.watch()
    time.run(10.25)
    time.skip(0.5)
    watch.continued()
    time.run(10)
    assert time.told == [(10.75, PAUSED)]


def test_a_long_stop_is_told_once_and_for_what_it_was(time: Time) -> None:
    watch = time.watch()
    time.run(10.25)
    time.skip(60)
    watch.continued()
    time.run(10)
    assert time.told == [(70.25, STOPPED)]


def test_after_its_end_nothing_is_told(time: Time) -> None:
    watch = time.watch()
    time.run(10)
    watch.network_changed()
    watch.close()
    watch.close()
    time.wall += 3600
    time.run(60)
    assert (time.told, time.calls) == ([], [])


@contextmanager
def loopback_address(address: str) -> Iterator[None]:
    """Give this machine one more loopback address for a while, as `ip addr add` does."""
    if sys.platform != "linux":
        pytest.skip("only Linux has netlink")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        _ask(kernel, 20, 0x605, address)  # new; request, acknowledge, create, exclusive
        yield
        _ask(kernel, 21, 0x5, address)


def _ask(kernel: socket.socket, kind: int, flags: int, address: str) -> None:
    local = struct.pack("=HH4s", 8, 2, socket.inet_aton(address))
    body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, socket.if_nametoindex("lo")) + local
    kernel.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
    failure = -struct.unpack_from("=i", kernel.recv(4096), 16)[0]
    if failure in (errno.EPERM, errno.EACCES):
        pytest.skip("this user may not change addresses")
    assert failure in (0, errno.EEXIST), os.strerror(failure)


async def test_a_change_of_the_network_is_heard() -> None:
    heard = asyncio.Event()
    close = network.listen(asyncio.get_running_loop(), heard.set)
    try:
        async with asyncio.timeout(5):
            with loopback_address(f"127.77.0.{1 + os.getpid() % 250}"):
                await heard.wait()
                heard.clear()
            await heard.wait()
    finally:
        close()
        close()


CHILD = """
import asyncio, sys
from ssechat.wake import watch
async def main():
    watch(lambda why: print(why, flush=True), tick=0.05, jump=0.5)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""


def said(child: subprocess.Popen[bytes]) -> bytes:
    assert child.stdout
    assert select.select([child.stdout], [], [], 10)[0], "nothing within 10 s"
    return child.stdout.readline()


@pytest.mark.parametrize(("pause", "why"), [(0, PAUSED), (0.8, STOPPED)])
def test_a_process_that_was_stopped_says_so_once_it_goes_on(pause: float, why: str) -> None:
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, 0, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert said(child) == b"ready\n"
            child.send_signal(signal.SIGSTOP)
            _, status = os.waitpid(child.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            select.select([child.stdout], [], [], pause)
            child.send_signal(signal.SIGCONT)
            while said(child) != f"{why}\n".encode():
                pass  # another test may change the network meanwhile
        finally:
            child.kill()


REFUSED = """
import asyncio, resource
from ssechat.wake import watch
async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    watched = watch(print)
    watched.network_changed()
    await asyncio.sleep(0)
    watched.close()
    print("without")
asyncio.run(main())
"""


async def test_whoever_listened_to_the_signal_still_hears_it() -> None:
    """Our own process is continued, although it was not stopped."""
    heard: list[int] = []
    told: asyncio.Queue[str] = asyncio.Queue()
    before = signal.signal(signal.SIGCONT, lambda number, _: heard.append(number))
    try:
        ours = signal.getsignal(signal.SIGCONT)
        watched = watch(told.put_nowait)
        signal.raise_signal(signal.SIGCONT)
        while await asyncio.wait_for(told.get(), 10) != PAUSED:
            pass
        watched.close()
        assert heard == [signal.SIGCONT]
        assert signal.getsignal(signal.SIGCONT) is ours
    finally:
        signal.signal(signal.SIGCONT, before)


def test_where_the_system_gives_no_socket_it_goes_without() -> None:
    ran = subprocess.run([sys.executable, "-X", "dev", "-c", REFUSED], capture_output=True)
    assert (ran.stdout, ran.stderr) == (b"without\n", b"")


def test_it_loads_nothing_that_is_not_loaded_anyway() -> None:
    code = (
        "import asyncio, sys, __future__; before = {*sys.modules}; import ssechat.wake;"
        "print(*sorted({*sys.modules} - before))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name.startswith("ssechat") for name in ran.stdout.split()), ran.stdout
