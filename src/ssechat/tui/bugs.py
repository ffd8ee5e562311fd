"""A bug of ours, met at run time: written down in full, told in a sentence.

Textual would print every local variable on the terminal, keys and conversations among them.
"""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from ssechat import __version__, paths
from ssechat.core.errors import Problem

LOG = "bugs.log"
LIMIT = 1_000_000
"""Bytes after which the log begins anew."""


def told(error: BaseException) -> Problem:
    """The error as a user should hear of it: itself if it is a Problem, else as a bug, logged."""
    if isinstance(error, Problem):
        return error
    path = _log(error)
    return Problem(
        f"this is a bug in ssechat: {type(error).__name__}: {error}",
        detail=f"what happened is in {path}" if path else "it could not be written to a log",
        remedy="your conversations are saved; please report it",
    )


def _log(error: BaseException) -> Path | None:
    """Append the traceback, without the values of variables; None if there is no place for it."""
    text = "".join(traceback.format_exception(error))
    entry = f"{time.strftime('%Y-%m-%d %H:%M:%S')} ssechat {__version__}\n{text}\n"
    try:
        path = paths.log_dir() / LOG
        fresh = os.O_TRUNC if path.exists() and path.stat().st_size > LIMIT else 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | fresh
        descriptor = os.open(path, flags, paths.PRIVATE_FILE)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(entry)
    except (OSError, Problem):
        return None
    return path
