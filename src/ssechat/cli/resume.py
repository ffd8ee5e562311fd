"""`ssechat resume`: finish what another process left, without the app."""

from __future__ import annotations

import asyncio
import sys

import click

from ssechat.cli import CLOSED_PIPE, close_quietly, report
from ssechat.cli.ask_output import Pen
from ssechat.core.deltas import EndState, Text
from ssechat.core.dialects import dialect
from ssechat.core.errors import ConfigProblem, Problem
from ssechat.core.fold import Fold
from ssechat.hub import Live
from ssechat.journal import StreamRow
from ssechat.session import Session


@click.command("resume")
@click.argument("stream", required=False)
@click.option("--all", "every", is_flag=True, help="All unfinished streams.")
def command(stream: str | None, every: bool) -> None:
    """Go on with streams whose process is gone, and print what was missing.

    STREAM is an id as `ask --json` shows it; it may also be one that was cut.
    """
    if (stream is None) != every:
        raise ConfigProblem("say which stream, or --all", remedy="try: ssechat resume --all")
    try:
        sys.exit(asyncio.run(_run(stream)))
    except BrokenPipeError:
        close_quietly()
        sys.exit(CLOSED_PIPE)


async def _run(stream_id: str | None) -> int:
    session = await Session.open()
    try:
        if stream_id is None:
            rows = await session.journal.orphans()
            lives = [live for live in await session.hub.take_up() if not live.followed]
            before = {row.id: row.last_seq for row in rows}
        else:
            row = await session.journal.stream(stream_id)
            lives = [await _one(session, row)]
            before = {row.id: row.last_seq}
        if not lives:
            click.echo("ssechat: nothing is unfinished", err=True)
        for live in lives:
            await _finish(session, live, before.get(live.stream_id, 0))
        return int(
            any(live.outcome and live.outcome.end is not EndState.COMPLETE for live in lives)
        )
    finally:
        await session.close()


async def _one(session: Session, row: StreamRow) -> Live:
    if row.state in ("live", "stopping"):
        lives = await session.hub.take_up()
        for live in lives:
            if live.stream_id == row.id and not live.followed:
                return live
        raise Problem("another window reads this stream", remedy="look at it there")
    return await session.hub.resume(row.id)


async def _finish(session: Session, live: Live, known: int) -> None:
    """Print the answer's text beyond frame `known`."""
    row = await session.journal.stream(live.stream_id)
    fold = Fold(dialect(row.dialect).decoder())
    pen = Pen(sys.stdout)
    seen = 0
    async for frame in session.hub.subscribe(live):
        seen += 1
        for delta in fold.take(frame):
            if seen > known and isinstance(delta, Text):
                pen.write(delta.text)
    for delta in fold.close(0.0):
        if isinstance(delta, Text):
            pen.write(delta.text)
    pen.finish()
    if live.outcome is not None and live.outcome.end is not EndState.COMPLETE:
        report(Problem(f"{live.outcome.end}: {live.outcome.note}".rstrip(": ")))
