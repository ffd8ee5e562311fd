"""`ssechat relay` as a real process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

_LISTENS = re.compile(r"listens on (\S+) ")
_TOKEN = re.compile(r"shown this once: (\S+)")


class RelayProcess:
    """A relay on `folder`'s journal. `log` is what it has written on standard error."""

    def __init__(
        self, folder: Path, toml: str, *options: str, env: Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder
        self._options = options
        self._env = dict(env or {})
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        folder.mkdir(exist_ok=True)
        (folder / "relay.toml").write_text(toml)
        self.token = ""
        self.url = ""
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [*self.command, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=self.environment,
        )
        said = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said += line.decode()
            if found := _LISTENS.search(said):
                self.url = found[1]
                break
        assert self.url, self.log
        if found := _TOKEN.search(said):
            self.token = found[1]

    @property
    def command(self) -> list[str]:
        config = str(self._folder / "relay.toml")
        return [sys.executable, "-P", "-m", "ssechat", "relay", "--config", config]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SSECHAT_DATA_DIR": str(self._folder), **self._env}

    @property
    def log(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode()

    def client(self) -> httpx.AsyncClient:
        if self.url.startswith("unix:"):
            transport = httpx.AsyncHTTPTransport(uds=self.url.removeprefix("unix:"))
            return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=10)
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=10)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another `ssechat relay` command beside it."""
        return subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=20,
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def restart(self) -> None:
        """Start again, at the same place."""
        port = self.url.rpartition(":")[2]
        if not self.url.startswith("unix:") and "--port" not in self._options:
            self._options = (*self._options, "--port", port)
        assert self.process.poll() is not None
        self._close_output()
        self._start()

    def end(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self._close_output()
        self._errors.close()

    def _close_output(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def relay_process(
    folder: Path, base_url: str, *options: str, more: str = "", upstream: str = ""
) -> Iterator[RelayProcess]:
    """A relay for the upstream `up`; `more` and `upstream` are further lines of relay.toml."""
    toml = f'listen = "127.0.0.1:0"\n{more}\n[upstreams.up]\nbase_url = "{base_url}"\n{upstream}\n'
    process = RelayProcess(folder, toml, *options)
    try:
        yield process
    finally:
        process.close()
