"""What does the relay cost, against going direct and against a proxy that only passes bytes on?

    python benchmarks/relay.py [ROUNDS]

A server streams in a process of its own, and so do the relay and the proxy (httpx to starlette,
`byte_proxy.py`). Measured in turn: CPU seconds of the process for an event, and how much later
events come than direct. Then: 500 streams of 20 events a second each, and whether all came, once;
how fast a stream of 100,000 events is read again; memory for a stream that goes on, and for one
that has ended.

An event is passed on once it is on the disk. So beside that stands what a bare commit costs there,
and how late events come where the journal is in memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import httpx
from rounds import bar, in_turn, machine
from sse_server import serving

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.relay_process import relay_process

CHAT = "/v1/chat/completions"
FAST, EVENTS = 2_000, 10_000  # events a second and in all, for CPU
SLOW, FEW = 20, 200  # the same for lateness
MANY, EACH = 500, 200  # streams at once, and events in each at SLOW a second
LONG = 100_000  # events
MEMORY = Path("/dev/shm")
_SENT = re.compile(rb'"sent":([0-9.]+)')
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Place(NamedTuple):
    """Where to ask, and whose CPU is counted."""

    base_url: str
    path: str
    pid: int
    headers: dict[str, str]


def cpu(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


@contextmanager
def direct() -> Iterator[Place]:
    with serving() as port:
        yield Place(f"http://127.0.0.1:{port}", CHAT, os.getpid(), {})


@contextmanager
def proxied() -> Iterator[Place]:
    with serving() as port:
        own = _free_port()
        script = str(Path(__file__).with_name("byte_proxy.py"))
        argv = [sys.executable, script, f"http://127.0.0.1:{port}", str(own)]
        with subprocess.Popen(argv) as process:
            _until_listening(own)
            try:
                yield Place(f"http://127.0.0.1:{own}", f"/up{CHAT}", process.pid, {})
            finally:
                process.terminate()


@contextmanager
def relayed(folder: Path | None = None) -> Iterator[Place]:
    """`folder` is where the journal is, in a folder of its own."""
    limits = f"[limits]\nlive_streams = {2 * MANY}\nrequests_per_minute = 1000000\n"
    with (
        serving() as port,
        tempfile.TemporaryDirectory(dir=folder) as own,
        relay_process(Path(own), f"http://127.0.0.1:{port}", more=limits) as relay,
    ):
        headers = {"Authorization": f"Bearer {relay.token}"}
        yield Place(relay.url, f"/up{CHAT}", relay.process.pid, headers)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_listening(port: int) -> None:
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("the proxy does not listen")


@asynccontextmanager
async def client(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=place.base_url, headers=place.headers, timeout=120, limits=limits, trust_env=False
    ) as made:
        yield made


class Read(NamedTuple):
    """A stream that was read: its events, how late each was in seconds, and its name."""

    events: int
    late: list[float]
    stream: str


async def read(client: httpx.AsyncClient, place: Place, rate: int, events: int) -> Read:
    prompt = f"#mixed #rate={rate} #tokens={events}"
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    late: list[float] = []
    async with client.stream("POST", place.path, json=body) as response:
        response.raise_for_status()
        async for data in response.aiter_raw():
            now = time.time()
            late += [now - float(sent) for sent in _SENT.findall(data)]
        return Read(len(late), late, response.headers.get("ssechat-stream-id", ""))


def cost(make: Callable[[], AbstractContextManager[Place]]) -> dict[str, float]:
    """CPU for an event, in microseconds, and lateness of a slow stream, in milliseconds."""

    async def run(place: Place) -> dict[str, float]:
        async with client(place) as http:
            await read(http, place, FAST, 500)  # what loads late has loaded
            before = cpu(place.pid)
            got = await read(http, place, FAST, EVENTS)
            used = cpu(place.pid) - before
            slow = await read(http, place, SLOW, FEW)
        late = sorted(1000 * one for one in slow.late[5:])
        return {
            "cpu": used / got.events * 1e6,
            "p50": median(late),
            "p99": quantiles(late, n=100)[-1],
            "lost": float(EVENTS - got.events + FEW - slow.events),
        }

    with make() as place:
        return asyncio.run(run(place))


def commit() -> dict[str, float]:
    """Milliseconds that SQLite takes to write one event to the disk, as often as SLOW is."""
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE event (number INTEGER PRIMARY KEY, data BLOB)")
        for number in range(FEW):
            time.sleep(1 / SLOW)
            began = time.perf_counter()
            database.execute("INSERT INTO event VALUES (?, ?)", (number, bytes(250)))
            took.append(1000 * (time.perf_counter() - began))
        database.close()
    return {"p50": median(took), "p99": quantiles(took, n=100)[-1]}


async def crowd(place: Place) -> tuple[int, float, float]:
    """Events that are missing or came twice of MANY streams; bytes for each that goes on and each
    that has ended."""
    async with client(place) as http:
        await read(http, place, FAST, 100)
        before = memory(place.pid)
        reading = [asyncio.create_task(read(http, place, SLOW, EACH)) for _ in range(MANY)]
        await asyncio.sleep(EACH / SLOW / 2)
        live = memory(place.pid)
        got = await asyncio.gather(*reading)
        await asyncio.sleep(3)
        ended = memory(place.pid)
    wrong = sum(abs(EACH - one.events) for one in got)
    return wrong, (live - before) / MANY, (ended - before) / MANY


async def replay(place: Place) -> float:
    """Events a second, of a long stream that is read again."""
    async with client(place) as http:
        first = await read(http, place, 1_000_000, LONG)
        began, events = time.perf_counter(), 0
        async with http.stream("GET", f"/v1/streams/{first.stream}/events") as response:
            async for data in response.aiter_raw():
                events += data.count(b"\nid: ") + data.startswith(b"id: ")
        return events / (time.perf_counter() - began)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    machine()
    found = in_turn(
        rounds,
        {
            "direct": lambda: cost(direct),
            "byte proxy": lambda: cost(proxied),
            "relay": lambda: cost(relayed),
            "in memory": lambda: cost(lambda: relayed(MEMORY)),
            "bare commit": commit,
        },
    )
    for name, one in found.items():
        print(f"{name:12} {json.dumps({key: round(value, 2) for key, value in one.items()})}")
    relay, proxy, straight = (found[name] for name in ("relay", "byte proxy", "direct"))
    bar("CPU per event, against the byte proxy", relay["cpu"] / proxy["cpu"], "x", 1.5)
    bar("added latency, p50, against direct", relay["p50"] - straight["p50"], "ms", 1.0)
    bar("added latency, p99, against direct", relay["p99"] - straight["p99"], "ms", 10.0)
    memory, written = found["in memory"]["p50"] - straight["p50"], found["bare commit"]["p50"]
    bar("added latency, p50, with the journal in memory", memory, "ms", 1.0)
    print(f"a bare commit takes {written:.2f} ms of it where the journal is on the disk")
    with relayed() as place:
        wrong, live, ended = asyncio.run(crowd(place))
    bar(f"{MANY} streams: events lost or doubled", wrong, "", 0, f"of {MANY * EACH}")
    print(f"memory: {live / 1024:.0f} KiB for each that goes on, {ended / 1024:.0f} KiB once ended")
    with relayed() as place:
        rate = asyncio.run(replay(place))
    bar("replay: microseconds for an event", 1e6 / rate, "us", 50, f"{rate:,.0f} a second")


if __name__ == "__main__":
    main()
