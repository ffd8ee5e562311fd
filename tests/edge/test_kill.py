"""`kill -9` in mid-stream: another process finishes the answer, whole and without repeats."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import NamedTuple

from ssechat.core.frames import FrameKind
from ssechat.journal import MessageRow
from support.hubs import opened
from support.programs import Done, kill, read, run, started

PROMPT = "hello #rate=400 #length=400"  # one second, less than half of it thinking
POINTS = 50
TOGETHER = 4
ASK = ("ask", "--demo", PROMPT)


class Point(NamedTuple):
    """Where to kill: after so much output, then after so many seconds more."""

    output: int
    seconds: float


class Killed(NamedTuple):
    """What was printed before and after the kill, and what the history holds then."""

    point: Point
    printed: str
    resumed: Done
    row: MessageRow | None
    events: int


async def history(home: Path) -> tuple[MessageRow | None, int]:
    """The only answer, if there is one, and the number of its events."""
    async with opened(home / "data") as hub:
        conversations = await hub.journal.conversations()
        if not conversations:
            return None, 0
        (one,) = conversations
        row = (await hub.journal.path(one.id))[-1]
        assert row.stream_id is not None
        stored = await hub.journal.frames(row.stream_id, 0, 100_000)
        return row, sum(frame.kind is FrameKind.EVENT for _, frame in stored)


async def kill_and_resume(home: Path, point: Point) -> Killed:
    async with started(home, *ASK) as process:
        printed = await read(process, point.output)
        await asyncio.sleep(point.seconds)
        kill(process)
        printed += (await process.communicate())[0]
    resumed = await run(home, "resume", "--all")
    return Killed(point, printed.decode(), resumed, *await history(home))


def points(size: int) -> list[Point]:
    """By what was printed, by time from the start (also before the first byte), and by both."""
    dice = random.Random(9)
    by_output = [Point(dice.randint(1, size), 0.0) for _ in range(POINTS // 4)]
    by_time = [Point(0, dice.uniform(0.2, 1.8)) for _ in range(POINTS // 4 - 5)]
    return [*by_output, *by_time, *(Point(1, dice.uniform(0.0, 0.5)) for _ in range(5))]


async def test_an_answer_is_whole_after_kill_9_at_any_point(tmp_path: Path) -> None:
    whole = await run(tmp_path / "whole", *ASK)
    assert whole.code == 4, whole.err
    expected, events = await history(tmp_path / "whole")
    assert expected is not None
    assert f"{expected.text}\n" == whole.out
    gate = asyncio.Semaphore(TOGETHER)

    async def one(number: int, point: Point) -> Killed:
        async with gate:
            return await kill_and_resume(tmp_path / str(number), point)

    found = await asyncio.gather(*map(one, range(POINTS), points(len(whole.out) - 200)))
    for killed in found:
        never_sent(killed) or finished(killed, expected, events)
    in_midstream = [killed for killed in found if killed.resumed.out]
    assert len(in_midstream) > POINTS // 4


async def test_a_kill_while_it_is_being_finished_loses_nothing_either(tmp_path: Path) -> None:
    await run(tmp_path / "whole", *ASK)
    expected, events = await history(tmp_path / "whole")
    assert expected is not None

    async def twice(number: int) -> None:
        home = tmp_path / str(number)
        async with started(home, *ASK) as process:
            await read(process, 50)
            kill(process)
        async with started(home, "resume", "--all") as process:
            await read(process, 50 * number)
            kill(process)
        found = Killed(Point(50, 0), "", await run(home, "resume", "--all"), *await history(home))
        finished(found, expected, events)

    await asyncio.gather(*map(twice, range(4)))


def never_sent(killed: Killed) -> bool:
    """Killed before the question was written down: it was not sent, and nothing is left over."""
    if killed.row is not None:
        return False
    assert (killed.printed, killed.resumed.out, killed.resumed.code) == ("", "", 0)
    return True


def finished(killed: Killed, expected: MessageRow, events: int) -> None:
    row, said = killed.row, killed.resumed
    assert row is not None
    assert (row.state, row.text) == (expected.state, expected.text), said
    assert (row.thinking, killed.events) == (expected.thinking, events), said
    assert "Traceback" not in said.err
    unprinted(killed, expected.text)


def unprinted(killed: Killed, text: str) -> str:
    """What neither process printed: only what the first one had saved when it was killed. Nothing
    is printed twice."""
    if killed.printed == f"{text}\n":
        return ""
    rest = killed.resumed.out.removesuffix("\n")
    assert text.startswith(killed.printed)
    assert text.endswith(rest)
    assert len(killed.printed) + len(rest) <= len(text)
    return text[len(killed.printed) : len(text) - len(rest)]
