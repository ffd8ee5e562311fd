"""A hundred readers for a while, and a relay that is killed: nothing is lost, nothing piles up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.fault_server import FaultServer
from support.relay_process import relay_process
from support.soak import LIMITS, READERS, SECONDS, Soak, check_log, held, upstream


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
            await soak.close()
            async with relay.client() as client:
                live = await client.get("/v1/streams?state=live,stopping")
                assert live.json() == {"streams": []}
                counted = (await client.get("/metrics")).text
            assert "ssechat_relay_readers 0" in counted
            assert held(relay.process.pid) < 60
            check_log(relay)
    print(dict(soak.ends), len(server.requests), "requests")
    assert min(soak.ends["whole"], soak.ends["cut"]) > READERS / 10
