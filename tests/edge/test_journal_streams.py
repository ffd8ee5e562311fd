"""Streams: begun, appended to, settled, packed, handed from process to process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssechat.core.conversation import Thought
from ssechat.core.deltas import EndState
from ssechat.core.errors import JournalProblem
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.journal import (
    UNFINISHED,
    Journal,
    Lease,
    LeaseLost,
    NotFound,
    Outcome,
    begin,
    frames,
    packs,
    streams,
)
from ssechat.journal.connect import connect
from support.journal import CALL, DEAD, all_frames, begin_many, frame, opened, question

OTHER = Lease("another-boot", 2, 2, "2")
COMPLETE = Outcome(state=EndState.COMPLETE, text="because")

texts = st.text(st.characters(exclude_categories=())) | st.sampled_from(["\0", "a\0b", "\ud83d"])
any_frame = st.builds(
    Frame,
    kind=st.sampled_from(FrameKind),
    data=texts,
    event=texts,
    id=texts,
    own_id=st.booleans(),
    retry=st.none() | st.integers(),
    end=st.integers(0),
    wall=st.floats(0, 2e9),
    mono=st.floats(0, 2e9),
    began=st.floats(0, 2e9),
)


async def begun(journal: Journal) -> str:
    return (await journal.begin(question())).stream_id


async def test_begin_writes_question_answer_and_live_stream_with_our_lease(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        made = await journal.begin(question("\n  Why?\x1b\nplease"))
        user, answer = await journal.path(made.conversation_id)
        assert (user.id, user.role, user.text) == (
            made.user_message_id,
            "user",
            "\n  Why?\x1b\nplease",
        )
        assert (answer.id, answer.role, answer.state) == (made.message_id, "assistant", "live")
        assert answer.parent_id == user.id
        row = await journal.stream(made.stream_id)
        assert (row.state, row.call, row.idempotency_key) == ("live", CALL, "key-1")
        assert row.lease == str(journal.lease)
        assert await journal.lives(row)
        conversation = await journal.conversation(made.conversation_id)
        assert (conversation.title, conversation.head) == ("Why?", answer.id)


@pytest.mark.parametrize(
    ("text", "title"),
    [("", ""), ("x" * 80, "x" * 80), ("x" * 81, "x" * 79 + "…"), ("a\x1b[2Jb\u202e", "a [2Jb")],
)
def test_a_title_is_short_and_without_control_characters(text: str, title: str) -> None:
    assert begin.title_of(text) == title


async def test_ids_are_random_and_tell_what_they_name(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        made = msgspec.structs.astuple(await journal.begin(question()))
        assert [name[:3] for name in made] == ["cv_", "ms_", "ms_", "sm_"]
        assert all(len(name) == 29 for name in made)


async def test_numbers_run_from_one_without_a_gap_and_the_cursor_moves_along(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as journal:
        stream_id = await begun(journal)
        assert await journal.append(stream_id, [frame(1), frame(2)], "e2") == 2
        assert await journal.append(stream_id, [], "e2") == 2
        assert await journal.append(stream_id, [frame(3)], "e3") == 3
        row = await journal.stream(stream_id)
        assert (row.last_seq, row.cursor) == (3, "e3")
        assert await all_frames(journal, stream_id, page=2) == [frame(1), frame(2), frame(3)]


async def test_a_batch_that_fails_moves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        stream_id = await begun(journal)
        await journal.append(stream_id, [frame(1)], "e1")
        bad = msgspec.structs.replace(frame(3), wall=float("nan"))  # SQLite stores NaN as NULL
        with pytest.raises(JournalProblem):
            await journal.append(stream_id, [frame(2), bad], "e3")
        row = await journal.stream(stream_id)
        assert (row.last_seq, row.cursor) == (1, "e1")
        assert await journal.append(stream_id, [frame(2)], "e2") == 2


async def test_streams_that_append_at_once_do_not_mix(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        ids = [made.stream_id for made in await begin_many(journal, 20)]

        async def fill(stream_id: str) -> None:
            for number in range(1, 31):
                await journal.append(stream_id, [frame(number, stream_id)], f"e{number}")

        await asyncio.gather(*map(fill, ids))
        for stream_id in ids:
            expected = [frame(number, stream_id) for number in range(1, 31)]
            assert await all_frames(journal, stream_id) == expected


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    both = connect(tmp_path_factory.mktemp("journal") / "ssechat.db")
    yield both
    for connection in both:
        connection.close()


def as_stored(found: Frame) -> Frame:
    """Lone surrogates become U+FFFD, integers of more than 64 bits the nearest that fit."""

    def whole(text: str) -> str:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)

    top = 2**63 - 1
    return msgspec.structs.replace(
        found,
        data=whole(found.data),
        event=whole(found.event),
        id=whole(found.id),
        retry=None if found.retry is None else max(-top - 1, min(found.retry, top)),
        end=min(found.end, top),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(any_frame, max_size=12), st.data())
def test_frames_come_back_the_same_however_they_were_batched_paged_or_packed(
    file: tuple[Any, Any], given_frames: list[Frame], data: st.DataObject
) -> None:
    writer, reader = file
    stream_id = begin.begin(writer, "us", question(), 1.0).stream_id
    left = list(given_frames)
    while left:
        size = data.draw(st.integers(0, len(left)))
        frames.append(writer, "us", stream_id, left[:size], left[0].id)
        left = left[size:]
    numbered = list(enumerate(map(as_stored, given_frames), 1))
    after, limit = data.draw(st.integers(0, 13)), data.draw(st.integers(1, 13))
    expected = numbered[after : after + limit]
    assert packs.read(reader, stream_id, after, limit) == expected
    streams.settle(writer, "us", stream_id, COMPLETE, 2.0)
    packed = packs.build(reader, stream_id)
    assert (packed is None) == (not given_frames)
    if packed:
        assert packs.store(writer, packed)
    assert frames.read(reader, stream_id, 0, 1) == []
    assert packs.read(reader, stream_id, after, limit) == expected
    assert streams.reopen(writer, "us", stream_id, 3.0)
    assert frames.read(reader, stream_id, after, limit) == expected


async def test_what_became_known_of_a_stream_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        made = await journal.begin(question())
        await journal.update_stream(
            made.stream_id, resume_path="/v1/x?y=1", remote_id="r1", rung="exact", resumes=2
        )
        await journal.update_stream(made.stream_id, state="stopping")
        row = await journal.stream(made.stream_id)
        assert (row.resume_path, row.remote_id, row.rung) == ("/v1/x?y=1", "r1", "exact")
        assert (row.state, row.resumes) == ("stopping", 2)
        assert (await journal.path(made.conversation_id))[-1].state == "stopping"


@pytest.mark.parametrize("change", [{}, {"lease": "x"}, {"id": "x"}, {"state": "complete"}])
async def test_what_may_not_be_changed_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    async with opened(tmp_path) as journal:
        stream_id = await begun(journal)
        with pytest.raises(ValueError, match=r"cannot change|only settle"):
            await journal.update_stream(stream_id, **change)


async def test_settling_writes_the_projection_and_gives_the_lease_up(tmp_path: Path) -> None:
    outcome = Outcome(
        state=EndState.LENGTH,
        note="max tokens",
        text="answer",
        thinking="hm",
        thoughts=[Thought("hm", "sig")],
        parts=[{"kind": "text", "text": "answer", "seams": []}],
        tokens_in=3,
        tokens_out=7,
        tokens_reasoning=2,
        estimated=True,
        ttfb_ms=12.5,
        ttft_ms=20.0,
        tokens_per_second=38.2,
        thought_ms=6100.0,
        resumes=2,
        last_id="e9",
    )
    async with opened(tmp_path) as journal:
        made = await journal.begin(question())
        await journal.settle(made.stream_id, outcome)
        answer = (await journal.path(made.conversation_id))[-1]
        shown = {name: getattr(answer, name) for name in Outcome.__struct_fields__}
        expected = {name: getattr(outcome, name) for name in Outcome.__struct_fields__}
        assert shown == {**expected, "model": "a-model", "thoughts": (Thought("hm", "sig"),)}
        row = await journal.stream(made.stream_id)
        assert (row.state, row.note, row.lease, row.resumes) == ("length", "max tokens", "", 2)
        assert row.ended is not None


async def test_an_ended_stream_stays_as_it_was_settled(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        made = await journal.begin(question())
        await journal.settle(made.stream_id, COMPLETE)
        await journal.settle(made.stream_id, Outcome(state=EndState.FAILED, text="other"))
        answer = (await journal.path(made.conversation_id))[-1]
        assert (answer.state, answer.text) == ("complete", "because")
        with pytest.raises(LeaseLost):
            await journal.append(made.stream_id, [frame(1)], "e1")


async def test_a_reopened_stream_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        made = await journal.begin(question())
        await journal.append(made.stream_id, [frame(1)], "e1")
        assert not await journal.reopen(made.stream_id)
        await journal.settle(made.stream_id, Outcome(state=EndState.CUT))
        await journal.pack(made.stream_id)
        assert await journal.reopen(made.stream_id)
        assert (await journal.path(made.conversation_id))[-1].state == "live"
        assert await journal.append(made.stream_id, [frame(2)], "e2") == 2
        assert await all_frames(journal, made.stream_id) == [frame(1), frame(2)]


async def test_text_that_is_not_unicode_never_raises(tmp_path: Path) -> None:
    hostile = "a\0b\ud800c\x1b[2J"
    shown = "a\0b\ufffdc\x1b[2J"
    async with opened(tmp_path) as journal:
        made = await journal.begin(question(hostile))
        await journal.append(made.stream_id, [frame(1, hostile)], hostile)
        await journal.update_stream(made.stream_id, remote_id=hostile, note=hostile)
        outcome = Outcome(
            state=EndState.CUT,
            note=hostile,
            text=hostile,
            thoughts=[Thought(hostile, hostile)],
            parts=[{"kind": "tool", "name": hostile, "text": hostile}],
            tokens_in=10**30,
            tokens_out=-(10**30),
        )
        await journal.settle(made.stream_id, outcome)
        user, answer = await journal.path(made.conversation_id)
        assert (user.text, answer.text, answer.note) == (shown, shown, shown)
        assert answer.thoughts == (Thought(shown, shown),)
        assert answer.parts == [{"kind": "tool", "name": shown, "text": shown}]
        assert (answer.tokens_in, answer.tokens_out) == (2**63 - 1, -(2**63))
        assert (await journal.stream(made.stream_id)).cursor == shown
        for look_up in (journal.stream, journal.conversation, journal.parent):
            with pytest.raises(NotFound):
                await look_up(hostile)


async def test_a_dead_process_leaves_orphans_and_a_living_one_foreign_streams(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as ours, opened(tmp_path, OTHER) as living:
        mine, theirs = await begun(ours), await begun(living)
        dead = await Journal.open(tmp_path / "ssechat.db", DEAD)
        left = await begun(dead)
        await dead._database.write(  # its heartbeat stopped a minute ago
            lambda c: c.execute("UPDATE owner SET beat = beat - 60 WHERE lease = ?", (str(DEAD),))
        )
        assert [row.id for row in await ours.orphans()] == [left]
        assert [row.id for row in await ours.foreign()] == [theirs]
        assert {row.id for row in await ours.streams(*UNFINISHED)} == {mine, theirs, left}
        await dead.beat()
        assert await ours.orphans() == []
        await dead.close()
        assert [(row.id, row.lease) for row in await ours.orphans()] == [(left, "")]


async def test_exactly_one_of_two_adopts_and_the_old_owner_can_append_no_more(
    tmp_path: Path,
) -> None:
    async with (
        opened(tmp_path, DEAD) as old,
        opened(tmp_path) as one,
        opened(tmp_path, OTHER) as two,
    ):
        for _ in range(20):
            stream_id = await begun(old)
            won = await asyncio.gather(
                one.adopt(stream_id, str(DEAD)), two.adopt(stream_id, str(DEAD))
            )
            assert sorted(won) == [False, True]
            winner, loser = (one, two) if won[0] else (two, one)
            assert await winner.append(stream_id, [frame(1)], "e1") == 1
            for journal in (old, loser):
                with pytest.raises(LeaseLost):
                    await journal.append(stream_id, [frame(1)], "e1")
                with pytest.raises(LeaseLost):
                    await journal.update_stream(stream_id, rung="none")
                with pytest.raises(LeaseLost):
                    await journal.settle(stream_id, COMPLETE)


async def test_an_ended_stream_cannot_be_adopted(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        stream_id = await begun(journal)
        await journal.settle(stream_id, COMPLETE)
        assert not await journal.adopt(stream_id, "")


async def test_marks_are_frames_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        stream_id = await begun(journal)
        mark = Frame(FrameKind.MARK, '{"why":"reset"}', MarkName.LOST, wall=1.0)
        await journal.append(stream_id, [mark], "")
        assert await all_frames(journal, stream_id) == [mark]


async def test_what_an_append_writes_does_not_grow_with_the_request(tmp_path: Path) -> None:
    long = msgspec.structs.replace(CALL, body=b"x" * 500_000)
    async with opened(tmp_path) as journal:
        new = msgspec.structs.replace(question("x" * 500_000), call=long)
        stream_id = (await journal.begin(new)).stream_id
        before = size_of_log(tmp_path)
        await journal.append(stream_id, [frame(1)], "e1")
        assert 0 < size_of_log(tmp_path) - before < 50_000


def size_of_log(folder: Path) -> int:
    return (folder / "ssechat.db-wal").stat().st_size
