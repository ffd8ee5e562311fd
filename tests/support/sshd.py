"""An sshd of our own on loopback, whose connections a test can kill."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SSHD = "/usr/sbin/sshd"
_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/id.pub
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin prohibit-password
PrintMotd no
"""


class Sshd:
    """Its files are in `folder`; `command` runs something over it, with a terminal."""

    def __init__(self, folder: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.port = port
        self._process = process

    def command(self, *remote: str) -> list[str]:
        options = {
            "UserKnownHostsFile": os.devnull,
            "StrictHostKeyChecking": "no",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
        }
        set_ = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        where = ["-i", str(self.folder / "id"), "-p", str(self.port)]
        to = f"{getpass.getuser()}@127.0.0.1"
        return ["ssh", "-tt", "-F", "none", *set_, *where, to, *remote]

    def cut(self) -> None:
        """Kill what serves the connections, as a dead network or machine would; they are reset."""
        for child in _children(self._process.pid):
            os.kill(child, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


@contextmanager
def sshd() -> Iterator[Sshd]:
    """Skips the test where there is no OpenSSH server or it does not start."""
    if not Path(SSHD).exists() or shutil.which("ssh") is None:
        pytest.skip("needs OpenSSH: apt-get install openssh-server openssh-client")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ssh") as name:
        folder = Path(name)
        for key in ("host", "id"):
            made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(made, check=True)
        port = _free_port()
        (folder / "config").write_text(_CONFIG.format(port=port, folder=folder))
        argv = [SSHD, "-D", "-e", "-f", str(folder / "config")]
        with (folder / "log").open("wb") as log, subprocess.Popen(argv, stderr=log) as process:
            try:
                _until_listening(port, process)
                yield Sshd(folder, port, process)
            finally:
                for child in _children(process.pid):
                    os.kill(child, signal.SIGKILL)
                process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.skip("sshd does not start here")
