"""Connections are kept where they can be, and closed at once where they must be."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from ssechat.core.conversation import Call
from ssechat.link import Target, fetch
from support.fault_server import FaultServer, Request, Wire, in_turn, sse
from support.link import (
    active,
    exchanges_end,
    hangs_before_headers,
    hangs_in_body,
    opened,
    read,
    says_hello,
)

# Keeping connections


async def test_a_body_read_to_its_end_leaves_the_connection_for_the_next_request(clients):
    async with FaultServer(says_hello) as server:
        for _ in range(3):
            await read(clients, Target(server.base_url))
        assert await fetch(clients, Target(server.base_url), Call("GET", "models", {}))
    assert server.connections == 1


async def test_a_kept_connection_that_the_server_has_closed_is_not_used(clients):
    async def says_hello_and_goes(request: Request, wire: Wire) -> None:
        await says_hello(request, wire)
        wire.cut()

    async with FaultServer(says_hello_and_goes) as server:
        for _ in range(3):
            await read(clients, Target(server.base_url))
            await server.left()
    assert server.connections == 3


async def test_a_stream_left_early_costs_its_connection_only(clients):
    async with FaultServer(in_turn(hangs_in_body, says_hello)) as server:
        async with opened(clients, Target(server.base_url)) as stream:
            async for _ in stream.frames():
                break
        await read(clients, Target(server.base_url))
    assert server.connections == 2


async def test_many_streams_run_at_once(clients):
    async with FaultServer(hangs_in_body) as server:
        target = Target(server.base_url)
        tasks = [asyncio.create_task(read(clients, target)) for _ in range(130)]
        await server.received(130)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert active(clients) == 0


# Stopping


async def test_leaving_the_block_reaches_the_server_at_once(clients):
    async with FaultServer(hangs_in_body) as server:
        async with opened(clients, Target(server.base_url)) as stream:
            async for _ in stream.frames():
                break
        await server.left(within=0.2)


@pytest.mark.parametrize("handler", [hangs_in_body, hangs_before_headers])
async def test_cancelling_the_reader_reaches_the_server_at_once(clients, handler):
    async with FaultServer(handler) as server:
        task = asyncio.create_task(read(clients, Target(server.base_url)))
        await server.received()
        task.cancel()
        await server.left(within=0.2)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_stop_reaches_a_server_that_never_pauses(clients):
    async def floods(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        while True:
            await wire.chunk(sse("x" * 1000) * 50)

    async with FaultServer(floods) as server:
        async with opened(clients, Target(server.base_url)) as stream:
            async for _ in stream.frames():
                break
        await server.left(within=0.2)


@pytest.mark.parametrize("handler", [hangs_in_body, hangs_before_headers])
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5])
async def test_a_second_cancel_while_the_first_one_closes_leaks_nothing(clients, handler, turns):
    async with FaultServer(handler) as server:
        for number in range(1, 6):
            task = asyncio.create_task(read(clients, Target(server.base_url)))
            await server.received(number)
            task.cancel()
            await turn(turns)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.left(within=0.2)
    assert active(clients) == 0


async def turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


@pytest.mark.parametrize("cancels", [1, 2])
@pytest.mark.parametrize("turns", range(16))
async def test_a_stop_at_any_moment_of_connecting_leaks_nothing(clients, turns, cancels):
    async with FaultServer(hangs_in_body) as server:
        async with clients.client(server.base_url):
            pass  # built, so that what follows is connecting
        task = asyncio.create_task(read(clients, Target(server.base_url)))
        await turn(turns)
        for _ in range(cancels):
            task.cancel()
            await turn(1)
        with pytest.raises(asyncio.CancelledError):
            await task
        await exchanges_end()
    assert active(clients) == 0


async def test_a_stop_while_connecting_sends_no_request(clients):
    async with FaultServer(hangs_in_body) as server:
        async with clients.client(server.base_url):
            pass
        sent = []
        stream = read(clients, Target(server.base_url), on_sent=lambda: sent.append(1))
        task = asyncio.create_task(stream)
        await turn(4)
        assert not server.connections
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await exchanges_end()
        assert server.connections == 1
        await server.left(within=1)
    assert not sent
    assert not server.requests


async def test_fifty_stops_and_closes_leave_no_connection(clients):
    async with FaultServer(hangs_in_body) as server:
        for number in range(50):
            task = asyncio.create_task(read(clients, Target(server.base_url)))
            await server.received(number + 1)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert active(clients) == 0
        await server.left(within=1)
        await clients.close()


async def test_a_cancel_while_the_block_is_being_left_is_not_swallowed(clients):
    async with FaultServer(hangs_in_body) as server:

        async def leaves() -> None:
            async with opened(clients, Target(server.base_url)):
                asyncio.get_running_loop().call_soon(task.cancel)

        task = asyncio.create_task(leaves())
        with pytest.raises(asyncio.CancelledError):
            await task
    assert active(clients) == 0
