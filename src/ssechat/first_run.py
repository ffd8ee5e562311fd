"""Servers on loopback that could answer: Ollama, llama.cpp, LM Studio and vLLM.

One is offered only if its answer names the product and if nobody but the user, root or a system
account listens there. Nothing but GETs is sent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ssechat.listeners import TABLES, trusted_ports
from ssechat.settings import Profile

HOST = "127.0.0.1"
TIMEOUT = 0.5
"""In seconds, for each request."""
MAX_ANSWER = 262_144
LONGEST_NAME = 200


class Product(msgspec.Struct, frozen=True):
    """A server that we know. `proof` is the path whose body `is_named` recognises.

    `dialect` is what we speak to it; the base URL for that is the origin and `base`.
    """

    name: str
    port: int
    proof: str
    is_named: Callable[[bytes], bool]
    dialect: str = "openai-chat"
    base: str = "/v1"


class Found(msgspec.Struct, frozen=True):
    """A server that runs, and the profile that reaches it."""

    product: str
    profile: Profile


def _says_ollama(body: bytes) -> bool:
    return body.strip() == b"Ollama is running"


def _greets_as_lm_studio(body: bytes) -> bool:
    answer = _json(body)
    return isinstance(answer, dict) and answer.get("lmstudio") is True


def _owns_models(owner: str) -> Callable[[bytes], bool]:
    return lambda body: any(model.get("owned_by") == owner for model in _models(body))


PRODUCTS = (
    Product("Ollama", 11434, "/", _says_ollama, "ollama", ""),
    Product("llama.cpp", 8080, "/v1/models", _owns_models("llamacpp")),
    Product("LM Studio", 1234, "/lmstudio-greeting", _greets_as_lm_studio),
    Product("vLLM", 8000, "/v1/models", _owns_models("vllm")),
)


async def probe(
    products: Sequence[Product] = PRODUCTS, tables: Sequence[Path] = TABLES
) -> list[Found]:
    """The servers that run and have a model. `tables` are the kernel's lists of TCP sockets."""
    ports = await asyncio.to_thread(trusted_ports, {product.port for product in products}, tables)
    likely = [product for product in products if product.port in ports]
    found = await asyncio.gather(*map(_probe, likely))
    return [server for server in found if server]


async def _probe(product: Product) -> Found | None:
    proof = await _get(product.port, product.proof)
    if not product.is_named(proof):
        return None
    models = _models(await _get(product.port, "/v1/models"))
    names = [name for model in models if (name := _chat_model(model))]
    if not names:
        return None
    label = product.name.lower().replace(" ", "-")
    base_url = f"http://{HOST}:{product.port}{product.base}"
    return Found(product.name, Profile(label, product.dialect, base_url, names[0]))


def _chat_model(model: dict[str, object]) -> str:
    name = model.get("id")
    fit = isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_NAME
    return str(name) if fit and "embed" not in str(name) else ""


def _models(body: bytes) -> list[dict[str, object]]:
    """The entries of an OpenAI-style list of models; none if it is something else."""
    answer = _json(body)
    entries = answer.get("data") if isinstance(answer, dict) else None
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


async def _get(port: int, path: str) -> bytes:
    """The body of a 200, at most MAX_ANSWER bytes of it; empty for anything else."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await _exchange(port, path)
    except (OSError, ValueError, EOFError, asyncio.LimitOverrunError):
        return b""


async def _exchange(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port, limit=MAX_ANSWER)
    try:
        request = f"GET {path} HTTP/1.0\r\nHost: {HOST}:{port}\r\nAccept: */*\r\n\r\n"
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status, *fields = head.split("\r\n")
        if status.split(" ")[1:2] != ["200"]:
            return b""
        headers = dict(field.split(": ", 1) for field in fields if ": " in field)
        length = int(headers.get("content-length", MAX_ANSWER))
        return await _read(reader, min(length, MAX_ANSWER))
    finally:
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    body = bytearray()
    while len(body) < most and (chunk := await reader.read(most - len(body))):
        body += chunk
    return bytes(body)
