"""Streams on disk: one small file each, so that they go on after a restart."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import msgspec

from ssechat.core.errors import ConfigProblem
from ssechat.demo.stream import KEPT, Stream, is_id

_LARGEST = 8 * 1024 * 1024


class _File(msgspec.Struct):
    stream: Stream
    body: str


class Store:
    """The folder `streams` in a state directory. Raises ConfigProblem if it cannot be ours."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "streams"
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            found = self._folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                raise PermissionError(f"{self._folder} is not a directory of yours")
            self._folder.chmod(0o700)
        except OSError as error:
            raise ConfigProblem(
                f"cannot keep streams in {str(state)!r}",
                detail=error.strerror or str(error),
                remedy="choose another directory with --state",
            ) from None

    def load(self) -> list[Stream]:
        """All streams, oldest first. Files that do not read are removed, and so are leftovers."""
        streams = []
        for path in sorted(self._folder.iterdir()):
            if path.suffix == ".json" and is_id(path.stem):
                found = self._read(path)
                if found is None:
                    path.unlink(missing_ok=True)
                else:
                    streams.append(found.stream)
            elif path.suffix == ".tmp":
                _remove_old(path)
        return sorted(streams, key=lambda stream: stream.began)

    def find(self, id: str) -> Stream | None:
        """A stream by its id, whatever text that is."""
        found = self._file(id)
        return found.stream if found else None

    def body(self, id: str) -> bytes | None:
        """The request that made a stream."""
        found = self._file(id)
        return found.body.encode() if found else None

    def add(self, stream: Stream, body: bytes) -> None:
        """Raises OSError."""
        self._write(_File(stream, body.decode()))

    def update(self, stream: Stream) -> None:
        """Write a change. If the disk refuses, the change holds until the process ends."""
        found = self._file(stream.id)
        if found is None:
            return
        try:
            self._write(_File(stream, found.body))
        except OSError:
            return

    def remove(self, stream: Stream) -> None:
        self._path(stream.id).unlink(missing_ok=True)

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.json"

    def _file(self, id: str) -> _File | None:
        return self._read(self._path(id)) if is_id(id) else None

    def _read(self, path: Path) -> _File | None:
        try:
            with path.open("rb") as file:
                found = msgspec.json.decode(file.read(_LARGEST), type=_File)
        except (OSError, ValueError, RecursionError):
            return None
        return found if found.stream.id == path.stem else None

    def _write(self, file: _File) -> None:
        path = self._path(file.stream.id)
        draft = path.with_suffix(".tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as out:
            out.write(msgspec.json.encode(file))
        draft.replace(path)


def _remove_old(path: Path) -> None:
    try:
        if path.stat().st_mtime < time.time() - KEPT:
            path.unlink()
    except OSError:
        return
