"""Packs: frames of ended streams, compressed, without padding, and dropped when they are old."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.deltas import EndState
from ssechat.core.frames import Frame, FrameKind
from ssechat.journal import NotFound, Outcome, begin, conversations, frames, packs, streams
from ssechat.journal.connect import connect
from support.journal import CALL, all_frames, frame, opened, question

DAY = 86400
COMPLETE = Outcome(state=EndState.COMPLETE, text="because")


async def test_packs_of_a_long_stream_are_read_across_their_bounds(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        stream_id = (await journal.begin(question())).stream_id
        written = [frame(number, "x" * 100) for number in range(1, 2501)]
        await journal.append(stream_id, written, "e2500")
        await journal.settle(stream_id, COMPLETE)
        assert await journal.pack(stream_id)
        assert not await journal.pack(stream_id)
        assert await all_frames(journal, stream_id, page=300) == written
        assert await all_frames(journal, stream_id, page=5000) == written
        assert (await journal.stream(stream_id)).call == CALL


async def test_only_ended_streams_are_packed(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        stream_id = (await journal.begin(question())).stream_id
        await journal.append(stream_id, [frame(1)], "e1")
        assert not await journal.pack(stream_id)
        await journal.settle(stream_id, COMPLETE)
        both = await asyncio.gather(journal.pack(stream_id), journal.pack(stream_id))
        assert sorted(both) == [False, True]


def padded(data: str, kind: FrameKind = FrameKind.EVENT) -> str:
    return packs.without_padding(Frame(kind, data)).data


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ('{"delta":"a" , "obfuscation":"xYz"}', '{"delta":"a" }'),
        ('{"obfuscation": "xYz", "delta": 1.50}', '{"delta": 1.50}'),
        ('{"a":1,"obfuscation":"","b":[1, 2]}', '{"a":1,"b":[1, 2]}'),
        ('{"a":{"obfuscation":"mine"}}', None),
        ('{"a":{"b":1,"obfuscation":"mine"},"obfuscation":"x"}', None),
        ('{"text":"say \\"obfuscation\\":\\"x\\","}', None),
        ('{"a":1,"obfuscation":5}', None),
        ('["a","obfuscation"]', None),
        ('{"a":1,"obfuscation":"x"', None),
        ("[" * 100_000 + '"obfuscation"', None),
    ],
)
def test_padding_goes_and_all_else_stays_byte_for_byte(data: str, kept: str | None) -> None:
    assert padded(data) == (data if kept is None else kept)


def test_padding_is_looked_for_in_events_only() -> None:
    data = '{"a":1,"obfuscation":"x"}'
    assert padded(data, FrameKind.COMMENT) == data


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text() | st.just("obfuscation"), json_values, max_size=5))
def test_what_data_means_is_the_same_without_padding(value: dict[str, Any]) -> None:
    without = msgspec.json.decode(padded(msgspec.json.encode(value).decode()))
    others = {key: inner for key, inner in value.items() if key != "obfuscation"}
    assert without in (value, others)


def test_purging_keeps_messages_and_young_frames(tmp_path: Path) -> None:
    writer, reader = connect(tmp_path / "ssechat.db")
    made = [begin.begin(writer, "us", question(), 0.0) for _ in range(4)]
    old, unpacked, young, live = (one.stream_id for one in made)
    for stream_id in (old, unpacked, young, live):
        frames.append(writer, "us", stream_id, [frame(1)], "e1")
    for stream_id, ended in ((old, 0.0), (unpacked, 0.0), (young, 50.0 * DAY)):
        streams.settle(writer, "us", stream_id, COMPLETE, ended)
    packed = packs.build(reader, old)
    assert packed
    assert packs.store(writer, packed)
    packs.purge(writer, days=30, now=60 * DAY)
    kept = [bool(packs.read(reader, one, 0, 9)) for one in (old, unpacked, young, live)]
    assert kept == [False, False, True, True]
    assert conversations.path(reader, made[0].conversation_id, None)[-1].text == "because"
    assert streams.get(reader, old).call.body == b""
    assert streams.get(reader, young).call == CALL
    with pytest.raises(NotFound):
        streams.reopen(writer, "us", old, 61 * DAY)
    reader.close()
    writer.close()
