"""`ssechat ask` where something is in its way: configuration, terminal, pipe, journal, signals."""

from __future__ import annotations

import asyncio
import os
import pty
import resource
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from support.fault_server import FaultServer, Request, Wire
from support.hubs import RELAY, finish, opened, say
from support.programs import COMMAND, configure, done, environment, kill, read, run, started

IDS = "st_a.1-{}"
HOSTILE = "red \x1b[31m\x9b31m bell\x07 \u202eright\r\nnext"


async def answers(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    await say(wire, "fine")
    await finish(wire)


async def hangs(request: Request, wire: Wire) -> None:
    """Two words, then nothing; a request to stop is confirmed."""
    if request.target.endswith("/cancel"):
        await wire.reply(202, "{}")
    else:
        await wire.open_stream(RELAY)
        await say(wire, "a ", "b ", ids=IDS)
        await wire.hang()


async def states(home: Path) -> list[str]:
    async with opened(home / "data") as hub:
        return [row.state for row in await hub.journal.streams()]


# What is missing or wrong before anything is sent.


async def test_without_a_profile_and_a_key_it_says_what_would_help(tmp_path: Path) -> None:
    ended = await run(tmp_path, "ask", "why?")
    assert (ended.code, ended.out) == (2, "")
    assert "ANTHROPIC_API_KEY" in ended.err
    assert "--demo" in ended.err
    assert "Traceback" not in ended.err


async def test_a_key_that_is_not_set_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    async with FaultServer(answers) as server:
        configure(tmp_path, server.base_url, api_key_env="MY_API_KEY")
        ended = await run(tmp_path, "ask", "why?")
        assert (ended.code, ended.out) == (2, "")
        assert "MY_API_KEY" in ended.err
        assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "nobody"], "nobody"),
        (["--attach", "/does/not/exist"], "/does/not/exist"),
        (["--attach", "/bin/sh"], "not UTF-8"),
        (["--nonsense"], "nonsense"),
    ],
)
async def test_wrong_usage_is_status_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    async with FaultServer(answers) as server:
        configure(tmp_path, server.base_url)
        ended = await run(tmp_path, "ask", "why?", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert said in ended.err
        assert "Traceback" not in ended.err
        assert server.requests == []


@pytest.mark.parametrize("stdin", [None, b"", b" \n", b"\xff\xfe"])
async def test_no_prompt_is_status_2(stdin: bytes | None, tmp_path: Path) -> None:
    ended = await run(tmp_path, "ask", "--demo", stdin=stdin)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("ssechat: ")


async def test_a_fault_in_the_configuration_is_told_and_the_answer_comes(tmp_path: Path) -> None:
    async with FaultServer(answers) as server:
        configure(tmp_path, server.base_url)
        with (tmp_path / "config.toml").open("a") as config:
            config.write('[ui]\nfps = "many"\n')
        ended = await run(tmp_path, "ask", "why?")
    assert (ended.code, ended.out) == (0, "fine\n")
    assert "fps" in ended.err
    assert "config.toml" in ended.err


async def test_a_configuration_that_does_not_parse_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('profile = "test\n')
    ended = await run(tmp_path, "ask", "why?")
    assert (ended.code, ended.out) == (2, "")
    assert "config.toml" in ended.err
    assert "line 1" in ended.err or ":1" in ended.err
    assert "Traceback" not in ended.err


async def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    async with FaultServer(answers) as server:
        configure(tmp_path, server.base_url)
        await run(tmp_path, "ask", "why?")
        path = tmp_path / "data" / "ssechat.db"
        with sqlite3.connect(path) as newer:
            newer.execute("PRAGMA user_version = 99")
        newer.close()
        before = path.read_bytes()
        ended = await run(tmp_path, "ask", "why?")
        assert (ended.code, ended.out) == (1, "")
        assert "99" in ended.err
        assert "upgrade" in ended.err
        assert "Traceback" not in ended.err
        assert path.read_bytes() == before
        assert len(server.requests) == 1


UNPRIVILEGED = """
import ctypes, os, sys
if os.geteuid() == 0:
    PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
    assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0
os.execv(sys.executable, sys.argv[1:])
"""
"""Runs a command for which permissions count, also if we are root."""


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl to be run as root")
@pytest.mark.parametrize("what", ["ssechat.db", "."], ids=["file", "folder"])
async def test_data_that_cannot_be_written_is_told_and_nothing_is_sent(
    what: str, tmp_path: Path
) -> None:
    async with FaultServer(answers) as server:
        configure(tmp_path, server.base_url)
        await run(tmp_path, "ask", "why?")
        locked = tmp_path / "data" / what
        mode = 0o555 if what == "." else 0o444
        os.chmod(locked, mode)  # noqa: PTH101 - fast enough to be done here
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", UNPRIVILEGED, *COMMAND, "ask", "why?"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(tmp_path),
        )
        ended = await done(process)
        os.chmod(locked, 0o700)  # noqa: PTH101
        assert (ended.code, ended.out) == (1, "")
        assert "cannot be written" in ended.err
        assert "SSECHAT_DATA_DIR" in ended.err
        assert "Traceback" not in ended.err
        assert len(server.requests) == 1


# Signals and pipes.


async def test_ctrl_c_stops_the_answer(tmp_path: Path) -> None:
    async with FaultServer(hangs) as server:
        configure(tmp_path, server.base_url)
        async with started(tmp_path, "ask", "why?") as process:
            printed = await read(process, 4)
            process.send_signal(signal.SIGINT)
            ended = await done(process)
        assert ended.code == 130
        assert printed.decode() + ended.out == "a b \n"
        assert ended.err.startswith("ssechat: stopped")
        assert server.requests[-1].target == "/v1/streams/st_a/cancel"
    assert await states(tmp_path) == ["stopped"]


