"""What the link's tests share: usual servers, short ways to ask, a look into httpx' pools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ssechat.core.conversation import Call
from ssechat.core.errors import ConfigProblem, LinkProblem
from ssechat.core.frames import Frame
from ssechat.link import Clients, Connection, Target, connect
from support.fault_server import FaultServer, Handler, Request, Wire

SECRET = "sk-hunter2"
CALL = Call("POST", "chat", {"Content-Type": "application/json"}, b'{"stream":true}')


async def says_hello(_: Request, wire: Wire) -> None:
    await wire.open_stream()
    await wire.event("hello", id="1")
    await wire.end()


async def hangs_in_body(_: Request, wire: Wire) -> None:
    await wire.open_stream()
    await wire.event("hello", id="1")
    await wire.hang()


async def hangs_before_headers(_: Request, wire: Wire) -> None:
    await wire.hang()


def replies(
    status: int, body: bytes | str = b"", *, reason: str | None = None, **headers: str
) -> Handler:
    """Answers with `headers`, whose underscores stand for dashes."""

    async def handler(_: Request, wire: Wire) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await wire.reply(status, body, named, reason)

    return handler


def error_text(body: bytes) -> str:
    """The message in a body such as most APIs send."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


@asynccontextmanager
async def opened(
    clients: Clients, target: Target, call: Call = CALL, **more: Any
) -> AsyncIterator[Connection]:
    more = {"on_sent": lambda: None, "error_text": error_text} | more
    async with connect(clients, target, call, **more) as connection:
        yield connection


async def read(
    clients: Clients,
    target: Target,
    call: Call = CALL,
    *,
    got: list[Frame] | None = None,
    seen: Callable[[], Any] = lambda: None,
    **more: Any,
) -> list[Frame]:
    """All frames, to the end of the body. They are put into `got` as they come; then `seen()`."""
    got = [] if got is None else got
    async with opened(clients, target, call, **more) as connection:
        async for frames in connection.frames():
            got += frames
            seen()
    return got


async def failure(clients: Clients, target: Target, call: Call = CALL, **more: Any) -> LinkProblem:
    """The problem in which reading the stream ends."""
    with pytest.raises(LinkProblem) as caught:
        await read(clients, target, call, **more)
    return fit(caught.value)


async def misconfigured(
    clients: Clients, target: Target, call: Call = CALL, **more: Any
) -> ConfigProblem:
    """The problem for which nothing could even be sent."""
    with pytest.raises(ConfigProblem) as caught:
        await read(clients, target, call, **more)
    return fit(caught.value)


async def answer(clients: Clients, handler: Handler) -> LinkProblem:
    """The problem that `handler` leads to. It tells no secret and leaves no connection open."""
    async with FaultServer(handler) as server:
        target = Target(server.base_url, secret_headers={"Authorization": SECRET})
        problem = await failure(clients, target)
    assert active(clients) == 0
    assert SECRET not in str(problem)
    return problem


def fit(problem: Any) -> Any:
    """`problem`, which has one short printable line for each thing that it says."""
    for line in (problem.title, problem.detail, problem.remedy):
        assert line.isprintable()
        assert len(line) <= 400
    return problem


async def exchanges_end() -> None:
    """Wait for requests that were given up while they connected."""
    left = [task for task in asyncio.all_tasks() if task.get_name() == "exchange"]
    if left:
        _, running = await asyncio.wait(left, timeout=5)
        assert not running


def active(clients: Clients) -> int:
    """Connections in httpx' pools that are neither idle nor closed."""
    pools = [
        transport._pool
        for client in clients._clients.values()
        for transport in (client._transport, *client._mounts.values())
    ]
    return sum(not one.is_idle() for pool in pools for one in pool.connections)
