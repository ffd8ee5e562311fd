"""Lines of JSON, however a body is cut."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ssechat.core.errors import LinkProblem
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.ndjson import NdjsonDecoder

BOM = b"\xef\xbb\xbf"
NASTY = (
    BOM + b'{"a":"\xf0\x9f\x98\x80"}\r\n\r\n \t\n{"b":\r1}\n\xff\n'
    b'["\xe2\x80\xa8\xc2\x85"]\n\r\r\n{"c":{}}\r'
)

lines = st.sampled_from(
    [
        b"",
        b" ",
        b"\r",
        b"{}",
        b'{"a":1}',
        b'"\xe2\x80\xa8"',
        b"12",
        b"nul",
        BOM,
        b"{\r}",
        b"\xf0\x9f",
    ]
)
bodies = st.builds(
    lambda parts, rest: b"".join(line + end for line, end in parts) + rest,
    st.lists(st.tuples(lines | st.binary(max_size=6), st.sampled_from([b"\n", b"\r\n"]))),
    lines,
)


def parse(*chunks: bytes) -> tuple[list[Frame], int]:
    decoder = NdjsonDecoder()
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)]
    return frames + decoder.close(), decoder.offset


def data(*chunks: bytes) -> list[str]:
    return [frame.data for frame in parse(*chunks)[0]]


@given(bodies, st.lists(st.integers(0, 200), max_size=8))
@example(NASTY, [])
def test_any_split_gives_the_frames_of_the_whole(body: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    assert parse(*(body[start:end] for start, end in pairwise(edges))) == parse(body)


def test_every_split_in_two_and_single_bytes_of_a_nasty_body_give_the_same() -> None:
    whole = parse(NASTY)
    assert data(NASTY) == ['{"a":"😀"}', '{"b":\r1}', "\ufffd", '["\u2028\x85"]', '{"c":{}}']
    for cut in range(len(NASTY) + 1):
        assert parse(NASTY[:cut], NASTY[cut:]) == whole, cut
    assert parse(*(NASTY[at : at + 1] for at in range(len(NASTY)))) == whole


def test_a_line_is_an_event_named_message() -> None:
    decoder = NdjsonDecoder(last_event_id="7")
    assert decoder.feed(b'{"a":1}\n', 2.0, 3.0) == [
        Frame(FrameKind.EVENT, '{"a":1}', "message", "7", end=8, wall=2.0, mono=3.0, began=3.0)
    ]


def test_a_line_is_out_with_its_lf_and_began_with_its_first_byte() -> None:
    decoder = NdjsonDecoder()
    assert decoder.feed(b"{", 1.0, 1.0) == decoder.feed(b"}\r", 2.0, 2.0) == []
    (frame,) = decoder.feed(b"\n[", 3.0, 3.0)
    assert (frame.data, frame.end, frame.began, frame.mono) == ("{}", 4, 1.0, 3.0)
    (frame,) = decoder.feed(b"]\n", 4.0, 4.0)
    assert (frame.data, frame.end, frame.began, frame.mono) == ("[]", 7, 3.0, 4.0)


def test_blank_lines_are_no_events_but_count_as_bytes() -> None:
    frames, offset = parse(b"\n \r\n{}\n\t\n")
    assert ([frame.end for frame in frames], offset) == ([7], 9)


@pytest.mark.parametrize(
    ("rest", "counts"),
    [
        (b'{"done":true}', True),
        (b'{"done":true}\r', True),
        (b'"half \\ud83d"', True),
        (b"null", True),
        (b'{"done":true', False),
        (b"12", False),
        (b"1.5e3", False),
        (b"[DONE]", False),
        (b"", False),
        (b" ", False),
        (b"[" * 100_000, False),
    ],
)
def test_an_unfinished_last_line_counts_only_if_it_is_whole_json(rest: bytes, counts: bool) -> None:
    frames, offset = parse(b"{}\n" + rest)
    assert [frame.end for frame in frames] == ([3, 3 + len(rest)] if counts else [3])
    assert offset == 3


def test_an_unfinished_end_mark_counts() -> None:
    decoder = NdjsonDecoder(end_mark="[DONE]")
    decoder.feed(b"[DONE]")
    assert [frame.data for frame in decoder.close()] == ["[DONE]"]


def test_a_body_that_goes_on_counts_from_its_offset() -> None:
    decoder = NdjsonDecoder(offset=100)
    (frame,) = decoder.feed(b"{}\n")
    assert (frame.end, decoder.offset) == (103, 103)


def test_only_the_start_of_the_whole_body_has_a_byte_order_mark() -> None:
    assert data(BOM + b"{}\n" + BOM + b"{}\n") == ["{}", "\ufeff{}"]
    (frame,) = NdjsonDecoder(offset=5).feed(BOM + b"{}\n")
    assert frame.data == "\ufeff{}"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_bound_is_at_the_same_byte_for_any_split(size: int) -> None:
    def fed(body: bytes) -> NdjsonDecoder:
        decoder = NdjsonDecoder(max_event=100)
        for at in range(0, len(body), size):
            decoder.feed(body[at : at + size])
        return decoder

    assert fed(b"x" * 100 + b"\n").offset == 101
    with pytest.raises(LinkProblem, match="a line of more than 100 bytes") as caught:
        fed(b"x" * 101)
    assert (caught.value.kind, bool(caught.value.remedy)) == ("limit", True)


def test_frames_before_the_bound_come_out_before_it_is_reported() -> None:
    decoder = NdjsonDecoder(max_event=10)
    assert [frame.data for frame in decoder.feed(b"{}\n" + b"x" * 11 + b"\n[]\n")] == ["{}"]
    for call in (lambda: decoder.feed(b""), lambda: decoder.feed(b"[]\n"), decoder.close):
        with pytest.raises(LinkProblem, match="more than 10 bytes"):
            call()


def test_a_held_line_is_not_copied_when_more_of_it_comes() -> None:
    piece, count, allocated = b"x" * 1000, 1000, 0
    decoder = NdjsonDecoder()
    tracemalloc.start()
    try:
        for _ in range(count):
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            decoder.feed(piece)
            allocated += tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert allocated <= 6 * count * len(piece)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything(body: bytes) -> None:
    for frame in parse(body)[0]:
        frame.data.encode()
