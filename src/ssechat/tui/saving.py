"""Images and audio on their way out: to a file of the user's, or to the program that shows them.

No name and no type that came from a server reaches a path or a command line: names are ours, and
suffixes those of the content.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ssechat import paths
from ssechat.core.blob import Blob, MediaFile, media_file
from ssechat.core.errors import Problem
from ssechat.core.reply import Part
from ssechat.journal import Journal
from ssechat.tui.transcript.page import Page, ReplyItem

_SLUG = 40  # characters
_TRIES = 1000
_GLANCE = 1.0  # s in which a program may say that it cannot show the file
_KEEP = 24 * 3600.0  # s after which the copy that was shown is removed, at the next showing


class Thing(NamedTuple):
    """An image or sound of a conversation; `number` counts them from 1, in its order."""

    number: int
    message_id: str
    part: Part
    blob: Blob


def things(page: Page) -> list[Thing]:
    """All on the page that came and were kept, but for those that are still coming."""
    return [
        Thing(number, key, part, blob) for number, (key, part, blob) in enumerate(_kept(page), 1)
    ]


def _kept(page: Page) -> Iterator[tuple[str, Part, Blob]]:
    for item in page.items:
        for part in item.reply.parts if isinstance(item, ReplyItem) else ():
            blob = part.media
            if blob is not None and part.arrived:
                yield item.key, part, blob


async def content(journal: Journal, thing: Thing) -> MediaFile:
    """The file, from memory or from the journal. Raises JournalProblem."""
    file = thing.blob.file(thing.part.index)
    if file is not None:
        return file
    return media_file(thing.part.index, await journal.media(thing.message_id, thing.part.index))


async def save(file: MediaFile, title: str, number: int) -> Path:
    """Write the file where the user looks for it, under a name that was free. Raises Problem."""
    return await asyncio.to_thread(_save, file, f"ssechat-{slug(title)}-{number}")


async def show(file: MediaFile) -> bool:
    """Hand a copy to the program that shows such files, and do not wait for it.

    False if there is none that could. Raises Problem.
    """
    program = viewer()
    if program is None:
        return False
    await asyncio.to_thread(_show, file, program)
    return True


def slug(title: str) -> str:
    """The title as a part of a file name: letters and digits of any script, and hyphens."""
    text = unicodedata.normalize("NFC", title[:500]).casefold()
    words = "".join(char if char.isalnum() else " " for char in text).split()
    return "-".join(words)[:_SLUG].strip("-") or "conversation"


def viewer() -> str | None:
    """The program that opens files; None where a window could not be seen: over SSH, on a
    console."""
    if sys.platform == "darwin":
        return None if os.environ.get("SSH_CONNECTION") else shutil.which("open")
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None
    return shutil.which("xdg-open")


def _save(file: MediaFile, name: str) -> Path:
    folder = paths.downloads_dir()
    suffix = file.type.suffix
    names = (name, *(f"{name}-{count}" for count in range(2, _TRIES)))
    for candidate in names:
        path = folder / f"{candidate}.{suffix}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, paths.PRIVATE_FILE)
        except FileExistsError:
            continue
        except OSError as error:
            raise _unwritable(path, error) from None
        _write(descriptor, path, file.data)
        return path
    raise Problem(f"{folder} is full of files called {name}", remedy="move some of them away")


def _write(descriptor: int, path: Path, data: bytes) -> None:
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> Problem:
    return Problem(
        f"{path} cannot be written",
        detail=error.strerror or str(error),
        remedy="make room there, or make the directory writable for you",
    )


def _show(file: MediaFile, program: str) -> None:
    folder = paths.viewing_dir()
    _sweep(folder)
    try:
        descriptor, name = tempfile.mkstemp(f".{file.type.suffix}", "ssechat-", folder)
    except OSError as error:
        raise _unwritable(folder, error) from None
    _write(descriptor, Path(name), file.data)
    _start(program, name)


def _sweep(folder: Path) -> None:
    """Remove the copies that nobody looks at any more."""
    for path in folder.iterdir():
        try:
            if path.stat().st_mtime < time.time() - _KEEP:
                path.unlink()
        except OSError:
            pass  # another window was faster


def _start(program: str, name: str) -> None:
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            [program, name], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
    except OSError as error:
        raise _unshown(program, error.strerror or str(error)) from None
    try:
        code = process.wait(_GLANCE)
    except subprocess.TimeoutExpired:
        threading.Thread(target=process.wait, daemon=True).start()  # so that it leaves no zombie
        return
    if code != 0:
        raise _unshown(program, f"it ended with {code}")


def _unshown(program: str, why: str) -> Problem:
    return Problem(
        f"{Path(program).name} could not open the file", detail=why, remedy="save it instead"
    )
