"""A thread that does SQLite's work, so that the event loop never waits for a disk or a lock."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Job:
    """A function to be run on the connection, then its outcome. It may be run more than once."""

    __slots__ = ("error", "future", "run", "value")

    def __init__(
        self, run: Callable[[sqlite3.Connection], Any], future: asyncio.Future[Any]
    ) -> None:
        self.run = run
        self.future = future
        self.value: Any = None
        self.error: Exception | None = None


class Worker:
    """Runs jobs in the order given, all that wait as one group; wakes the loop once a group."""

    def __init__(
        self,
        name: str,
        connection: sqlite3.Connection,
        run_group: Callable[[sqlite3.Connection, list[Job]], None],
    ) -> None:
        self._connection = connection
        self._run_group = run_group
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """The result to come. Cancelling it does not undo the job: it is done all the same."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(Job(run, future))
        return future

    async def stop(self, last: Callable[[sqlite3.Connection], None]) -> None:
        """Do what was submitted, then `last`; the thread has ended on return."""
        self._last = last
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        open_ = True
        while open_:
            group, open_ = self._wait()
            if group:
                self._run(group)
                self._report(group)
        self._last(self._connection)

    def _run(self, group: list[Job]) -> None:
        try:
            self._run_group(self._connection, group)
        except Exception as error:  # noqa: BLE001 - the thread must live; the waiters are told
            for job in group:
                job.error = job.error or error

    def _wait(self) -> tuple[list[Job], bool]:
        """The jobs that wait, at least one; and whether more may come."""
        group: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _report(self, group: list[Job]) -> None:
        try:
            self._loop.call_soon_threadsafe(_resolve, group)
        except RuntimeError:
            pass  # the loop is closed: nobody waits


def _resolve(group: list[Job]) -> None:
    for job in group:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.value)


def attempt(connection: sqlite3.Connection, job: Job) -> None:
    """Run a job and keep its outcome for the one who waits."""
    job.error = None
    try:
        job.value = job.run(connection)
    except Exception as error:  # noqa: BLE001 - raised again where the job is awaited
        job.error = error
