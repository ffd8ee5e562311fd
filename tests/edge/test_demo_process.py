"""The demo as a process: starting, dying, coming back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from ssechat.core.errors import Problem
from ssechat.demo.child import DemoChild
from support.demo_process import demo, files, frames

linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")

START_AND_HANG = """
import asyncio, sys
from pathlib import Path
from ssechat.demo.child import DemoChild

async def main():
    child = await DemoChild.start(Path(sys.argv[1]))
    print(child.base_url, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
START_AND_FORGET = """
import asyncio, sys
from pathlib import Path
from ssechat.demo.child import DemoChild

async def main():
    print((await DemoChild.start(Path(sys.argv[1]))).base_url)

asyncio.run(main())
"""


def run(*options: str, **how) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "ssechat.demo", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, **how)


def await_refused(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    pytest.fail("the server still accepts connections")


def test_a_stream_goes_on_after_kill_9(tmp_path):
    prompt = "hello #rate=100 #length=60 #cut=5"
    with demo("--state", str(tmp_path)) as server:
        with server.post(prompt) as response:
            before = frames(response)
        stream = before[0].id.partition(".")[0]
        with server.follow(stream, before[-1].id) as response:
            before += frames(response, limit=5)
            server.kill()
    with demo("--state", str(tmp_path), "--rate", "1") as server:
        with server.follow(stream, before[-1].id) as response:
            after = frames(response)
        with server.follow(stream) as response:
            whole = frames(response)
    assert [event.id for event in before + after] == [f"{stream}.1-{n}" for n in range(1, 64)]
    assert [event.data for event in whole] == [event.data for event in before + after]


def test_a_stop_is_remembered_over_a_restart(tmp_path):
    with demo("--state", str(tmp_path)) as server:
        stream = server.start("hello #rate=1")
        assert server.http.post(f"/v1/streams/{stream}/cancel").status_code == 202
        server.kill()
    with demo("--state", str(tmp_path)) as server:
        assert server.state(stream) == "stopped"


def test_an_idempotency_key_is_remembered_over_a_restart(tmp_path):
    with demo("--state", str(tmp_path)) as server:
        with server.post("hello #rate=1", idempotency_key="k") as response:
            stream = response.headers["ssechat-stream-id"]
        server.kill()
    restarted = demo("--state", str(tmp_path))
    with restarted as server, server.post("hello #rate=1", idempotency_key="k") as response:
        assert response.headers["ssechat-stream-id"] == stream
        assert response.headers["idempotent-replayed"] == "true"


def test_what_is_on_disk_is_bounded_to_one_file_a_stream(tmp_path):
    with demo("--state", str(tmp_path)) as server:
        stream = server.start("hello #cut=3,4,5")
        assert [path.name for path in files(tmp_path)] == [f"{stream}.json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quickly_with_status_0(number):
    with demo() as server, server.post("hello #rate=1") as response:
        began = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 5
        assert len(frames(response)) < 10
        assert server.errors() == ""


def test_nothing_but_ready_goes_to_standard_output():
    ran = run("--port", "0", "--lifeline", stdin=subprocess.DEVNULL)
    assert ran.returncode == 0
    assert ran.stdout.startswith("READY http://127.0.0.1:")
    assert ran.stdout.count("\n") == 1
    assert ran.stderr == ""


def test_a_port_in_use_is_a_plain_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("--port", str(port))
    assert ran.returncode == 1
    assert f"port {port}" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--host", "192.0.2.1"),
        ("--host", "no such host"),
        ("--host", "x" * 300),
        ("--port", "65536"),
        ("--state", "/dev/null/x"),
    ],
)
def test_what_cannot_be_is_a_plain_sentence_with_status_2(options):
    ran = run("--port", "0", *options)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert ran.stderr.strip()


async def test_a_child_serves_until_it_is_closed(tmp_path):
    child = await DemoChild.start(tmp_path, rate=1000)
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{child.base_url}/healthz")).status_code == 200
    assert child.running
    await child.close()
    await child.close()
    assert not child.running
    await_refused(child.base_url)


def test_a_child_ends_when_its_parent_is_killed(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", START_AND_HANG, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        url = parent.stdout.readline().strip()
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        parent.kill()
    await_refused(url)


def test_a_forgotten_child_leaves_no_noise(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", START_AND_FORGET, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    await_refused(ran.stdout.strip())


async def test_a_child_that_does_not_start_says_why(tmp_path):
    (tmp_path / "streams").write_text("in the way")
    with pytest.raises(Problem, match="did not start") as caught:
        await DemoChild.start(tmp_path)
    assert "cannot keep streams" in caught.value.detail
    assert caught.value.remedy


async def test_a_cancelled_start_leaves_no_process(tmp_path):
    task = asyncio.create_task(DemoChild.start(tmp_path))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@linux
async def test_a_child_gets_no_keys_no_descriptors_and_no_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret-key")
    with socket.create_server(("127.0.0.1", 0)) as kept:
        os.set_inheritable(kept.fileno(), True)
        child = await DemoChild.start(tmp_path)
        pid = child._process.pid
        proc = Path(f"/proc/{pid}")
        assert b"secret-key" not in (proc / "environ").read_bytes()
        assert b"ANTHROPIC" not in (proc / "cmdline").read_bytes()
        inode = os.fstat(kept.fileno()).st_ino
        held = [str(link.readlink()) for link in (proc / "fd").iterdir()]
        assert f"socket:[{inode}]" not in held
        assert os.getsid(pid) == pid
        await child.close()
