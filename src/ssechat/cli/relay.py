"""`ssechat relay`: keys and streams kept on a server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from ssechat import paths
from ssechat.core.errors import ConfigProblem, Problem

if TYPE_CHECKING:
    from ssechat.journal.owned import OwnedStreams
    from ssechat.relay.config import RelayConfig

T = TypeVar("T")

_ABOUT = """Keep keys on a server, and make every provider's streams resumable.

Clients use it like their provider, under the upstream's name, with a token instead of a key:

\b
  base_url = "http://127.0.0.1:8787/openai/v1"     OpenAI's SDK
  base_url = "http://127.0.0.1:8787/anthropic"     Anthropic's SDK

Each streamed answer is journalled and can be read again, from any event, at the address in its
`Location` header. Upstreams stand in relay.toml, beside config.toml; see docs/relay.md.
"""


@click.group("relay", help=_ABOUT, invoke_without_command=True)
@click.option("--host", metavar="H", help="Address to listen on, instead of relay.toml's.")
@click.option("--port", metavar="N", type=click.IntRange(0, 65535), help="Port; 0 for any.")
@click.option(
    "--uds", metavar="PATH", help="Listen on a Unix socket, which needs no token, instead."
)
@click.option(
    "--config",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Default: relay.toml beside config.toml.",
)
@click.option("--background", is_flag=True, help="Serve this user's apps, as they start it.")
@click.pass_context
def command(
    ctx: click.Context,
    host: str | None,
    port: int | None,
    uds: str | None,
    file: Path | None,
    background: bool,
) -> None:
    ctx.obj = file
    if ctx.invoked_subcommand is not None:
        return
    if uds and (host or port is not None):
        raise click.UsageError("--uds and --host or --port exclude each other")
    from ssechat.relay.serve import run, run_background

    if background:
        run_background(click.echo)
        return
    config = _config(file)
    changes = {"host": host, "port": port, "uds": uds}
    if host or port is not None:
        config = msgspec.structs.replace(config, uds="")
    given = {name: value for name, value in changes.items() if value is not None}
    run(msgspec.structs.replace(config, **given), click.echo)


@command.command()
def sample() -> None:
    """Print a relay.toml with all that it may hold, commented."""
    from importlib.resources import files

    click.echo((files("ssechat.relay") / "sample.toml").read_text("utf-8"), nl=False)


@command.group()
def token() -> None:
    """Tokens that let clients in. Each has an owner, who sees no other's streams."""


@token.command()
@click.argument("name")
@click.pass_obj
def add(file: Path | None, name: str) -> None:
    """Make a token for NAME, and print it: this once, for only its hash is kept."""
    if not name.strip() or not name.isprintable() or len(name) > 100 or name.startswith(":"):
        raise click.UsageError(
            "the name has to be printable, at most 100 characters long, and not to begin with :"
        )

    async def work(journal: OwnedStreams) -> str | None:
        return await journal.add_token(name)

    made = asyncio.run(_with_journal(file, work))
    if made is None:
        raise Problem(f"{name!r} has a token", remedy=f"ssechat relay token revoke {name}")
    click.echo(made)


@token.command("list")
@click.pass_obj
def list_(file: Path | None) -> None:
    """Who has a token, and since when."""

    async def work(journal: OwnedStreams) -> list[tuple[str, float]]:
        return await journal.tokens()

    for name, created in asyncio.run(_with_journal(file, work)):
        click.echo(f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(created))}  {name}")


@token.command()
@click.argument("name")
@click.pass_obj
def revoke(file: Path | None, name: str) -> None:
    """Take NAME's token back; it is refused from now on."""

    async def work(journal: OwnedStreams) -> bool:
        return await journal.revoke_token(name)

    if not asyncio.run(_with_journal(file, work)):
        raise Problem(f"{name!r} has no token", remedy="ssechat relay token list shows who has")


def _config(file: Path | None) -> RelayConfig:
    """The configuration; what is wrong with it goes to standard error."""
    from ssechat.relay.config import load

    if file is not None and not file.exists():
        raise ConfigProblem(f"there is no file {file}", remedy="check --config")
    config, warnings = load(file or paths.relay_file())
    for warning in warnings:
        click.echo(f"ssechat: {warning}", err=True)
    return config


async def _with_journal(file: Path | None, work: Callable[[OwnedStreams], Awaitable[T]]) -> T:
    from ssechat.relay.serve import open_journal

    journal = await open_journal(_config(file))
    try:
        return await work(journal)
    finally:
        await journal.close()