async def test_a_second_ctrl_c_does_not_wait_for_the_server(tmp_path: Path) -> None:
    async def deaf(request: Request, wire: Wire) -> None:
        if request.target.endswith("/cancel"):
            await wire.hang()
        else:
            await hangs(request, wire)

    async with FaultServer(deaf) as server:
        configure(tmp_path, server.base_url)
        async with started(tmp_path, "ask", "why?") as process:
            await read(process, 4)
            process.send_signal(signal.SIGINT)
            await server.received(2)
            process.send_signal(signal.SIGINT)
            ended = await done(process, within=5)
        assert ended.code == 130
        assert "Traceback" not in ended.err
    assert await states(tmp_path) == ["stopping"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
async def test_a_hangup_is_no_stop(number: signal.Signals, tmp_path: Path) -> None:
    async with FaultServer(hangs) as server:
        configure(tmp_path, server.base_url)
        async with started(tmp_path, "ask", "why?") as process:
            await read(process, 4)
            process.send_signal(number)
            ended = await done(process)
        assert (ended.code, ended.err) == (-number, "")
        assert len(server.requests) == 1
    assert await states(tmp_path) == ["live"]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
async def test_a_closed_pipe_ends_it_quietly_and_stops_the_answer(
    options: list[str], tmp_path: Path
) -> None:
    gone = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        if request.target.endswith("/cancel"):
            await wire.reply(202, "{}")
            return
        await wire.open_stream(RELAY)
        await say(wire, "a ", ids=IDS)
        await gone.wait()
        for number in range(2, 1000):
            await say(wire, "b ", first=number, ids=IDS)
        await wire.hang()

    async with FaultServer(handler) as server:
        configure(tmp_path, server.base_url)
        ours, theirs = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("ask", "why?", *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=theirs,
            stderr=asyncio.subprocess.PIPE,
            env=environment(tmp_path),
        )
        os.close(theirs)
        try:
            assert await asyncio.to_thread(os.read, ours, 100)
            os.close(ours)
            gone.set()
            _, err = await asyncio.wait_for(process.communicate(), 10)
        finally:
            kill(process)
        assert (process.returncode, err) == (141, b"")
        assert server.requests[-1].target.endswith("/cancel")
    assert await states(tmp_path) == ["stopped"]


async def test_output_that_cannot_be_written_is_told_and_the_answer_can_go_on(
    tmp_path: Path,
) -> None:
    async with FaultServer(hangs) as server:
        configure(tmp_path, server.base_url)
        full = os.open("/dev/full", os.O_WRONLY)
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("ask", "why?"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=full,
            stderr=asyncio.subprocess.PIPE,
            env=environment(tmp_path),
        )
        os.close(full)
        _, err = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 1
    assert err.startswith(b"ssechat: standard output cannot be written")
    assert b"Traceback" not in err
    assert await states(tmp_path) == ["live"]


@pytest.mark.parametrize(("closed", "code"), [("<&-", 0), (">&-", 141), ("2>&-", 0)])
async def test_a_closed_descriptor_is_no_traceback(closed: str, code: int, tmp_path: Path) -> None:
    async with FaultServer(answers) as server:
        configure(tmp_path, server.base_url)
        words = " ".join([*COMMAND, "ask", "why", closed])
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(tmp_path),
        )
        ended = await done(process)
    assert (ended.code, ended.err) == (code, "")
    assert ended.out == ("fine\n" if code == 0 else "")


# A hostile answer.


async def hostile(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    await say(wire, *HOSTILE)
    await finish(wire)


async def test_a_hostile_answer_is_cleaned_on_a_terminal(tmp_path: Path) -> None:
    async with FaultServer(hostile) as server:
        configure(tmp_path, server.base_url)
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("ask", "why?"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=theirs,
            stderr=asyncio.subprocess.PIPE,
            env=environment(tmp_path),
        )
        os.close(theirs)
        await asyncio.wait_for(process.communicate(), 10)
        shown = os.read(ours, 10_000).decode()
        os.close(ours)
    assert shown == "red ␛[31m\ufffd31m bell␇ \ufffdright\r\nnext\r\n"


async def test_in_a_pipe_it_is_passed_as_it_came_and_in_json_escaped(tmp_path: Path) -> None:
    async with FaultServer(hostile) as server:
        configure(tmp_path, server.base_url)
        raw = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("ask", "why?"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=environment(tmp_path),
        )
        out, _ = await asyncio.wait_for(raw.communicate(), 10)
        assert out == HOSTILE.encode() + b"\n"
        ended = await run(tmp_path, "ask", "why?", "--json")
    assert ended.out.replace("\n", "").isprintable()


async def test_an_answer_that_the_output_cannot_spell_is_no_traceback(tmp_path: Path) -> None:
    async with FaultServer(hostile) as server:
        configure(tmp_path, server.base_url)
        ended = await run(tmp_path, "ask", "why?", PYTHONIOENCODING="ascii")
    assert ended.code == 0
    assert "?right" in ended.out
    assert ended.err == ""


# The journal fails in mid-stream.


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit")
async def test_an_answer_that_cannot_be_saved_is_printed_to_its_end(tmp_path: Path) -> None:
    begun, locked = asyncio.Event(), asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a ")
        begun.set()
        await locked.wait()
        await say(wire, "b", first=2)
        await finish(wire)

    async with FaultServer(handler) as server:
        configure(tmp_path, server.base_url)
        async with started(tmp_path, "ask", "why?") as process:
            printed = await read(process, 2)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            locked.set()
            ended = await done(process)
    assert printed.decode() + ended.out == "a b\n"
    assert ended.code == 0
    assert "could not be saved" in ended.err
    assert "Traceback" not in ended.err
