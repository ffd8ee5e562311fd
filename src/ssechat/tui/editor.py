"""Writing a message in the user's own editor."""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
from pathlib import Path

from ssechat.core.errors import Problem


async def edit(text: str) -> str:
    """`text` as $VISUAL or $EDITOR leaves it. Raises Problem; streams go on meanwhile.

    The caller has handed the terminal over.
    """
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        command = shlex.split(named)
    except ValueError:
        command = [named]
    path = _written(text)
    try:
        process = await asyncio.create_subprocess_exec(*command, str(path))
        if await process.wait() != 0:
            raise Problem(f"{command[0]} failed", remedy="the draft is as it was")
        return _read(path, text)
    except OSError as error:
        raise Problem(
            f"{named} cannot be run: {error.strerror}", remedy="set EDITOR to your editor"
        ) from None
    finally:
        _remove(path)


def _written(text: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="ssechat-", suffix=".md")
    with os.fdopen(descriptor, "w", errors="replace") as file:
        file.write(text)
    return Path(name)


def _read(path: Path, before: str) -> str:
    """Editors end the last line; that is no change."""
    text = path.read_text(errors="replace")
    return text if before.endswith("\n") else text.rstrip("\n")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
