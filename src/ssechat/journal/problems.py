"""What can be wrong with the journal, told so that a user can act on it.

JournalProblem
├── DiskFull        no room; writing works again once there is
├── ReadOnly        the file or its directory cannot be written
├── Locked          another process holds the file for too long
├── Damaged         not a database, or a malformed one; it is never touched
├── TooNew          written by a later ssechat
├── NotFound        that conversation, message or stream is not (or no longer) there
└── LeaseLost       another process owns the stream now
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from ssechat.core.errors import JournalProblem

ELSEWHERE = "or set SSECHAT_DATA_DIR to another directory"


class DiskFull(JournalProblem):
    pass


class ReadOnly(JournalProblem):
    pass


class Locked(JournalProblem):
    pass


class Damaged(JournalProblem):
    pass


class TooNew(JournalProblem):
    pass


class NotFound(JournalProblem):
    pass


class LeaseLost(JournalProblem):
    pass


def from_sqlite(error: sqlite3.Error, path: Path) -> JournalProblem:
    """The problem behind an error of SQLite's. Codes: sqlite.org/rescode.html."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    detail = f"{path}: {error}"
    match code & 0xFF:  # the low byte is the primary code
        case sqlite3.SQLITE_FULL:
            return disk_full(path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return read_only(path, str(error))
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Locked(
                "the journal is locked by another process",
                detail=detail,
                remedy="end the other ssechat, or the tool that has the file open, and try again",
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(path, str(error))
    return JournalProblem(
        "the journal cannot be read or written",
        detail=detail,
        remedy=f"check the disk, its free space and your quota, {ELSEWHERE}",
    )


def from_os(error: OSError, path: Path) -> JournalProblem:
    """The problem behind a failure to create the file or its directory."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(path)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return read_only(path, error.strerror or str(error))
    return JournalProblem(
        "the journal cannot be created",
        detail=f"{path}: {error.strerror or error}",
        remedy=f"make its directory, {ELSEWHERE}",
    )


def disk_full(path: Path) -> DiskFull:
    return DiskFull(
        "the disk is full", detail=str(path), remedy="free some space; writing is tried again"
    )


def read_only(path: Path, why: str) -> ReadOnly:
    return ReadOnly(
        "the journal cannot be written",
        detail=f"{path}: {why}",
        remedy=f"make the file and its directory writable for you, {ELSEWHERE}",
    )


def damaged(path: Path, why: str) -> Damaged:
    return Damaged(
        "the journal is damaged or not a journal",
        detail=f"{path}: {why}",
        remedy=f"move the file away (it is left as it is) or restore a copy, {ELSEWHERE}",
    )


def too_new(path: Path, found: int, known: int) -> TooNew:
    return TooNew(
        f"the journal has format {found}, this ssechat knows formats up to {known}",
        detail=str(path),
        remedy=f"upgrade ssechat, {ELSEWHERE}",
    )


def not_text(error: UnicodeEncodeError) -> NotFound:
    """A name with bytes that are not UTF-8, as the command line may pass them."""
    return NotFound(
        "this name has characters that cannot be in the journal",
        detail=ascii(error.object[:80]),
        remedy="type it again; F2 in the app lists all conversations",
    )


def not_found(what: str, name: str) -> NotFound:
    return NotFound(
        f"there is no such {what}",
        detail=name,
        remedy="check the id; F2 in the app lists all conversations",
    )
