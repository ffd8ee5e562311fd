"""Readers without pity: upstreams that break, readers that drop, come back and cancel. Every text
has to be whole, or its end to say that it is not."""

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

from support.fault_server import Request, Wire
from support.hubs import DONE, FINISH, words
from support.relay_process import RelayProcess
from support.relays import CHAT, data_of, ids

READERS = 100
SECONDS = float(os.environ.get("SOAK_SECONDS", "60" if os.environ.get("CI") else "12"))
"""A minute in CI, some seconds elsewhere; SOAK_SECONDS makes it longer."""
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

    def __init__(self, *relays: RelayProcess) -> None:
        self.over = False
        self.ends: Counter[str] = Counter()
        self._clients = [relay.client() for relay in relays]

    @property
    def _client(self) -> httpx.AsyncClient:
        """Of any relay: each of them has to know every stream."""
        return random.choice(self._clients)

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()

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
            return self._client.stream("GET", path, headers=headers)
        return self._client.stream("POST", CHAT, json=body, headers={"Idempotency-Key": name})

    async def _some(self, response: httpx.Response, seen: list[Event], leave: int) -> None:
        """Read about `leave` events, or to the end. What came in part comes again."""
        rest, wanted = "", len(seen) + leave
        async for text in response.aiter_text():
            *blocks, rest = (rest + text).split("\n\n")
            for block in blocks:
                (id,), (data,) = ids(block), data_of(block)
                assert follows(seen[-1].id if seen else "", id), (seen[-1:], id)
                seen.append(Event(id, data))
            if len(seen) >= wanted:
                return

    async def _cancel(self, stream: str, name: str, dice: random.Random) -> bool:
        """Ask for its end; whether that may have been heard."""
        try:
            if dice.random() < 0.5:
                answer = await self._client.post(f"/v1/streams/{stream}/cancel")
            else:
                key = {"idempotency_key": name}
                answer = await self._client.post("/v1/streams/cancel", json=key)
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


def follows(before: str, id: str) -> bool:
    """Whether an id comes right after another one: in its epoch, or as the first of a later one."""
    epoch, seq = place(id)
    old_epoch, old_seq = place(before) if before else (epoch, 0)
    return seq == old_seq + 1 if epoch == old_epoch else epoch > old_epoch and seq == 1


def place(id: str) -> tuple[int, int]:
    epoch, _, seq = id.rpartition(".")[2].partition("-")
    return int(epoch), int(seq)


def held(pid: int) -> int:
    """Open descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def check_log(relay: RelayProcess) -> None:
    """Nothing went wrong that nobody handled."""
    levels = {json.loads(line)["level"] for line in relay.log.splitlines()}
    assert levels == {"info"}, relay.log[-2000:]
