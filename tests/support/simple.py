"""A question put to a server that was written by hand, through a hub, and perhaps a proxy that cuts
its answers."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, NamedTuple

from ssechat.core.resume import Rung
from ssechat.hub import Hub
from ssechat.settings import Profile, Timeouts
from support.cutting_proxy import CuttingProxy
from support.fault_server import FaultServer, Handler, Request
from support.hubs import ask, ended, profile
from support.ladder import Told, hurried, told

PIECES = ["Grüße, ", "Grüße, ", "liebe ", "傅里叶 ", "— 👋 ", "!"]
WHOLE = "".join(PIECES)
PREFIXES = ["", *accumulate(PIECES)]
"""What so many pieces say."""
SOON = Timeouts(idle=0.6, silence=30.0, headers=0.6)
"""For tests in which something has to run out."""


class Run(NamedTuple):
    told: Told
    rung: Rung
    requests: list[Request]
    stream_id: str


def asked(base_url: str, *, timeouts: Timeouts | None = None, **options: Any) -> Profile:
    return profile(base_url, "sse", options=options, timeouts=timeouts or Timeouts())


async def answer(hub: Hub, handler: Handler, *cuts: int, **asking: Any) -> Run:
    """A question's answer at its end. The n-th body is cut after `cuts[n]` bytes."""
    async with (
        FaultServer(handler) as server,
        CuttingProxy("127.0.0.1", server.port, cuts) as proxy,
    ):
        base_url = proxy.base_url if cuts else server.base_url
        live = await hurried(hub, await ask(hub, asked(base_url, **asking)))
        return Run(await told(hub, live), live.rung, server.requests, live.stream_id)


async def body_of(hub: Hub, handler: Handler, **asking: Any) -> bytes:
    """All that it sends."""
    async with (
        FaultServer(handler) as server,
        CuttingProxy("127.0.0.1", server.port) as proxy,
    ):
        await ended(await ask(hub, asked(proxy.base_url, **asking)))
        return proxy.exchanges[0].body
