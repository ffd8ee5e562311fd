"""A real redis-server on a free port of loopback, with its files in a folder."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MISSING = "redis-server is not installed"
needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason=MISSING)


class RedisServer:
    """`durable`: each write is on the disk before it is answered, so that nothing is ever lost."""

    def __init__(self, folder: Path, *options: str, durable: bool = True) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port = _free_port()
        fsync = "always" if durable else "everysec"
        self._options = ["--appendonly", "yes", "--appendfsync", fsync, *options]
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", *where, "--save", "", "--daemonize", "no", *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + 10
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, "redis-server does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def keep(self) -> Path:
        """A copy of its files as they are now."""
        copy = self.folder.with_name(f"{self.folder.name}-kept")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder, copy)
        return copy

    def back_to(self, copy: Path) -> None:
        """To be called while it is killed: it will start with the files of then."""
        shutil.rmtree(self.folder)
        shutil.copytree(copy, self.folder)


def _free_port() -> int:
    """A node of a cluster also uses the port that is 10,000 higher."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port + 10_000 < 2**16:
            return port


@contextmanager
def redis_server(folder: Path, *options: str, durable: bool = True) -> Iterator[RedisServer]:
    server = RedisServer(folder, *options, durable=durable)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.go_on()
            server.kill()
