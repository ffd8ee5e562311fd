"""Images and sounds in a real file: written with a stream's end, gone with the conversation."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ssechat.core.blob import media_file
from ssechat.core.deltas import Citation, EndState, Media, MediaKind, Text, Verdict
from ssechat.core.errors import JournalProblem
from ssechat.core.reply import PartKind, Reply, restore
from ssechat.journal import Begun, Journal, NotFound, Outcome
from support.journal import opened, question
from support.media import png, sound


def answer() -> Reply:
    """Text, an image, a sound as raw samples, a source."""
    reply = Reply()
    for delta in (
        Text("look"),
        Media(MediaKind.IMAGE, "i", png(8, 6), "text/html", whole=True),
        Media(MediaKind.AUDIO, "a", bytes(48_000), "audio/pcm"),
        Citation("A page", "https://example.org"),
        Verdict(EndState.COMPLETE),
    ):
        reply.apply(delta, 0.0)
    return reply


def outcome(reply: Reply) -> Outcome:
    state = EndState.COMPLETE if reply.verdict else EndState.CUT
    return Outcome(state=state, text=reply.answer, parts=reply.store(), media=reply.media())


async def settled(journal: Journal, reply: Reply) -> Begun:
    begun = await journal.begin(question())
    await journal.settle(begun.stream_id, outcome(reply))
    return begun


def stored(folder: Path) -> list[tuple[str, int, str, int]]:
    connection = sqlite3.connect(folder / "ssechat.db")
    try:
        query = "SELECT message_id, number, mime, length(data) FROM media ORDER BY 1, 2"
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def test_what_was_settled_is_read_back_by_another_process(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await settled(journal, answer())
    async with opened(tmp_path) as journal:
        row = (await journal.path(begun.conversation_id))[-1]
        assert row.media == ()
        parts = [part for part in restore(row.parts).parts if part.media]
        data = [await journal.media(row.id, part.index) for part in parts]
    assert data == [png(8, 6), sound(1.0)]
    assert [part.kind for part in parts] == [PartKind.IMAGE, PartKind.AUDIO]
    assert [part.media.type.name for part in parts if part.media] == ["PNG", "WAV"]


async def test_the_type_is_that_of_the_content(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await settled(journal, answer())
    assert stored(tmp_path) == [
        (begun.message_id, 1, "image/png", len(png())),
        (begun.message_id, 2, "audio/wav", len(sound(1.0))),
    ]


async def test_a_stream_that_went_on_is_written_anew(tmp_path: Path) -> None:
    reply = Reply()
    reply.apply(Media(MediaKind.IMAGE, "i", png()[:20]), 0.0)
    async with opened(tmp_path) as journal:
        begun = await settled(journal, reply)
        assert await journal.reopen(begun.stream_id)
        await journal.settle(begun.stream_id, outcome(answer()))
        assert await journal.media(begun.message_id, 1) == png(8, 6)
    assert len(stored(tmp_path)) == 2


async def test_what_cannot_be_written_whole_is_not_written_at_all(tmp_path: Path) -> None:
    twice = Outcome(state=EndState.COMPLETE, media=[media_file(1, b"a"), media_file(1, b"b")])
    async with opened(tmp_path) as journal:
        begun = await journal.begin(question())
        with pytest.raises(JournalProblem):
            await journal.settle(begun.stream_id, twice)
        assert (await journal.stream(begun.stream_id)).state == "live"
        assert stored(tmp_path) == []
        await journal.settle(begun.stream_id, outcome(answer()))
        assert (await journal.stream(begun.stream_id)).state == "complete"


async def test_a_deleted_conversation_leaves_nothing_of_them(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await settled(journal, answer())
        kept = await settled(journal, answer())
        assert await journal.delete(begun.conversation_id)
        with pytest.raises(NotFound) as caught:
            await journal.media(begun.message_id, 1)
        assert caught.value.remedy
    assert {row[0] for row in stored(tmp_path)} == {kept.message_id}


@pytest.mark.parametrize(("message", "number"), [("ms_none", 1), ("", 0), ("\ud800", -1)])
async def test_what_is_not_there_is_not_found(tmp_path: Path, message: str, number: int) -> None:
    async with opened(tmp_path) as journal:
        with pytest.raises(NotFound):
            await journal.media(message, number)
