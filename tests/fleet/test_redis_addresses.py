"""Every kind of address that leads to Redis: users with few rights, TLS, sentinels."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ssechat.core.conversation import Call
from ssechat.core.frames import Frame, FrameKind
from ssechat.journal import NewStream, Outcome
from ssechat.journal.redis import RedisJournal
from ssechat.journal.redis.server import Gone
from support.redis_server import RedisServer, needs_redis, redis_server

pytestmark = needs_redis
NEW = NewStream(
    text="", profile="up/openai-chat", model="m", dialect="openai-chat",
    call=Call("POST", "v1/chat/completions", {}, b"{}"), stream_id="st_a",
)  # fmt: skip


async def keeps_streams(url: str) -> None:
    """Begin, write, read and end one."""
    journal = await RedisJournal.open(url, 60, 10)
    try:
        await journal.begin(NEW)
        await journal.append("st_a", [Frame(FrameKind.EVENT, "x")], "e1")
        await journal.settle("st_a", Outcome(state="complete"))
        assert [frame.data for _, frame in await journal.frames("st_a")] == ["x"]
        assert (await journal.stream("st_a")).state == "complete"
    finally:
        await journal.close()


async def test_a_user_who_may_touch_our_keys_alone_is_enough(tmp_path: Path) -> None:
    rules = ("on", ">pa:ss", "~ssechat:*", "+@all", "-@admin", "-@dangerous", "+info", "+keys")
    with redis_server(tmp_path / "redis", "--user", "relay", *rules) as server:
        await keeps_streams(f"redis://relay:pa%3Ass@127.0.0.1:{server.port}/0")


async def test_a_user_who_may_not_is_told_what_to_check(tmp_path: Path) -> None:
    rules = ("on", ">pass", "~other:*", "+@all")
    with redis_server(tmp_path / "redis", "--user", "relay", *rules) as server:
        with pytest.raises(Gone) as refused:
            await keeps_streams(f"redis://relay:pass@127.0.0.1:{server.port}/0")
        assert "what that user may do" in refused.value.remedy


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback that is its own authority, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    asked = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*asked, *names, "-out", cert, "-keyout", key], check=True, capture_output=True)
    return cert, key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_tls_leads_to_a_server_whose_certificate_is_known(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tls = ["--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(key)]
    with redis_server(tmp_path / "redis", *tls, "--tls-auth-clients", "no"):
        await keeps_streams(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={cert}")
        with pytest.raises(Gone):
            await keeps_streams(f"rediss://127.0.0.1:{port}/0")


@contextmanager
def sentinel(folder: Path, master: RedisServer) -> Iterator[int]:
    """The port of a sentinel that watches `master` under the name `ours`."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor ours 127.0.0.1 {master.port} 1\n"
    )
    argv = ["redis-server", str(config), "--sentinel"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.kill()


async def test_a_sentinel_says_where_the_master_is(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path / "redis") as server,
        sentinel(tmp_path / "sentinel", server) as port,
    ):
        async with asyncio.timeout(15):
            while True:
                try:
                    await keeps_streams(f"redis+sentinel://127.0.0.1:{port}/ours/0")
                    return
                except Gone:  # it has not looked yet
                    await asyncio.sleep(0.1)
