"""Silence of several kinds, and whom it is blamed on."""

from __future__ import annotations

import asyncio

import pytest

from ssechat.core.errors import LinkProblem
from ssechat.link import Target
from support.fault_server import FaultServer, Handler, Request, Wire, sse
from support.link import active, failure, hangs_before_headers, opened, read

LONG = 20.0  # s, what no test waits for


def sends(*pieces: str, then: str = "", every: float = 0.02) -> Handler:
    """Sends `pieces`, then hangs, or sends `then` again and again."""

    async def handler(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        for piece in pieces:
            await wire.chunk(piece)
        while then:
            await wire.chunk(then)
            await asyncio.sleep(every)
        await wire.hang()

    return handler


async def test_headers_that_do_not_come_are_waited_for_so_long(clients):
    async with FaultServer(hangs_before_headers) as server:
        problem = await failure(clients, Target(server.base_url, headers_time=0.1))
        await server.left(within=0.5)
    assert problem.kind == "lost"  # the request may have been carried out
    assert problem.title == f"{server.netloc} sent no headers for 0.1 s"
    assert active(clients) == 0


async def test_half_a_head_is_no_head(clients):
    async def dribbles(_: Request, wire: Wire) -> None:
        while True:
            await wire.send("HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.02)

    async with FaultServer(dribbles) as server:
        problem = await failure(clients, Target(server.base_url, headers_time=0.1))
    assert "no headers" in problem.title


async def test_silence_after_keepalives_is_a_loss(clients):
    async with FaultServer(sends(sse("a"), ": ping\n\n")) as server, asyncio.timeout(5):
        problem = await failure(clients, Target(server.base_url, silence=0.1, idle=LONG))
        await server.left(within=0.5)
    assert (problem.kind, problem.title) == ("silence", "no byte for 0.1 s")
    assert active(clients) == 0


async def test_silence_of_a_server_without_keepalives_is_only_idleness(clients):
    async with FaultServer(sends(sse("a"))) as server:
        problem = await failure(clients, Target(server.base_url, silence=0.05, idle=0.25))
    assert (problem.kind, problem.title) == ("silence", "no payload for 0.25 s")


async def test_keepalives_hold_off_silence_but_not_idleness(clients):
    async with FaultServer(sends(sse("a"), then=": ping\n\n")) as server:
        problem = await failure(clients, Target(server.base_url, silence=0.15, idle=0.4))
    assert problem.title == "no payload for 0.4 s"


async def test_a_ping_event_is_a_keepalive_and_no_payload(clients):
    ping = sse('{"type": "ping"}', event="ping")
    async with FaultServer(sends(sse("a"), then=ping)) as server, asyncio.timeout(5):
        problem = await failure(clients, Target(server.base_url, silence=LONG, idle=0.2))
    assert problem.title == "no payload for 0.2 s"


async def test_bytes_that_complete_no_line_are_a_sign_of_life(clients):
    async with FaultServer(sends(": ping\n\n", then="data: x")) as server:
        problem = await failure(clients, Target(server.base_url, silence=0.15, idle=0.4))
    assert problem.title == "no payload for 0.4 s"


async def test_a_stream_that_never_sends_anything_is_idle(clients):
    async with FaultServer(sends()) as server:
        problem = await failure(clients, Target(server.base_url, idle=0.1))
    assert problem.kind == "silence"


async def test_payload_restarts_the_clock(clients):
    async def steady(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        for number in range(8):
            await wire.event(str(number))
            await asyncio.sleep(0.05)
        await wire.end()

    async with FaultServer(steady) as server:
        assert len(await read(clients, Target(server.base_url, silence=0.3, idle=0.3))) == 8


@pytest.mark.parametrize(("silence", "idle"), [(0.3, LONG), (LONG, 0.3)])
@pytest.mark.parametrize("meanwhile", ["", sse("b") + ": ping\n\n"])
async def test_a_reader_that_holds_us_up_is_not_blamed_on_the_server(
    clients, silence, idle, meanwhile
):
    held, released = asyncio.Event(), asyncio.Event()

    async def waits(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.chunk(sse("a") + ": ping\n\n")
        await held.wait()
        if meanwhile:
            await wire.chunk(meanwhile)
        await released.wait()
        await asyncio.sleep(0.15)
        await wire.event("last")
        await wire.end()

    data = []
    async with (
        FaultServer(waits) as server,
        opened(clients, Target(server.base_url, silence=silence, idle=idle)) as stream,
    ):
        async for frames in stream.frames():
            data += [frame.data for frame in frames if frame.data != "ping"]
            if not held.is_set():
                held.set()
                await asyncio.sleep(0.5)
                assert stream.quiet < 0.3
                released.set()
    assert data == (["a", "b", "last"] if meanwhile else ["a", "last"])


async def test_the_clocks_go_on_when_a_slow_reader_is_back(clients):
    async def slowly() -> None:
        async with opened(clients, Target(server.base_url, silence=0.1, idle=LONG)) as stream:
            async for _ in stream.frames():
                await asyncio.sleep(0.2)

    async with FaultServer(sends(sse("a") + ": ping\n\n")) as server:
        with pytest.raises(LinkProblem, match="no byte"):
            await slowly()


async def test_quiet_counts_from_the_last_payload(clients):
    async with FaultServer(sends(sse("a"), then=": ping\n\n")) as server:
        target = Target(server.base_url)
        async with opened(clients, target) as stream:
            pings = 0
            async for frames in stream.frames():
                pings += frames[0].data == "ping"
                if pings == 4:
                    break
            assert 0.03 < stream.quiet < 1


async def test_a_stream_that_was_left_has_no_timer(clients):
    async with FaultServer(sends(sse("a"), ": ping\n\n")) as server:
        target = Target(server.base_url, silence=0.05, idle=0.05)
        async with opened(clients, target) as stream:
            frames = stream.frames()
            await anext(frames)
        handles = asyncio.get_running_loop()._scheduled
        assert not [one for one in handles if "Watchdog" in repr(one) and not one.cancelled()]
        await frames.aclose()
