"""The same frames at the same bytes, however a body is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.sse import SseDecoder

BOM = b"\xef\xbb\xbf"
EOLS = [b"\n", b"\r", b"\r\n"]
LINES = [
    *(
        b"data",
        b"data:",
        b"data: a",
        b"data:  b",
        b"data: [DONE]",
        b"data: \xff\xe2\x80",
        b"data:\0",
    ),
    *(b"id", b"id: 1", b"id: 2", b"id: \0", b"id:\xc3\xa9", b"event: e", b"event:", b"event"),
    *(b"retry: 10", b"retry: +5", b"retry", b"retry: 99999999999999999999"),
    *(
        b":",
        b": ping",
        b":: x",
        b"Data: x",
        b" data: x",
        b"x",
        BOM,
        BOM + b"data: bom",
        b"\x0b\x1c",
    ),
    *("data: a\u2028b\x85c€😀".encode(), b"data: \xf0\x9f\x98", b"da", b"\0"),
]
NASTY = (
    BOM + b": hi\r\n\r\ndata: a\rdata:b\n\r\nid: \xe2\x82\xac1\r\nretry: 5\n\r\n\ndata\xff\rdata"
    b"\n\nevent: e\ndata: \xf0\x9f\x98\x80\xf0\x9f\r\r\n\nid: x\0\r\ndata: c\r\n\r\n"
    b"id: 9\ndata: [DONE]\r"
)

lines = st.sampled_from(LINES) | st.binary(max_size=6)
ends = st.sampled_from([*EOLS, *EOLS, b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r", b""])
bodies = st.builds(
    lambda bom, parts: bom + b"".join(line + end for line, end in parts),
    st.sampled_from([b"", b"", BOM, BOM + BOM, BOM[:2]]),
    st.lists(st.tuples(lines, ends), max_size=12),
)


def state(decoder: SseDecoder) -> tuple[str, int | None, int]:
    return decoder.last_event_id, decoder.retry, decoder.offset


def parse(*chunks: bytes, end_mark: str = "[DONE]") -> tuple[list[Frame], object]:
    decoder = SseDecoder(end_mark=end_mark)
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)]
    return frames + decoder.close(), state(decoder)


def single(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


@given(bodies, st.lists(st.integers(0, 200), max_size=8))
@example(NASTY, [])
def test_any_split_gives_the_frames_of_the_whole(body: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    assert parse(*(body[start:end] for start, end in pairwise(edges))) == parse(body)


@given(bodies)
@example(NASTY)
def test_single_bytes_give_the_frames_of_the_whole(body: bytes) -> None:
    assert parse(*single(body)) == parse(body)


def test_every_split_in_two_of_a_nasty_stream_gives_the_same() -> None:
    whole = parse(NASTY)
    assert [frame.data for frame in whole[0]] == ["hi", "a\nb", "", "", "😀�", "c", "[DONE]"]
    for cut in range(len(NASTY) + 1):
        assert parse(NASTY[:cut], NASTY[cut:]) == whole, cut


@given(bodies)
def test_the_state_depends_on_the_bytes_alone(body: bytes) -> None:
    whole, split = SseDecoder(), SseDecoder()
    whole.feed(body)
    for byte in single(body):
        split.feed(byte)
    assert state(whole) == state(split)


@pytest.mark.parametrize("blank", EOLS)
@pytest.mark.parametrize("eol", EOLS)
@pytest.mark.parametrize(
    ("line", "kind"),
    [(b"data: a", FrameKind.EVENT), (b"id: 1", FrameKind.CURSOR), (b"retry: 1", FrameKind.CURSOR)],
)
def test_a_frame_is_out_with_the_first_byte_that_ends_its_blank_line(
    line: bytes, kind: FrameKind, eol: bytes, blank: bytes
) -> None:
    body = line + eol + blank
    decoder = SseDecoder()
    out = {at: frames for at, byte in enumerate(single(body)) if (frames := decoder.feed(byte))}
    # CR then LF is one line end, so an LF cannot be the blank line after a CR.
    if eol + blank == b"\r\n":
        assert out == {}
        return
    ((at, (frame,)),) = out.items()
    assert (frame.kind, at) == (kind, len(line + eol))


@pytest.mark.parametrize("eol", EOLS)
def test_a_comment_is_out_with_the_first_byte_that_ends_its_line(eol: bytes) -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a" + eol + b": b") == []
    assert [frame.data for frame in decoder.feed(eol[:1])] == ["b"]


@settings(max_examples=200)
@given(st.binary(max_size=200), st.text(max_size=6))
def test_no_bytes_raise_anything(body: bytes, end_mark: str) -> None:
    decoder = SseDecoder(end_mark=end_mark)
    for frame in decoder.feed(body) + decoder.close():
        frame.data.encode()
        frame.id.encode()
