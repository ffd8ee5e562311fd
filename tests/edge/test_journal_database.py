"""The database: groups, isolation, what it refuses to open, and how it ends."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ssechat.core.errors import JournalProblem
from ssechat.journal import Damaged, DiskFull, Locked, TooNew, schema
from ssechat.journal.connect import connect
from ssechat.journal.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "ssechat.db")
    await opened.write(lambda c: c.execute("CREATE TABLE note (text TEXT NOT NULL UNIQUE)"))
    yield opened
    await opened.close()


def note(text: str) -> Callable[[sqlite3.Connection], str]:
    def work(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO note VALUES (?)", (text,))
        return text

    return work


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def notes(database: Database) -> list[str]:
    query = "SELECT text FROM note ORDER BY rowid"
    return await database.read(lambda c: [text for (text,) in c.execute(query)])


async def as_one_group(
    database: Database, *works: Callable[[sqlite3.Connection], object]
) -> list[object]:
    """Hand all of them in while the writer is busy with another, so that they wait together."""
    busy, go = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        busy.set()
        assert go.wait(5)

    first = asyncio.ensure_future(database.write(hold))
    await asyncio.to_thread(busy.wait, 5)
    rest = [asyncio.ensure_future(database.write(work)) for work in works]
    await asyncio.sleep(0)
    go.set()
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


async def test_jobs_that_wait_together_share_one_transaction(database: Database) -> None:
    statements: list[str] = []
    await database.write(lambda c: c.set_trace_callback(statements.append))
    results = await as_one_group(database, *(note(str(n)) for n in range(50)))
    await database.write(lambda c: c.set_trace_callback(None))
    assert results == [str(n) for n in range(50)]
    first_insert = next(n for n, text in enumerate(statements) if text.startswith("INSERT"))
    last_insert = max(n for n, text in enumerate(statements) if text.startswith("INSERT"))
    assert "COMMIT" not in statements[first_insert:last_insert]


async def test_the_loop_is_woken_once_for_a_group(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    wakes: list[object] = []
    wake = loop.call_soon_threadsafe

    def counting(callback: Callable[..., object], *args: object) -> asyncio.Handle:
        if threading.current_thread().name == "journal-writer":
            wakes.append(callback)
        return wake(callback, *args)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counting)
    await as_one_group(database, *(note(str(n)) for n in range(50)))
    assert len(wakes) == 2  # the one that held the writer up, and the group


async def test_a_failing_job_does_not_fail_its_neighbours_and_leaves_nothing(
    database: Database,
) -> None:
    def half(connection: sqlite3.Connection) -> None:
        note("half")(connection)
        raise ValueError("no")

    results = await as_one_group(database, note("a"), half, note("a"), note("b"))
    assert results[0] == "a"
    assert results[3] == "b"
    assert isinstance(results[1], ValueError)
    assert isinstance(results[2], JournalProblem)
    assert await notes(database) == ["a", "b"]


async def test_neighbours_survive_a_transaction_that_was_rolled_back_whole(
    database: Database,
) -> None:
    def as_a_full_disk_may(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("gone")

    results = await as_one_group(database, note("a"), as_a_full_disk_may, note("b"))
    assert results[0] == "a"
    assert results[2] == "b"
    assert isinstance(results[1], JournalProblem)
    assert "gone" in results[1].detail
    assert await notes(database) == ["a", "b"]


async def test_neighbours_survive_a_commit_that_fails(database: Database) -> None:
    def orphan(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute(
            "INSERT INTO pack (stream_id, first_seq, last_seq, frames) VALUES ('x', 1, 1, '')"
        )

    results = await as_one_group(database, note("a"), orphan, note("b"))
    assert results[0] == "a"
    assert results[2] == "b"
    assert isinstance(results[1], JournalProblem)
    assert await notes(database) == ["a", "b"]


async def test_a_cancelled_waiter_breaks_neither_its_job_nor_the_group(database: Database) -> None:
    busy, go = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        busy.set()
        assert go.wait(5)

    first = asyncio.ensure_future(database.write(hold))
    await asyncio.to_thread(busy.wait, 5)
    cancelled = asyncio.ensure_future(database.write(note("cancelled")))
    waiting = asyncio.ensure_future(database.write(note("waiting")))
    await asyncio.sleep(0)
    cancelled.cancel()
    go.set()
    await first
    assert await waiting == "waiting"
    assert cancelled.cancelled()
    assert await notes(database) == ["cancelled", "waiting"]


async def test_the_statements_of_one_read_see_one_state(database: Database) -> None:
    await database.write(note("a"))
    counted, written = threading.Event(), threading.Event()

    def count_twice(connection: sqlite3.Connection) -> list[int]:
        first = connection.execute("SELECT count(*) FROM note").fetchone()[0]
        counted.set()
        assert written.wait(5)
        return [first, connection.execute("SELECT count(*) FROM note").fetchone()[0]]

    reading = asyncio.ensure_future(database.read(count_twice))
    await asyncio.to_thread(counted.wait, 5)
    await database.write(note("b"))
    written.set()
    assert await reading == [1, 1]
    assert await notes(database) == ["a", "b"]


async def test_reading_cannot_write(database: Database) -> None:
    with pytest.raises(JournalProblem):
        await database.read(note("a"))
    assert await notes(database) == []


async def test_a_foreign_lock_delays_a_write_but_not_the_loop(database: Database) -> None:
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(database.write(note("a")))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not writing.done()
    other.execute("ROLLBACK")
    other.close()
    assert await writing == "a"


async def test_a_lock_that_stays_is_a_problem_and_the_next_write_works(database: Database) -> None:
    database.hurry()
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Locked) as caught:
        await database.write(note("a"))
    assert caught.value.remedy
    other.execute("ROLLBACK")
    other.close()
    assert await database.write(note("a")) == "a"


async def test_a_full_database_is_a_problem_and_the_next_write_works(database: Database) -> None:
    pages = "PRAGMA page_count"
    count = await database.read(lambda c: c.execute(pages).fetchone()[0])
    await database.write(lambda c: c.execute(f"PRAGMA max_page_count = {count}").fetchall())
    with pytest.raises(DiskFull) as caught:
        await database.write(note("x" * 100_000))
    assert str(database.path) in caught.value.detail
    await database.write(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchall())
    await database.write(note("y" * 100_000))
    assert await notes(database) == ["y" * 100_000]


async def test_flush_waits_for_everything_handed_in_before(database: Database) -> None:
    writing = [asyncio.ensure_future(database.write(note(str(n)))) for n in range(20)]
    await asyncio.sleep(0)
    await database.flush()
    assert all(future.done() for future in writing)


async def test_close_commits_what_was_handed_in_and_leaves_one_file(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "ssechat.db")
    await database.write(lambda c: c.execute("CREATE TABLE note (text TEXT)"))
    writing = [asyncio.ensure_future(database.write(note(str(n)))) for n in range(20)]
    await asyncio.sleep(0)
    await database.close()
    await database.close()
    assert await asyncio.gather(*writing) == [str(n) for n in range(20)]
    assert names(tmp_path) == ["ssechat.db"]
    with pytest.raises(JournalProblem, match="closed"):
        await database.write(note("late"))


async def test_close_ends_both_threads(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "ssechat.db")
    await database.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("journal-")]


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "deep" / "data" / "ssechat.db")
    await database.write(lambda c: c.execute("CREATE TABLE note (text TEXT)"))
    folder = database.path.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(("ssechat.db", "ssechat.db-wal", "ssechat.db-shm"), 0o600)
    await database.close()


async def test_opening_waits_while_another_process_makes_the_file(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "ssechat.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    opening = asyncio.ensure_future(Database.open(tmp_path / "ssechat.db"))
    await asyncio.wait([opening], timeout=0.1)
    other.execute("ROLLBACK")
    other.close()
    await (await opening).close()


async def test_a_newer_file_is_refused_with_both_versions_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ssechat.db"
    writer, reader = connect(path)
    writer.execute(f"PRAGMA user_version = {schema.VERSION + 5}")
    reader.close()
    writer.close()
    before = path.read_bytes()
    with pytest.raises(TooNew) as caught:
        await Database.open(path)
    assert str(schema.VERSION + 5) in caught.value.title
    assert str(schema.VERSION) in caught.value.title
    assert "SSECHAT_DATA_DIR" in caught.value.remedy
    assert path.read_bytes() == before


def _garbage(path: Path) -> None:
    path.write_bytes(b"SQLite is not here" * 500)


def _torn(path: Path) -> None:
    for connection in connect(path):
        connection.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))


def _of_another_program(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()


@pytest.mark.parametrize("make", [_garbage, _torn, _of_another_program])
async def test_what_is_not_a_journal_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "ssechat.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(Damaged) as caught:
        await Database.open(path)
    assert str(path) in caught.value.detail
    assert caught.value.remedy
    assert path.read_bytes() == before


async def test_a_folder_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalProblem) as caught:
        await Database.open(tmp_path / "file" / "ssechat.db")
    assert "SSECHAT_DATA_DIR" in caught.value.remedy


async def test_closing_does_not_wait_long_for_another_process(tmp_path: Path):
    database = await Database.open(tmp_path / "x.db")
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database.hurry()
    writing = asyncio.ensure_future(database.write(lambda c: c.execute("CREATE TABLE t (a)")))
    async with asyncio.timeout(5):
        with pytest.raises(Locked):
            await writing
        await database.close()
    other.close()
