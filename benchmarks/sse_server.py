"""A server of Chat Completions that streams texts at a steady rate, in a process of its own.

A prompt like "#mixed #rate=200 #tokens=3000" says what to stream; a token is four characters. Each
event carries the time at which it was sent, in seconds since the epoch, as `sent`.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from transcript import KINDS, TOKEN, document

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: close\r\n\r\n"
)
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_CONFIG = """
profile = "bench"
[profiles.bench]
dialect = "openai-chat"
base_url = "http://127.0.0.1:{port}/v1"
model = "bench"
background_relay = false
"""


def configure(home: Path, port: int) -> None:
    """Have the program whose files are in `home` talk to the server on `port`."""
    file = home / "config.toml"
    file.write_text(_CONFIG.format(port=port), encoding="utf-8")
    file.chmod(0o600)


@contextmanager
def serving() -> Iterator[int]:
    """A server's port, while it runs."""
    argv = [sys.executable, __file__]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@lru_cache
def _pieces(kind: str, tokens: int) -> list[bytes]:
    text = document(kind, tokens * TOKEN)
    return [json.dumps(text[at : at + TOKEN]).encode() for at in range(0, tokens * TOKEN, TOKEN)]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(content: bytes) -> bytes:
    return _chunk(
        b'data: {"sent":%.6f,"choices":[{"index":0,"delta":{"content":%s}}]}\n\n'
        % (time.time(), content)
    )


_END = _chunk(
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
) + _chunk(b"")


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"POST"):
            writer.write(_NOT_FOUND)
            return
        length = re.search(rb"(?i)content-length: (\d+)", head)
        asked = json.loads(await reader.readexactly(int(length[1]) if length else 0))
        await _stream(asked["messages"][-1]["content"], writer)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # the reader has gone
    finally:
        writer.close()


async def _stream(prompt: str, writer: asyncio.StreamWriter) -> None:
    numbers = dict(re.findall(r"#(\w+)=(\d+)", prompt))
    rate, tokens = int(numbers.get("rate", 50)), int(numbers.get("tokens", 500))
    kind = next((kind for kind in KINDS if f"#{kind}" in prompt), "mixed")
    clock = asyncio.get_running_loop().time
    writer.write(_HEAD)
    began = clock()
    for number, piece in enumerate(_pieces(kind, tokens), 1):
        writer.write(_event(piece))
        await writer.drain()
        await asyncio.sleep(max(0, began + number / rate - clock()))
    writer.write(_END)
    await writer.drain()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
