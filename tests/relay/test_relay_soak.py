"""A hundred readers for a while: upstreams that break, a relay that is killed, readers that drop,
cancel. Every text has to be whole, or its end to say that it is not; and nothing may pile up.

It takes a minute in CI and some seconds elsewhere; SOAK_SECONDS makes it longer.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from support.fault_server import FaultServer, Request, Wire
from support.hubs import DONE, FINISH, words
from support.relay_process import RelayProcess, relay_process
from support.relays import CHAT, data_of, ids

READERS = 100
SECONDS = float(os.environ.get("SOAK_SECONDS", "60" if os.environ.get("CI") else "12"))
LIMITS = """
retention = "1s"
[limits]
live_streams = 1000
requests_per_minute = 1000000
"""


def told(name: str) -> list[str]:
    """All data of the stream that `name` asks for; it is the same each time."""
    dice = random.Random(name)
    pieces = [words(f"{name}:{n} {'x' * dice.randrange(40)}") for n in range(dice.randrange(5, 60))]
    return [*pieces, FINISH, DONE]


async def upstream(request: Request, wire: Wire) -> None:
    """Breaks now and then. What is called `kept` it goes on with; of `plain` it gives one try."""
    if request.method == "GET":
        name = request.target.rpartition("/")[2]
        after = int(request.headers.get("last-event-id", "0"))
    else:
        name, after = request.json()["messages"][0]["content"], 0
    dice = random.Random(f"{name} {after} {random.random()}")
    kept = name.startswith("kept")
    await wire.open_stream({"Location": f"/streams/{name}"} if kept else {})
    lines = told(name)
    breaks = dice.randrange(len(lines) * 3)
    for number, data in enumerate(lines[after:], after + 1):
        if number - after == breaks + 1:
            wire.reset() if dice.random() < 0.5 else wire.cut()
            return
        await wire.event(data, id=str(number) if kept else None)
        if dice.random() < 0.3:
            await asyncio.sleep(dice.random() / 20)
    await wire.end()


class Event(NamedTuple):
    id: str
    data: str


class Soak:
    """What the readers do, and how it ended."""

    def __init__(self, relay: RelayProcess) -> None:
        self.relay = relay
        self.over = False
        self.ends: Counter[str] = Counter()
        self.client = relay.client()

    async def run(self, number: int) -> None:
        turn = 0
        dice = random.Random(number)
        while not self.over:
            turn += 1
            kind = dice.choice(["kept", "plain"])
            await self._stream(f"{kind}-{number}-{turn}", dice)

    async def _stream(self, name: str, dice: random.Random) -> None:
        """One stream from its beginning to an end that is checked."""
        seen: list[Event] = []
        stream, stopped = "", False
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": name}]}
        while True:
            leave = dice.randrange(1, 80)
            try:
                async with self._asked(stream, seen, name, body) as response:
                    if response.status_code == 204:
                        break
                    if response.status_code == 410:  # it was forgotten, a second after its end
                        self.ends["forgotten"] += 1
                        return
                    assert response.status_code in (200, 502, 503), response.status_code
                    if response.status_code != 200:
                        await asyncio.sleep(0.05)
                        continue
                    stream = response.headers["ssechat-stream-id"]
                    await self._some(response, seen, leave)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if dice.random() < 0.05 and not stopped:
                stopped = await self._cancel(stream, name, dice)
        self._check(name, [event.data for event in seen], stopped=stopped)

    def _asked(
        self, stream: str, seen: list[Event], name: str, body: object
    ) -> AbstractAsyncContextManager[httpx.Response]:
        if stream:
            path, headers = (
                f"/v1/streams/{stream}/events",
                {"Last-Event-ID": seen[-1].id} if seen else {},
            )
            return self.client.stream("GET", path, headers=headers)
        return self.client.stream("POST", CHAT, json=body, headers={"Idempotency-Key": name})

    async def _some(self, response: httpx.Response, seen: list[Event], leave: int) -> None:
        """Read about `leave` events, or to the end. What came in part comes again."""
        rest, wanted = "", len(seen) + leave
        async for text in response.aiter_text():
            *blocks, rest = (rest + text).split("\n\n")
            for block in blocks:
                (id,), (data,) = ids(block), data_of(block)
                assert number(id) == len(seen) + 1
                seen.append(Event(id, data))
            if len(seen) >= wanted:
                return

    async def _cancel(self, stream: str, name: str, dice: random.Random) -> bool:
        """Ask for its end; whether that may have been heard."""
        try:
            if dice.random() < 0.5:
                answer = await self.client.post(f"/v1/streams/{stream}/cancel")
            else:
                key = {"idempotency_key": name}
                answer = await self.client.post("/v1/streams/cancel", json=key)
        except httpx.TransportError:  # the relay was killed meanwhile
            return True
        return answer.status_code in (200, 202)

    def _check(self, name: str, seen: list[str], *, stopped: bool) -> None:
        """Whole; or a beginning of it, and then a word that it was not whole."""
        whole = told(name)
        if seen in (whole, whole[:-1]):  # cut before [DONE], which says nothing more
            self.ends["whole"] += 1
            return
        assert seen[:-1] == whole[: len(seen) - 1], name
        assert '"ssechat":"upstream_interrupted"' in seen[-1], name
        self.ends["stopped" if stopped else "cut"] += 1


def number(id: str) -> int:
    return int(id.rpartition("-")[2]) if id else 0


def held(pid: int) -> int:
    """Open descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
async def test_nothing_is_lost_and_nothing_piles_up(tmp_path: Path) -> None:
    async with FaultServer(upstream) as server:
        with relay_process(tmp_path, server.base_url, more=LIMITS) as relay:
            soak = Soak(relay)
            tasks = [asyncio.create_task(soak.run(number)) for number in range(READERS)]
            for _ in range(2):
                await asyncio.sleep(SECONDS / 3)
                await asyncio.to_thread(relay.kill)
                await asyncio.to_thread(relay.restart)
            await asyncio.sleep(SECONDS / 3)
            soak.over = True
            await asyncio.gather(*tasks)
            await soak.client.aclose()
            async with relay.client() as client:
                live = await client.get("/v1/streams?state=live,stopping")
                assert live.json() == {"streams": []}
                counted = (await client.get("/metrics")).text
            assert "ssechat_relay_readers 0" in counted
            assert held(relay.process.pid) < 60
            levels = {json.loads(line)["level"] for line in relay.log.splitlines()}
            assert levels == {"info"}
    print(dict(soak.ends), len(server.requests), "requests")
    assert min(soak.ends["whole"], soak.ends["cut"]) > READERS / 10
