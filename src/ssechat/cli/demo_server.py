"""`ssechat demo-server`: the built-in provider."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ssechat.cli import report
from ssechat.core.errors import Problem
from ssechat.demo.faults import KNOBS

_ABOUT = """Run the demo provider: a server on this machine that needs no key.

It speaks Chat Completions (POST /v1/chat/completions) and Messages (POST /v1/messages), and its
streams can be resumed with Last-Event-ID, also after the server was killed. It prints READY and
its URL when it accepts connections, and ends with ctrl+c.
"""


def _knobs() -> str:
    rows = [f"  {knob.form:<15}  {knob.does}" for knob in KNOBS]
    intro = "Fault knobs, to be put anywhere in a prompt (N counts events, S is seconds):"
    return "\n".join([intro, "", "\b", *rows, "", "Example: explain SSE #cut=40,120 #rate=30"])


@click.command("demo-server", help=_ABOUT, epilog=_knobs())
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8790,
    show_default=True,
    help="Port to listen on; 0 takes any that is free.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 100_000),
    default=40.0,
    show_default=True,
    help="Events a second.",
)
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep requests here, so that streams survive a restart. Default: in memory only.",
)
@click.option("--lifeline", is_flag=True, help="End when standard input ends.")
def command(host: str, port: int, rate: float, state: Path | None, lifeline: bool) -> None:
    from ssechat.demo.serve import run

    try:
        run(host, port, rate, state, lifeline)
    except Problem as problem:
        report(problem)
        sys.exit(problem.exit_code)


if __name__ == "__main__":
    command(prog_name="ssechat demo-server")
