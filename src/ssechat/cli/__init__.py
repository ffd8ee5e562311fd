"""The command line. Each subcommand is a module, imported only when it runs."""

from __future__ import annotations


def main() -> None:
    raise SystemExit("not built yet")
