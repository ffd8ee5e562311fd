"""The way out for what the journal could not take."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ssechat.core.safe import clean


def export_unsaved(texts: list[str]) -> Path:
    """Write the texts to a new file for their owner alone: at home, else in the temporary
    directory. Raises OSError if neither takes it."""
    text = "\n\n---\n\n".join(map(clean, texts))
    try:
        return _write(text, str(Path.home()))
    except OSError:
        return _write(text, tempfile.gettempdir())


def _write(text: str, folder: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="ssechat-unsaved-", suffix=".md", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return Path(name)
