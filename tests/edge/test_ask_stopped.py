"""A program that was stopped asks the server again, if its connection does not live any more."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from ssechat.core.clocks import JUMP
from support.fault_server import FaultServer, Request, Wire
from support.hubs import HERE, finish, say
from support.programs import configure, done, read, started


async def stop(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGSTOP)
    await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


@pytest.mark.parametrize("stopped_for", [0, JUMP + 1.5])
async def test_a_stopped_program_goes_on_where_it_was_over_a_connection_that_hangs(
    tmp_path: Path, stopped_for: float
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
            await stop(process)
            await asyncio.sleep(stopped_for)  # what is tested is the time that passes
            process.send_signal(signal.SIGCONT)
            ended = await done(process, within=5)
        assert (ended.code, printed.decode() + ended.out) == (0, "a b c\n")
        assert [request.method for request in server.requests] == ["POST", "GET"]


async def test_a_connection_that_still_brings_bytes_is_kept(tmp_path: Path) -> None:
    continued = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        await say(wire, "a ", "b ")
        await continued.wait()
        for _ in range(15):  # for longer than a connection is given to show that it lives
            await wire.chunk(": alive\n\n")
            await asyncio.sleep(0.2)
        await say(wire, "c", first=3)
        await finish(wire, 4)

    async with FaultServer(handler) as server:
        configure(tmp_path, server.base_url)
        async with started(tmp_path, "ask", "why?") as process:
            printed = await read(process, 4)
            await stop(process)
            process.send_signal(signal.SIGCONT)
            continued.set()
            ended = await done(process, within=10)
        assert (ended.code, printed.decode() + ended.out) == (0, "a b c\n")
        assert [request.method for request in server.requests] == ["POST"]
