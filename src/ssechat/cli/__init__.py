"""The command line. Each subcommand is a module of its own, imported only when it runs."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from ssechat import __version__
from ssechat.core.errors import Problem

_COMMANDS = {
    "ask": "One answer to standard output, as it streams.",
    "config": "Where the configuration lies, and what is wrong with it.",
    "demo-server": "The built-in provider, with fault knobs.",
    "relay": "Keep keys on a server, and make any provider's streams resumable.",
    "resume": "Finish unfinished streams without the app.",
}
"""Name and one line of help of each subcommand; its module is `cli/<name>.py`."""

_EPILOG = """\b
Examples:
  ssechat                        the full-screen app, on the provider whose key is set
  ssechat --demo                 the same on the built-in demo provider; no key needed
  ssechat ask "why is the sky blue?"
  git diff | ssechat ask "write a commit message for this"
"""

CLOSED_PIPE = 141
INTERRUPTED = 130


class _Lazy(click.Group):
    """A group that imports a subcommand only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = import_module(f"ssechat.cli.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.group(
    cls=_Lazy,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="ssechat %(version)s")
@click.option("--profile", metavar="P", help="A profile of config.toml, or a provider's name.")
@click.option("--model", metavar="M", help="The model, instead of the profile's.")
@click.option("--demo", is_flag=True, help="Use the built-in demo provider; needs no key.")
@click.option("--direct", is_flag=True, help="Without the background relay.")
@click.option("--take-over", is_flag=True, help="Read the streams of other windows, too.")
@click.pass_context
def _root(ctx: click.Context, /, **options: Any) -> None:
    """A chat client for LLMs whose streams survive anything: a dropped network, a closed laptop,
    a dead SSH session, kill -9.

    Without a command it opens the full-screen app.
    """
    if ctx.invoked_subcommand is None:
        from ssechat.tui.terminal import require_terminal

        require_terminal()
        from ssechat.cli.app import run

        sys.exit(run(**options))


def main() -> None:
    """The entry point. Every error ends in one readable message on standard error."""
    try:
        _root(prog_name="ssechat", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except Problem as problem:
        report(problem)
        sys.exit(problem.exit_code)
    except BrokenPipeError:
        close_quietly()
        sys.exit(CLOSED_PIPE)


def report(problem: Problem) -> None:
    """Say what is wrong, on standard error."""
    from ssechat.core.safe import clean

    lines = clean(str(problem)).splitlines()
    click.echo("\n".join([f"ssechat: {lines[0]}", *(f"  {line}" for line in lines[1:])]), err=True)


def close_quietly() -> None:
    """Standard output is gone: keep the interpreter from complaining about it at exit."""
    if sys.stdout is not None:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
