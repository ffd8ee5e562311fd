"""One SQLite file behind the event loop: writes committed in groups, reads beside them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from ssechat.core.errors import JournalProblem
from ssechat.journal import problems
from ssechat.journal.connect import BUSY_TIMEOUT, connect
from ssechat.journal.worker import Job, Worker, attempt

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


_BUSY_SLICE_MS = 100
_IN_A_HURRY = 0.5  # s


class Patience:
    """How long a transaction waits for another process to end its own, in seconds."""

    def __init__(self) -> None:
        self.seconds = BUSY_TIMEOUT


class Database:
    """A file that many processes may have open. Errors are JournalProblem."""

    def __init__(self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self.path = path
        self._patience = Patience()
        writer.execute(f"PRAGMA busy_timeout = {_BUSY_SLICE_MS}")
        self._writer = Worker("journal-writer", writer, partial(write_group, self._patience))
        self._reader = Worker("journal-reader", reader, read_group)
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, durable: bool = False) -> Database:
        """Open or create `path`, bring it to the newest format, and start the two threads."""
        return cls(path, *await asyncio.to_thread(connect, path, durable))

    def write(self, work: Work[T]) -> Awaitable[T]:
        """Run `work` in a transaction of its own; it is committed once this has been awaited, and
        under way before.

        `work` may be run again if the transaction as a whole was lost, so it must not have effects
        besides. If the caller is cancelled it is done all the same.
        """
        return self._do(self._writer, work)

    def read(self, work: Work[T]) -> Awaitable[T]:
        """Run `work`, whose statements all see one state of the file."""
        return self._do(self._reader, work)

    async def flush(self) -> None:
        """Return once everything that was handed to `write` before is committed (or failed)."""
        await self.write(lambda connection: None)

    def hurry(self) -> None:
        """We are about to end: wait no longer for another process' lock than for a moment."""
        self._patience.seconds = _IN_A_HURRY

    async def close(self) -> None:
        """Flush, fold the write-ahead log into the file if nobody else needs it, and close."""
        if not self._closed:
            self._closed = True
            await self._reader.stop(sqlite3.Connection.close)
            await self._writer.stop(_checkpoint_and_close)

    def _do(self, worker: Worker, work: Work[T]) -> Awaitable[T]:
        return self._outcome(None if self._closed else worker.submit(work))

    async def _outcome(self, future: asyncio.Future[T] | None) -> T:
        if future is None:
            raise JournalProblem("the journal is closed", remedy="start ssechat again")
        try:
            return await future
        except sqlite3.Error as error:
            raise problems.from_sqlite(error, self.path) from error
        except UnicodeEncodeError as error:
            raise problems.not_text(error) from None


def write_group(patience: Patience, connection: sqlite3.Connection, jobs: list[Job]) -> None:
    """Run all jobs in one transaction, a failing one undone alone; if all is lost, each in its own.

    SQLite itself may roll the transaction back (full disk, I/O error), and the commit may fail.
    """
    try:
        _begin(connection, patience)
    except sqlite3.Error as error:
        for job in jobs:
            job.error = error
        return
    try:
        if len(jobs) > 1:
            for job in jobs:
                _in_savepoint(connection, job)
        else:
            attempt(connection, jobs[0])
        connection.execute("COMMIT" if jobs[0].error is None or len(jobs) > 1 else "ROLLBACK")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if len(jobs) > 1:
            for job in jobs:
                write_group(patience, connection, [job])
        else:
            jobs[0].error = jobs[0].error or error


def read_group(connection: sqlite3.Connection, jobs: list[Job]) -> None:
    """Run each job on a snapshot of its own."""
    for job in jobs:
        try:
            connection.execute("BEGIN")
            attempt(connection, job)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            job.error = job.error or error


def _begin(connection: sqlite3.Connection, patience: Patience) -> None:
    """Begin to write. In slices, for patience may end while we wait."""
    started = time.monotonic()
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() - started > patience.seconds:
                raise


def _in_savepoint(connection: sqlite3.Connection, job: Job) -> None:
    connection.execute("SAVEPOINT job")
    attempt(connection, job)
    if job.error is not None:
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _checkpoint_and_close(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("PRAGMA busy_timeout = 200")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        pass  # the next one to open the file does it
    connection.close()
