"""Several processes and one file; and what a killed, a confined and an unprivileged one meet."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from support import journal as support
from support.journal import all_frames, frame, opened, question

ROUNDS = 8


async def start(*arguments: str) -> Process:
    """Another process that uses the journal: see `support/journal.py`."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", support.__file__, *arguments, stdout=PIPE
    )


async def read_line(process: Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 10)).decode().strip()


async def test_a_killed_writer_leaves_cursor_and_frames_in_step_each_time(tmp_path: Path) -> None:
    last_seq = 0
    for _ in range(ROUNDS):
        writer = await start("for-ever", str(tmp_path))
        try:
            for _ in range(random.randint(1, 60)):
                committed = int(await read_line(writer))
        finally:
            os.kill(writer.pid, signal.SIGKILL)
            await writer.communicate()
        async with opened(tmp_path) as journal:
            (row,) = await journal.orphans()
            written = await all_frames(journal, row.id)
            assert row.last_seq == len(written) >= committed > last_seq
            assert row.cursor == written[-1].id == f"e{row.last_seq}"
            assert [one.id for one in written] == [f"e{n + 1}" for n in range(len(written))]
            last_seq = row.last_seq


async def test_a_process_follows_what_another_appends_while_it_appends_itself(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as journal:
        ours = await journal.begin(question())
        other = await start("some", str(tmp_path), "150")
        theirs = await read_line(other)
        assert [row.id for row in await journal.foreign()] == [theirs]
        followed: list[str] = []
        number = 0
        while len(followed) < 150:
            number += 1
            await journal.append(ours.stream_id, [frame(number)], f"e{number}")
            if (await journal.stream(theirs)).last_seq > len(followed):
                followed += [one.id for _, one in await journal.frames(theirs, len(followed))]
        await other.communicate()
        assert other.returncode == 0
        assert followed == [f"e{n}" for n in range(1, 151)]
        assert len(await all_frames(journal, ours.stream_id)) == number
        assert [row.id for row in await journal.orphans()] == [theirs]


async def test_processes_that_create_the_file_at_once_all_get_it(tmp_path: Path) -> None:
    processes = [await start("open", str(tmp_path)) for _ in range(6)]
    for process in processes:
        await process.communicate()
    assert [process.returncode for process in processes] == [0] * 6
    async with opened(tmp_path) as journal:
        assert len(await journal.conversations()) == 6


CONFINED = """
import asyncio, resource, sys
from pathlib import Path
from ssechat.core.errors import JournalProblem
from support.journal import all_frames, frame, opened, question

async def main():
    async with opened(Path(sys.argv[1])) as journal:
        stream_id = (await journal.begin(question())).stream_id
        await journal.append(stream_id, [frame(1)], "e1")
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        for _ in range(3):
            try:
                await journal.append(stream_id, [frame(2, "x" * 300_000)], "e2")
            except JournalProblem as problem:
                assert problem.remedy, problem
            else:
                raise AssertionError("the limit was not met")
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert await journal.append(stream_id, [frame(2, "x" * 300_000)], "e2") == 2
        assert [one.id for one in await all_frames(journal, stream_id)] == ["e1", "e2"]

asyncio.run(main())
"""

UNPRIVILEGED = """
import asyncio, os, sys
from pathlib import Path
from ssechat.journal import Journal, ReadOnly, Lease

async def refused(path, named):
    try:
        journal = await Journal.open(path)
    except ReadOnly as problem:
        assert str(named) in problem.detail, problem
        assert "SSECHAT_DATA_DIR" in problem.remedy
    else:
        await journal.close()
        raise AssertionError("opened")

async def main():
    folder = Path(sys.argv[1])
    path = folder / "ssechat.db"
    await (await Journal.open(path)).close()
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
        os.chown(folder, 65534, 65534)
        os.setgid(65534)
        os.setuid(65534)
    before = path.read_bytes()
    path.chmod(0o400)
    await refused(path, path)
    path.chmod(0o600)
    folder.chmod(0o500)
    await refused(path, folder)
    await refused(folder / "new.db", folder)
    assert path.read_bytes() == before
    folder.chmod(0o700)
    await (await Journal.open(path)).close()

asyncio.run(main())
"""


def run(script: str, folder: Path) -> None:
    tests = Path(support.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])}
    command = [sys.executable, "-W", "error", "-c", script, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def test_a_disk_that_refuses_is_a_problem_and_appending_goes_on_when_it_yields(
    tmp_path: Path,
) -> None:
    run(CONFINED, tmp_path)


def test_a_file_or_folder_without_permission_is_named_and_left_alone() -> None:
    # Another user enters it, whom pytest's own folders keep out.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        run(UNPRIVILEGED, Path(folder))
