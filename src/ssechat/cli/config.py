"""`ssechat config`: where the configuration lies, what is in it, and what is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from ssechat import paths, settings
from ssechat.toml_tables import ConfigWarning

FAULTS = 2
"""The exit code of `check` if it found any."""


@click.group("config")
def command() -> None:
    """Where the configuration lies, what is in it, and what is wrong with it."""


@command.command()
def path() -> None:
    """Print the paths of config.toml and relay.toml; they need not exist."""
    for file in _files():
        click.echo(file)


@command.command()
def show() -> None:
    """Print the configuration as it is used, as JSON. Keys are named by where they come from."""
    found, warnings = settings.load(paths.config_file())
    _tell(warnings)
    text = msgspec.json.format(msgspec.json.encode(found), indent=2)
    click.echo(text.decode())


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True))
def check(file: Path | None) -> None:
    """Check config.toml and relay.toml, or FILE (which is a relay's if it is called so).

    Each fault is told with its file, line and key, what was expected, and what is used instead.
    """
    warnings = [warning for one in ([file] if file else _files()) for warning in _faults(one)]
    _tell(warnings)
    loose = [] if file else paths.loose_permissions(paths.private_paths())
    for sentence in loose:
        click.echo(f"ssechat: {sentence}", err=True)
    if warnings or loose:
        sys.exit(FAULTS)
    click.echo("no faults found")


def _files() -> list[Path]:
    return [paths.config_file(), paths.relay_file()]


def _faults(file: Path) -> list[ConfigWarning]:
    if file.name.startswith("relay"):
        from ssechat.relay import config

        return config.load(file)[1]
    return settings.load(file)[1]


def _tell(warnings: list[ConfigWarning]) -> None:
    from ssechat.core.safe import clean

    for warning in warnings:
        click.echo(f"ssechat: {clean(str(warning))}", err=True)
