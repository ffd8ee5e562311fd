"""What does a journal in Redis cost and bear, against SQLite; one relay, and three?

    python benchmarks/fleet.py [ROUNDS]

One redis-server (append-only, synced each second, as it is by default), relays and a server of
streams, each a process of its own, on this one machine. Measured in turn: how much later events
come than direct, read at the relay that owns the stream and at another one; how many events a
second pass when streams run as fast as they can; what a stream takes in Redis, while it goes on and
once it has ended.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

from rounds import bar, in_turn, machine
from sse_server import serving

from relay import CHAT, FEW, SLOW, Place, Read, client, cpu, direct, read

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.redis_server import RedisServer, redis_server
from support.relay_process import relay_process

STREAMS, EACH = 24, 1_000  # at once, as fast as they can, and events in each
STORED, LENGTH = 200, 200  # streams in Redis, and events in each
_LIMITS = "[limits]\nlive_streams = 10000\nrequests_per_minute = 1000000\n"
_SENT = b'"sent":'


@contextmanager
def relays(count: int, *, redis: bool) -> Iterator[tuple[list[Place], RedisServer | None]]:
    """So many relays on one journal, and the Redis that holds it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(serving())
        store = (
            stack.enter_context(redis_server(folder / "redis", durable=False)) if redis else None
        )
        more = f'journal = "{store.url}"\n{_LIMITS}' if store else _LIMITS
        token, places = "", []
        for number in range(count):
            one = stack.enter_context(
                relay_process(folder / f"relay{number}", f"http://127.0.0.1:{port}", more=more)
            )
            token = token or one.token
            headers = {"Authorization": f"Bearer {token}"}
            places.append(Place(one.url, f"/up{CHAT}", one.process.pid, headers))
        yield places, store


def lateness(late: list[float]) -> dict[str, float]:
    """In milliseconds."""
    sorted_ = sorted(1000 * one for one in late[5:])
    return {"p50": median(sorted_), "p99": quantiles(sorted_, n=100)[-1]}


def straight() -> dict[str, float]:
    async def run(place: Place) -> dict[str, float]:
        async with client(place) as http:
            return lateness((await read(http, place, SLOW, FEW)).late)

    with direct() as place:
        return asyncio.run(run(place))


def slow(*, redis: bool, elsewhere: bool = False) -> dict[str, float]:
    """A slow stream, read at its relay or at another one."""

    async def run(places: list[Place]) -> dict[str, float]:
        async with client(places[0]) as http, client(places[-1]) as other:
            await read(http, places[0], 2_000, 500)
            if not elsewhere:
                return lateness((await read(http, places[0], SLOW, FEW)).late)
            return lateness(await _read_elsewhere(http, other, places[0]))

    with relays(2 if elsewhere else 1, redis=redis) as (places, _):
        return asyncio.run(run(places))


async def _read_elsewhere(http, other, place: Place) -> list[float]:
    prompt = f"#mixed #rate={SLOW} #tokens={FEW}"
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    async with http.stream("POST", place.path, json=body) as response:
        path = f"/v1/streams/{response.headers['ssechat-stream-id']}/events"
    late: list[float] = []
    async with other.stream("GET", path) as response:
        async for data in response.aiter_raw():
            now = time.time()
            pieces = data.split(_SENT)[1:]
            late += [now - float(piece.split(b"}", 1)[0].split(b",", 1)[0]) for piece in pieces]
    return late


def fast(count: int, *, redis: bool) -> dict[str, float]:
    """Events a second of all relays together."""

    async def run(places: list[Place]) -> dict[str, float]:
        clients = [client(place) for place in places]
        opened = [await one.__aenter__() for one in clients]
        began = time.perf_counter()
        got: list[Read] = await asyncio.gather(
            *(
                read(opened[number % count], places[number % count], 1_000_000, EACH)
                for number in range(STREAMS)
            )
        )
        seconds = time.perf_counter() - began
        for one in clients:
            await one.__aexit__(None, None, None)
        events = sum(one.events for one in got)
        return {"rate": events / seconds, "lost": float(STREAMS * EACH - events)}

    with relays(count, redis=redis) as (places, _):
        return asyncio.run(run(places))


def used(port: int) -> int:
    """Bytes that Redis holds."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"INFO memory\r\n")
        told = connection.recv(65_536).decode()
    return int(told.partition("used_memory:")[2].split()[0])


def many() -> dict[str, float]:
    """Many slow streams: bytes in Redis for each, half-way and after its end, and microseconds of
    CPU for an event, in the relay and in Redis."""

    async def run(place: Place, redis: RedisServer) -> dict[str, float]:
        port, pids = redis.port, {"relay_us": place.pid, "redis_us": redis.process.pid}
        async with client(place) as http:
            await read(http, place, 2_000, 100)
            before = used(port)
            spent = {name: cpu(pid) for name, pid in pids.items()}
            reading = [asyncio.create_task(read(http, place, SLOW, LENGTH)) for _ in range(STORED)]
            await asyncio.sleep(LENGTH / SLOW / 2)
            live = used(port)
            got = await asyncio.gather(*reading)
            events = sum(one.events for one in got)
            used_cpu = {name: (cpu(pid) - spent[name]) / events * 1e6 for name, pid in pids.items()}
            await asyncio.sleep(1)
            ended = used(port)
        each = {"live": (live - before) / STORED, "ended": (ended - before) / STORED}
        return {**each, **used_cpu, "lost": float(STORED * LENGTH - events)}

    with relays(1, redis=True) as (places, redis):
        assert redis is not None
        return asyncio.run(run(places[0], redis))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    machine()
    found = in_turn(
        rounds,
        {
            "direct": straight,
            "SQLite": lambda: slow(redis=False),
            "Redis": lambda: slow(redis=True),
            "Redis, read elsewhere": lambda: slow(redis=True, elsewhere=True),
            "SQLite, fast": lambda: fast(1, redis=False),
            "Redis, fast": lambda: fast(1, redis=True),
            "Redis, fast, three relays": lambda: fast(3, redis=True),
            "Redis, many": many,
        },
    )
    for name, one in found.items():
        print(f"{name:26} {json.dumps({key: round(value, 2) for key, value in one.items()})}")
    base = found["direct"]["p50"]
    for name in ("SQLite", "Redis", "Redis, read elsewhere"):
        print(f"{name}: {found[name]['p50'] - base:.1f} ms added, p50")
    rates = {name: one["rate"] for name, one in found.items() if "rate" in one}
    bar(
        "Redis against SQLite, time for an event",
        rates["SQLite, fast"] / rates["Redis, fast"],
        "x",
        2,
    )
    lost = sum(one.get("lost", 0) for one in found.values())
    bar("events lost or doubled", lost, "", 0)
    kept = found["Redis, many"]
    print(
        f"CPU for an event: {kept['relay_us']:.0f} us in the relay, {kept['redis_us']:.0f} in Redis"
    )
    print(f"in Redis: {kept['live'] / 1024:.0f} KiB for a stream of {LENGTH // 2} events so far,")
    print(f"          {kept['ended'] / 1024:.0f} KiB for one of {LENGTH} that has ended")


if __name__ == "__main__":
    main()
