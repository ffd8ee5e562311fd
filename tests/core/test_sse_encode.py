from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.sse import SseDecoder, encode

EVENT, COMMENT, CURSOR, MARK = (
    FrameKind.EVENT,
    FrameKind.COMMENT,
    FrameKind.CURSOR,
    FrameKind.MARK,
)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
words = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6)
own_ids = st.none() | words
retries = st.none() | st.integers(0, 2**31 - 1)
shapes = st.one_of(
    st.tuples(st.just(EVENT), texts, words.filter(bool) | st.just("message"), own_ids, retries),
    st.tuples(st.just(COMMENT), words, st.just("message"), st.none(), st.none()),
    st.tuples(st.just(CURSOR), st.just(""), st.just("message"), words, retries),
)


@st.composite
def streams(draw: st.DrawFn) -> list[Frame]:
    """Frames as a decoder would give them: the id in force goes from one to the next."""
    frames, last_id = [], ""
    for kind, data, event, own_id, retry in draw(st.lists(shapes, max_size=8)):
        last_id = last_id if own_id is None else own_id
        frames.append(Frame(kind, data, event, last_id, own_id is not None, retry))
    return frames


def meaning(frames: list[Frame]) -> list[tuple[object, ...]]:
    return [(f.kind, f.data, f.event, f.id, f.own_id, f.retry) for f in frames]


@given(streams(), st.lists(st.integers(0, 500), max_size=6))
def test_decoding_what_was_encoded_gives_the_same_frames(
    frames: list[Frame], cuts: list[int]
) -> None:
    body = b"".join(map(encode, frames))
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    decoder = SseDecoder()
    decoded = [f for start, end in pairwise(edges) for f in decoder.feed(body[start:end])]
    assert meaning(decoded) == meaning(frames)


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        pytest.param(Frame(EVENT, "a"), b"data: a\n\n", id="data alone"),
        pytest.param(Frame(EVENT, "a\n b\n"), b"data: a\ndata:  b\ndata:\n\n", id="lines"),
        pytest.param(Frame(EVENT), b"data:\n\n", id="no data"),
        pytest.param(
            Frame(EVENT, "é", "e", "7", own_id=True, retry=5),
            b"id: 7\nevent: e\nretry: 5\ndata: \xc3\xa9\n\n",
            id="all fields",
        ),
        pytest.param(Frame(EVENT, "a", id="7"), b"data: a\n\n", id="an id of an earlier block"),
        pytest.param(Frame(EVENT, "a", own_id=True), b"id:\ndata: a\n\n", id="an id cleared"),
        pytest.param(Frame(CURSOR, id="7", own_id=True), b"id: 7\n\n", id="cursor"),
        pytest.param(Frame(CURSOR, retry=5, id="7"), b"retry: 5\n\n", id="retry alone"),
        pytest.param(Frame(COMMENT, " ping", id="7"), b":  ping\n", id="comment"),
        pytest.param(Frame(COMMENT), b":\n", id="empty comment"),
        pytest.param(Frame(MARK, "{}", "lost"), b"", id="a mark is ours alone"),
    ],
)
def test_the_wire_form(frame: Frame, wire: bytes) -> None:
    assert encode(frame) == wire


def test_every_line_end_in_data_becomes_a_line_of_its_own() -> None:
    (frame,) = SseDecoder().feed(encode(Frame(EVENT, "a\r\nb\rc\nd\r")))
    assert frame.data == "a\nb\nc\nd\n"


hostile = st.text(st.sampled_from("\r\n\0 :adti\ud800"), max_size=8)


@given(st.sampled_from([EVENT, CURSOR]), hostile, hostile, hostile)
def test_no_field_can_smuggle_in_another(kind: FrameKind, data: str, event: str, id: str) -> None:
    decoder = SseDecoder()
    frames = decoder.feed(encode(Frame(kind, data, event, id, own_id=True)))
    assert [frame.kind for frame in frames] == [kind]
    assert frames[0].retry is None


@given(hostile)
def test_a_comment_can_only_make_comments(text: str) -> None:
    frames = SseDecoder().feed(encode(Frame(COMMENT, text)) + b"\n")
    assert {frame.kind for frame in frames} == {COMMENT}
