"""A program that was stopped for too long to trust its connection asks the server again at once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from ssechat.core.clocks import JUMP
from support.fault_server import FaultServer, Request, Wire
from support.hubs import HERE, finish, say
from support.programs import configure, done, read, started


async def test_a_stopped_program_goes_on_where_it_was_over_a_connection_that_hangs(
    tmp_path: Path,
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        if request.method == "POST":
            await wire.open_stream(HERE)
            await say(wire, "a ", "b ")
            await wire.hang()  # as a connection does that a firewall has forgotten
        else:
            assert request.headers["last-event-id"] == "e2"
            await wire.open_stream()
            await say(wire, "c", first=3)
            await finish(wire, 4)

    async with FaultServer(handler) as server:
        configure(tmp_path, server.base_url)
        async with started(tmp_path, "ask", "why?") as process:
            printed = await read(process, 4)
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(JUMP + 1.5)  # what is tested is the time that passes
            process.send_signal(signal.SIGCONT)
            ended = await done(process, within=5)
        assert (ended.code, printed.decode() + ended.out) == (0, "a b c\n")
        assert [request.method for request in server.requests] == ["POST", "GET"]
