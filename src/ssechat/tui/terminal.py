"""Is there a terminal for the full-screen app? Asked before anything heavy is imported."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from ssechat.core.errors import TerminalProblem

REMEDY = "Use `ssechat ask` for pipes, scripts and plain terminals."


def require_terminal() -> None:
    """Raise TerminalProblem unless the full-screen app can run here.

    Textual reads keys from the original standard input and paints on the original standard error,
    wherever standard output goes; without a terminal at both ends it runs on unseen and cannot be
    quit.
    """
    if sys.platform == "win32":
        raise TerminalProblem(
            "The full-screen app runs on Linux and macOS, not on Windows.",
            remedy="Use `ssechat ask` instead, or run it inside WSL.",
        )
    for name, stream in (("input", sys.__stdin__), ("error", sys.__stderr__)):
        if not _is_terminal(stream):
            raise TerminalProblem(
                f"The full-screen app needs a terminal, and standard {name} is not one.",
                remedy=REMEDY,
            )
    kind = os.environ.get("TERM", "")
    if kind in {"", "dumb", "unknown"}:
        raise TerminalProblem(
            f"The full-screen app needs a terminal that can move its cursor, and TERM is {kind!r}.",
            remedy=REMEDY,
        )


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and os.isatty(stream.fileno())
    except (OSError, ValueError):
        return False
