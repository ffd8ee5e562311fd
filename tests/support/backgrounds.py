"""The background relay in tests: each has a data directory of its own, and ends with the test."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path


class Here:
    """`env` is the environment of programs that share one background relay, under `folder`."""

    def __init__(self, folder: Path, base_url: str, **more: object) -> None:
        self.folder = folder
        self.env = {
            "SSECHAT_CONFIG": str(folder / "config.toml"),
            "SSECHAT_DATA_DIR": str(folder / "data"),
            "XDG_STATE_HOME": str(folder / "state"),
            "TMPDIR": str(folder),
        }
        fields = {"dialect": "anthropic", "base_url": base_url, "model": "m", **more}
        lines = [f'{name} = "{value}"' for name, value in fields.items()]
        text = "\n".join(['profile = "work"', "[profiles.work]", *lines, ""])
        (folder / "config.toml").write_text(text)
        (folder / "config.toml").chmod(0o600)

    def written(self) -> bytes:
        """All that is in its files."""
        files = (file for file in self.folder.rglob("*") if file.is_file())
        return b"".join(file.read_bytes() for file in files)

    @property
    def sockets(self) -> list[Path]:
        return [*self.folder.rglob("relay-*.sock")]

    def health(self) -> Mapping[str, object]:
        """What the relay says of itself; empty if there is none."""
        for path in self.sockets:
            with closing(socket.socket(socket.AF_UNIX)) as peer, suppress(OSError, ValueError):
                peer.connect(str(path))
                peer.sendall(
                    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                )
                body = b"".join(iter(lambda: peer.recv(4096), b"")).partition(b"\r\n\r\n")[2]
                told: Mapping[str, object] = json.loads(body)
                return told
        return {}

    def kill(self) -> None:
        if pid := self.health().get("pid"):
            os.kill(int(str(pid)), signal.SIGKILL)
            until = time.monotonic() + 10
            while self.health() and time.monotonic() < until:
                time.sleep(0.01)


@contextmanager
def here(base_url: str, **more: object) -> Iterator[Here]:
    """A place whose path is short enough for a socket, as pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="sse") as folder:
        place = Here(Path(folder), base_url, **more)
        try:
            yield place
        finally:
            place.kill()
