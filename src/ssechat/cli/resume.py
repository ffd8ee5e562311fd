"""`ssechat resume`: finish what another process left, without the app."""

from __future__ import annotations

import asyncio
import sys

import click

from ssechat.cli.ask import explain
from ssechat.cli.ask_output import TextOutput, printing
from ssechat.core.errors import ConfigProblem, Problem
from ssechat.core.fold import Fold
from ssechat.hub import Live
from ssechat.journal import UNFINISHED, StreamRow
from ssechat.session import Session


@click.command("resume")
@click.argument("stream", required=False)
@click.option("--all", "every", is_flag=True, help="All unfinished streams.")
def command(stream: str | None, every: bool) -> None:
    """Go on with streams whose process is gone, and print what was missing.

    STREAM is an id as `ask --json` shows it; it may also be one that was cut. Nothing is printed
    twice: what the other process had saved but not yet printed when it died is in the history
    only. The exit code is that of `ssechat ask`, of the first stream that is not complete.
    """
    if (stream is None) != every:
        raise ConfigProblem("say which stream, or --all", remedy="try: ssechat resume --all")
    with printing():
        sys.exit(asyncio.run(_run(stream)))


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
        codes = [await _finish(session, live, before.get(live.stream_id, 0)) for live in lives]
        return next(filter(None, codes), 0)
    finally:
        await session.close()


async def _one(session: Session, row: StreamRow) -> Live:
    if row.state in UNFINISHED:
        for live in await session.hub.take_up(only=row.id):
            if not live.followed:
                return live
        raise Problem("another window reads this stream", remedy="look at it there")
    return await session.hub.resume(row.id)


async def _finish(session: Session, live: Live, known: int) -> int:
    """Print the answer's text beyond frame `known`; the exit code."""
    row = await session.journal.stream(live.stream_id)
    fold = Fold(row.codec.decoder())
    output = TextOutput(thinking=False)
    seen = 0
    async for frame in session.hub.subscribe(live):
        seen += 1
        deltas = fold.take(frame)
        if seen > known:
            output.deltas(deltas)
    output.deltas(fold.close(0.0))
    output.end(live)
    return explain(live)
