"""A hundred readers at three relays for a while; relays are killed, and Redis, too."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from ssechat.journal.redis.names import PREFIX
from support import soak
from support.fault_server import FaultServer
from support.redis_server import RedisServer, needs_redis
from support.relay_fleet import Fleet, fleet
from support.soak import LIMITS, READERS, Soak, check_log, held, upstream

pytestmark = needs_redis
SECONDS = max(12.0, soak.SECONDS / 4)


@pytest.mark.timeout(SECONDS + 180)
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
async def test_nothing_is_lost_and_nothing_piles_up(tmp_path: Path) -> None:
    async with FaultServer(upstream) as server:
        with fleet(tmp_path, server.base_url, more=LIMITS, lease=4) as relays:
            readers = Soak(*relays.relays)
            tasks = [asyncio.create_task(readers.run(number)) for number in range(READERS)]
            await _trouble(relays)
            readers.over = True
            await asyncio.gather(*tasks)
            await readers.close()
            for relay in relays.relays:
                async with relay.client() as client:
                    live = await client.get("/v1/streams?state=live,stopping")
                    assert live.json() == {"streams": []}
                    assert "ssechat_relay_readers 0" in (await client.get("/metrics")).text
                assert held(relay.process.pid) < 250  # connections to Redis are kept
                check_log(relay)
            await _forgotten(relays.redis)
    print(dict(readers.ends), len(server.requests), "requests")
    assert min(readers.ends["whole"], readers.ends["cut"]) > READERS / 10


async def _trouble(relays: Fleet) -> None:
    until = time.monotonic() + SECONDS
    turn = 0
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(SECONDS / 6, left))
        turn += 1
        if turn % 3 == 0:
            relays.redis.kill()
            await asyncio.sleep(1)
            await asyncio.to_thread(relays.redis.start)
        else:
            relay = random.choice(relays.relays)
            await asyncio.to_thread(relay.kill)
            await asyncio.to_thread(relay.restart)


async def _forgotten(redis: RedisServer) -> None:
    """What belongs to streams is dropped a second after their end (that they were read, later), and
    what the dead have left once their lease is over."""
    from redis.asyncio import Redis

    async with Redis.from_url(redis.url) as client:
        left: list[object] = []
        for _ in range(100):
            keys = await client.keys(f"{PREFIX}:{{st_*")
            left = [key for key in keys if not key.endswith(b":read")]
            for relay in await client.keys(f"{PREFIX}:{{rl_*:streams"):
                left += await client.smembers(relay)
            if not left:
                break
            await asyncio.sleep(0.2)
        assert left == []
        timeless = [key for key in await client.keys("*") if await client.ttl(key) == -1]
        kinds = {key.split(b":")[1] for key in timeless}
        assert kinds <= {b"tokens", b"token", b"relays", b"relayed"}, timeless
