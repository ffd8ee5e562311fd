from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import asynccontextmanager

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat import first_run
from ssechat.first_run import PRODUCTS, probe
from ssechat.listeners import TABLES, listener_uids, trusted_ports

linux = pytest.mark.skipif(not TABLES[0].exists(), reason="no /proc/net/tcp: nothing is accepted")

OLLAMA, LLAMA_CPP, LM_STUDIO, VLLM = PRODUCTS


def models(*entries: tuple[str, str]) -> bytes:
    data = [{"id": name, "object": "model", "owned_by": owner} for name, owner in entries]
    return json.dumps({"object": "list", "data": data}).encode()


def ok(body: bytes) -> bytes:
    return b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


MISSING = b"HTTP/1.0 404 Not Found\r\n\r\n"


@asynccontextmanager
async def server(answers: dict[str, bytes], *, hold: bool = False):
    """A server on a free loopback port with an answer for each path; yields port and requests."""
    requests: list[bytes] = []
    release = asyncio.Event()

    async def answer(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        requests.append(request)
        writer.write(answers.get(request.split()[1].decode(), MISSING))
        if hold:
            await release.wait()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], requests
    finally:
        release.set()
        listening.close()
        await listening.wait_closed()


def at(product, port: int):
    return msgspec.structs.replace(product, port=port)


SERVERS = [
    (OLLAMA, {"/": ok(b"Ollama is running"), "/v1/models": ok(models(("qwen3:4b", "library")))}),
    (LLAMA_CPP, {"/v1/models": ok(models(("gemma", "llamacpp")))}),
    (
        LM_STUDIO,
        {
            "/lmstudio-greeting": ok(b'{"lmstudio":true}'),
            "/v1/models": ok(models(("text-embedding-nomic", "x"), ("gpt-oss", "x"))),
        },
    ),
    (VLLM, {"/v1/models": ok(models(("Qwen/Qwen3", "vllm")))}),
]


@linux
@pytest.mark.parametrize(
    ("product", "answers"), SERVERS, ids=lambda value: getattr(value, "name", "")
)
async def test_a_server_that_names_its_product_is_found(product, answers):
    async with server(answers) as (port, requests):
        (found,) = await probe([at(product, port)])
    assert found.product == product.name
    ours = {"Ollama": ("ollama", "")}.get(product.name, ("openai-chat", "/v1"))
    assert found.profile.dialect == ours[0]
    assert found.profile.base_url == f"http://127.0.0.1:{port}{ours[1]}"
    assert found.profile.model in ("qwen3:4b", "gemma", "gpt-oss", "Qwen/Qwen3")
    assert found.profile.api_key_env == ""
    assert all(request.startswith(b"GET ") for request in requests)


@linux
async def test_several_servers_are_found_at_once():
    async with server(SERVERS[0][1]) as (first, _), server(SERVERS[3][1]) as (second, _):
        found = await probe([at(OLLAMA, first), at(VLLM, second)])
    assert [server.product for server in found] == ["Ollama", "vLLM"]


@linux
@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
@pytest.mark.parametrize(
    "answer",
    [
        ok(b"<html>Jenkins</html>"),
        ok(models(("gpt", "openai"))),
        ok(b'{"version": "1.0"}'),
        ok(b"[" * 100_000),
        ok(b'{"data": [1, "x", {"id": 3, "owned_by": []}]}'),
        b"HTTP/1.0 401 Unauthorized\r\n\r\nOllama is running",
        b"HTTP/1.0 200 OK\r\nContent-Length: many\r\n\r\nOllama is running",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\xff" * 400_000,
        b"",
    ],
    ids=["html", "other owner", "version", "deep", "odd", "401", "length", "ssh", "flood", "empty"],
)
async def test_a_server_that_does_not_name_the_product_is_not_offered(product, answer):
    async with server({"/": answer, "/v1/models": answer, product.proof: answer}) as (port, _):
        assert await probe([at(product, port)]) == []


@linux
async def test_a_server_without_a_chat_model_is_not_offered():
    answers = {"/": ok(b"Ollama is running"), "/v1/models": ok(models(("nomic-embed-text", "x")))}
    async with server(answers) as (port, _):
        assert await probe([at(OLLAMA, port)]) == []


@linux
async def test_a_server_that_never_finishes_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(first_run, "TIMEOUT", 0.05)
    unfinished = b"HTTP/1.0 200 OK\r\n\r\nOllama"
    async with server({"/": unfinished}, hold=True) as (port, _):
        began = time.monotonic()
        assert await probe([at(OLLAMA, port)]) == []
        assert time.monotonic() - began < 1


@linux
async def test_an_answer_with_a_length_is_not_waited_for_further():
    async with server(SERVERS[1][1], hold=True) as (port, _):
        assert await probe([at(LLAMA_CPP, port)])


async def test_where_nothing_listens_nothing_is_found():
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    assert await probe([at(OLLAMA, port)]) == []


HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"


def row(port: int, uid: int, state: str = "0A", address: str = "0100007F") -> str:
    return f"   0: {address}:{port:04X} 00000000:0000 {state} 0:0 00:0 00000000 {uid} 0 1 1 0\n"


def table(tmp_path, *rows: str):
    path = tmp_path / "tcp"
    path.write_text(HEADER + "".join(rows))
    return [path]


@pytest.mark.parametrize("uid", [0, 999, os.getuid()])
def test_root_system_accounts_and_the_user_are_trusted(tmp_path, uid):
    assert trusted_ports({11434}, table(tmp_path, row(11434, uid))) == {11434}


def test_another_user_is_not_trusted_even_beside_a_trusted_one(tmp_path):
    stranger = row(11434, os.getuid() + 1001, address="00000000")
    assert trusted_ports({11434}, table(tmp_path, row(11434, 0), stranger)) == set()


def test_connections_and_other_ports_are_not_listeners(tmp_path):
    tables = table(tmp_path, row(11434, 0, state="01"), row(11435, 0))
    assert listener_uids({11434}, tables) == {}


def test_where_the_system_does_not_tell_nobody_is_trusted(tmp_path):
    assert trusted_ports({11434}, [tmp_path / "missing"]) == set()


async def test_nothing_is_sent_to_a_port_of_another_user(tmp_path):
    async with server(SERVERS[0][1]) as (port, requests):
        strangers = table(tmp_path, row(port, os.getuid() + 1001))
        assert await probe([at(OLLAMA, port)], strangers) == []
    assert requests == []


@linux
async def test_the_kernel_names_us_as_the_owner_of_our_listener():
    async with server({}) as (port, _):
        assert listener_uids({port}) == {port: {os.getuid()}}


@given(st.binary(max_size=200))
def test_any_body_is_judged_without_raising(body):
    assert all(product.is_named(body) in (True, False) for product in PRODUCTS)
