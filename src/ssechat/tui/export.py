"""The way out for what the journal could not take."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ssechat.core.safe import clean
from ssechat.hub import Live


def export_unsaved(lives: list[Live]) -> Path:
    """Write the answers to a new file for their owner alone: at home, else in the temporary
    directory. Raises OSError if neither takes it."""
    text = "\n\n---\n\n".join(clean(live.fold.reply.answer) for live in lives)
    try:
        return _write(text, str(Path.home()))
    except OSError:
        return _write(text, tempfile.gettempdir())


def _write(text: str, folder: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="ssechat-unsaved-", suffix=".md", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return Path(name)
