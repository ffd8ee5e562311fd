"""Every way not to get an answer, in words that a user can act on."""

from __future__ import annotations

import asyncio
import errno

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.conversation import Call
from ssechat.core.errors import LinkProblem
from ssechat.link import Target, fetch, problems
from ssechat.link.problems import futile
from support.fault_server import FaultServer, Request, Wire, certificate
from support.link import answer, exchanges_end, failure, fit, hangs_before_headers, replies

MODELS = Call("GET", "models", {})


async def closed_port() -> str:
    async with FaultServer(replies(200)) as server:
        return server.netloc


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_port_where_nothing_listens(clients, host):
    where = (await closed_port()).replace("127.0.0.1", host)
    problem = await failure(clients, Target(f"http://{where}"))
    assert (problem.kind, problem.title) == ("connect", f"nothing listens at {where}")
    assert futile(problem)
    with pytest.raises(LinkProblem, match="nothing listens"):
        await fetch(clients, Target(f"http://{where}"), MODELS)


def test_a_port_where_nothing_listens_at_any_of_a_names_addresses():
    refused = [ConnectionRefusedError(errno.ECONNREFUSED, "refused") for _ in range(2)]
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError("All connection attempts failed")
    error.__cause__.__cause__ = ExceptionGroup("multiple connection attempts failed", refused)
    assert problems.unreachable(error, "localhost:1").title == "nothing listens at localhost:1"


@pytest.mark.parametrize("name", ["nowhere.invalid", "-", "a..b"])
async def test_a_name_that_does_not_resolve(clients, name):
    problem = await failure(clients, Target(f"http://{name}:81/v1"))
    assert problem.kind == "connect"
    assert f"{name}:81" in problem.title
    assert not futile(problem)


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "\u2603.example", "xn--a.example"])
async def test_a_name_that_is_none(clients, host):
    assert (await failure(clients, Target(f"http://{host}"))).kind == "connect"


async def test_https_to_a_server_that_answers_in_plain_text(clients):
    async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greets, "127.0.0.1", 0)
    async with server:
        where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        problem = await failure(clients, Target(f"https://{where}"))
    assert problem.title == f"{where} does not speak TLS as expected"
    assert "http://" in problem.remedy
    assert futile(problem)


async def test_http_to_a_server_with_tls(clients, tmp_path):
    async with FaultServer(replies(200), tls=certificate(tmp_path)) as server:
        problem = await failure(clients, Target(f"http://{server.netloc}"))
    assert problem.kind == "lost"
    assert server.netloc in problem.title


@pytest.mark.parametrize("headers_first", [True, False])
async def test_tls_that_is_damaged_on_the_way(clients, tmp_path, headers_first):
    async def garbles(_: Request, wire: Wire) -> None:
        if headers_first:
            await wire.open_stream()
            await wire.event("a")
            await seen.wait()
        wire.garble()
        await wire.hang()

    seen = asyncio.Event()
    cert = certificate(tmp_path)
    async with FaultServer(garbles, tls=cert) as server:
        target = Target(server.base_url, ca_file=str(cert.cert))
        problem = await failure(clients, target, seen=seen.set)
    assert problem.kind == "lost"


@pytest.mark.parametrize("start", ["SSH-2.0-OpenSSH", "\0\1\2", "HTTP/1.1 abc", "\x1b" * 99])
async def test_a_server_that_does_not_speak_http(clients, start):
    async def other(_: Request, wire: Wire) -> None:
        await wire.send(f"{start}\r\n\r\n")

    async with FaultServer(other) as server:
        problem = await failure(clients, Target(server.base_url))
    assert problem.kind == "lost"
    assert server.netloc in problem.title
    assert problem.remedy


async def test_headers_without_end_are_bounded(clients):
    async def endless(_: Request, wire: Wire) -> None:
        await wire.send("HTTP/1.1 200 OK\r\n")
        while True:
            await wire.send(f"X-A: {'a' * 10000}\r\n")

    problem = await answer(clients, endless)
    assert problem.title.endswith("does not answer in HTTP")


async def test_a_connection_that_is_closed_instead_of_an_answer(clients):
    async def closes(_: Request, wire: Wire) -> None:
        wire.cut()

    async with FaultServer(closes) as server:
        problem = await failure(clients, Target(server.base_url))
    assert problem.kind == "lost"  # the request may have been carried out
    assert problem.title == f"{server.netloc} closed the connection without an answer"


async def test_a_connection_that_is_reset_instead_of_an_answer(clients):
    async def resets(_: Request, wire: Wire) -> None:
        wire.reset()

    assert (await answer(clients, resets)).kind == "lost"


async def test_a_server_that_accepts_and_never_shakes_hands(clients):
    async with FaultServer(hangs_before_headers) as server:
        problem = await failure(clients, Target(f"https://{server.netloc}", connect=0.1))
        await exchanges_end()
    assert (problem.kind, problem.title) == ("connect", f"{server.netloc} did not answer in time")


@given(st.sampled_from([httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteTimeout]), st.text())
def test_no_error_of_httpx_is_too_odd(kind, words):
    for problem in (
        problems.lost(kind(words)),
        problems.unanswered(kind(words), "h:1"),
        problems.unreachable(kind(words), "h:1"),
    ):
        fit(problem)
