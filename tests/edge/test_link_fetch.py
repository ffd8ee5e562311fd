"""Short requests: bounded in size and time."""

from __future__ import annotations

import pytest

from ssechat.core.conversation import Call
from ssechat.core.errors import LinkProblem
from ssechat.link import Target, connection, fetch
from support.fault_server import FaultServer
from support.link import active, fit, hangs_before_headers, replies

MODELS = Call("GET", "models", {})


async def test_a_short_request_gives_status_and_body(clients):
    async with FaultServer(replies(404, "none")) as server:
        assert (await fetch(clients, Target(server.base_url), MODELS))[:2] == (404, b"none")
    assert server.requests[0].headers["accept"] == "application/json"


async def test_a_long_list_of_models_is_read_whole(clients):
    async with FaultServer(replies(200, b"x" * 1_000_000)) as server:
        body = (await fetch(clients, Target(server.base_url), MODELS)).body
    assert len(body) == 1_000_000


async def test_a_short_request_is_bounded_in_size(clients, monkeypatch):
    monkeypatch.setattr(connection, "ANSWER_LIMIT", 1000)
    async with FaultServer(replies(200, b"x" * 1_000_000)) as server:
        assert (await fetch(clients, Target(server.base_url), MODELS))[:2] == (200, b"x" * 1000)
    assert active(clients) == 0


async def test_a_short_request_is_bounded_in_time(clients, monkeypatch):
    monkeypatch.setattr(connection, "BODY_TIME", 0.1)
    async with FaultServer(hangs_before_headers) as server:
        with pytest.raises(LinkProblem, match="sent no headers") as caught:
            await fetch(clients, Target(server.base_url), MODELS)
        await server.left(within=1)
    assert fit(caught.value).kind == "lost"
