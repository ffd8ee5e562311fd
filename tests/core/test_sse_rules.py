"""What a frame says, field by field."""

from __future__ import annotations

import pytest

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.sse import MAX_RETRY, SseDecoder

EVENT, COMMENT, CURSOR = FrameKind.EVENT, FrameKind.COMMENT, FrameKind.CURSOR


def decode(body: bytes) -> list[Frame]:
    return SseDecoder().feed(body)


@pytest.mark.parametrize(
    ("line", "data"),
    [
        (b"data:a", "a"),
        (b"data: a", "a"),
        (b"data:  a", " a"),
        (b"data:\ta", "\ta"),
        (b"data: a ", "a "),
        (b"data:a:b", "a:b"),
        (b"data:", ""),
        (b"data", ""),
        (b"data: \xff\xe2\x80", "��"),
        ("data:a\u2028b\x0bc\x0cd\x1ce\x85f".encode(), "a\u2028b\x0bc\x0cd\x1ce\x85f"),
    ],
)
def test_the_value_of_a_data_line(line: bytes, data: str) -> None:
    assert [frame.data for frame in decode(line + b"\n\n")] == [data]


@pytest.mark.parametrize(
    "line", [b"Data:x", b" data:x", b"data :x", b"data\0:x", b"x", b"error: x", b"event: e"]
)
def test_a_block_without_data_id_or_retry_is_nothing(line: bytes) -> None:
    assert decode(line + b"\n\n") == []


def test_the_type_is_the_last_of_its_block_only() -> None:
    frames = decode(b"event:a\nevent:b\ndata\n\nevent:c\n\ndata\n\n")
    assert [frame.event for frame in frames] == ["b", "message"]


def test_an_event_carries_the_id_in_force_and_says_whose_it_is() -> None:
    frames = decode(b"data\n\nid:1\ndata\n\ndata\n\nid:x\0y\ndata\n\nid\ndata\n\ndata\n\n")
    ids = [(frame.id, frame.own_id) for frame in frames]
    assert ids == [("", False), ("1", True), ("1", False), ("1", False), ("", True), ("", False)]


def test_an_id_with_nul_leaves_the_one_before_it_in_its_block() -> None:
    (frame,) = decode(b"id:1\nid:\0\ndata\n\n")
    assert (frame.id, frame.own_id) == ("1", True)


def test_the_id_given_at_the_start_is_in_force_until_another_comes() -> None:
    decoder = SseDecoder(last_event_id="7")
    frames = decoder.feed(b": hi\ndata\n\nid: 8\ndata\n\n")
    assert [(frame.id, frame.own_id) for frame in frames] == [
        ("7", False),
        ("7", False),
        ("8", True),
    ]


def test_the_id_is_committed_at_the_blank_line_only() -> None:
    decoder = SseDecoder()
    seen = []
    for piece in (b"id: 1\n", b"data: a\n", b": c\n", b"\n"):
        frames = decoder.feed(piece)
        seen.append((decoder.last_event_id, [frame.id for frame in frames]))
    assert seen == [("", []), ("", []), ("", [""]), ("1", ["1"])]


def test_the_id_of_an_unfinished_block_is_never_committed() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n") + decoder.close() != []
    assert decoder.last_event_id == "1"


@pytest.mark.parametrize(
    ("body", "frame"),
    [
        (b"id: 5\n\n", Frame(CURSOR, id="5", own_id=True, end=7)),
        (b"id\n\n", Frame(CURSOR, own_id=True, end=4)),
        (b"retry: 5\n\n", Frame(CURSOR, retry=5, end=10)),
        (b"event: e\nid: 5\nretry: 6\n\n", Frame(CURSOR, id="5", own_id=True, retry=6, end=25)),
    ],
)
def test_a_block_without_data_that_moves_the_id_or_sets_retry(body: bytes, frame: Frame) -> None:
    assert decode(body) == [frame]


@pytest.mark.parametrize(
    ("value", "retry"),
    [
        ("0", 0),
        ("00250", 250),
        ("3000", 3000),
        (str(MAX_RETRY), MAX_RETRY),
        (str(MAX_RETRY + 1), MAX_RETRY),
        ("9" * 100_000, MAX_RETRY),
        ("0" * 100_000, 0),
        ("0" * 100_000 + "7", 7),
    ],
)
def test_retry_is_milliseconds_up_to_a_bound(value: str, retry: int) -> None:
    (frame,) = decode(f"retry: {value}\ndata\n\n".encode())
    assert frame.retry == retry


@pytest.mark.parametrize(
    "value", ["", "+5", "-5", "1_000", "  5", "5 ", "5.0", "0x5", "5s", "٥", "５", "²", "5\0"]
)
def test_retry_is_ascii_digits_and_nothing_else(value: str) -> None:
    decoder = SseDecoder()
    (frame,) = decoder.feed(f"retry: {value}\ndata\n\n".encode())
    assert (frame.retry, decoder.retry) == (None, None)


def test_retry_acts_when_its_line_is_read() -> None:
    decoder = SseDecoder()
    decoder.feed(b"retry: 5")
    before = decoder.retry
    decoder.feed(b"\n")
    assert (before, decoder.retry) == (None, 5)


def test_retry_belongs_to_the_block_that_set_it_and_stays_in_force() -> None:
    decoder = SseDecoder()
    frames = decoder.feed(b"retry: 5\ndata\n\ndata\n\n")
    assert ([frame.retry for frame in frames], decoder.retry) == ([5, None], 5)


@pytest.mark.parametrize(
    ("line", "text"),
    [(b":", ""), (b": a", "a"), (b":  a", " a"), (b":a: b", "a: b"), (b":\xff", "�")],
)
def test_a_comment_is_out_when_its_line_is(line: bytes, text: str) -> None:
    decoder = SseDecoder(last_event_id="7")
    assert decoder.feed(b"data: x\n" + line) == []
    assert decoder.feed(b"\n") == [Frame(COMMENT, text, id="7", end=9 + len(line))]


def test_comments_leave_the_event_around_them_whole() -> None:
    frames = decode(b"data: a\n: ping\ndata: b\n\n")
    assert [(frame.kind, frame.data) for frame in frames] == [(COMMENT, "ping"), (EVENT, "a\nb")]


def test_frames_end_where_the_next_can_begin() -> None:
    body = b"\xef\xbb\xbf: hi\n\nid: 1\ndata: \xff\n\n\nretry: 1\n\ndata\n\nda"
    decoder = SseDecoder()
    frames = decoder.feed(body)
    assert [body[: frame.end][-2:] for frame in frames] == [b"i\n", b"\n\n", b"\n\n", b"\n\n"]
    assert (decoder.offset, body[decoder.offset :]) == (frames[-1].end, b"da")


def test_the_lf_of_a_crlf_moves_the_offset_but_no_end() -> None:
    decoder = SseDecoder()
    (frame,) = decoder.feed(b"data: a\r\n\r")
    before = decoder.offset
    decoder.feed(b"\n")
    assert (frame.end, before, decoder.offset) == (10, 10, 11)
    assert SseDecoder().feed(b"data: a\r\n\r\n")[0].end == 10


def test_the_lf_of_an_inner_crlf_moves_nothing() -> None:
    decoder = SseDecoder()
    decoder.feed(b"data: a\r")
    decoder.feed(b"\ndata: b\r\n")
    assert decoder.offset == 0


@pytest.mark.parametrize("eol", [b"\n", b"\r", b"\r\n"])
def test_a_body_continued_at_the_offset_gives_the_rest(eol: bytes) -> None:
    body = eol.join([b"id: 1", b"data: a", b"", b"id: 2", b": c", b"data: b", b"", b""])
    whole = SseDecoder().feed(body)
    for cut in range(1, len(body)):
        first = SseDecoder()
        events = [frame for frame in first.feed(body[:cut]) if frame.kind is EVENT]
        second = SseDecoder(last_event_id=first.last_event_id, offset=first.offset)
        events += [f for f in second.feed(body[first.offset :]) if f.kind is EVENT]
        assert events == [frame for frame in whole if frame.kind is EVENT]


def test_only_a_body_from_its_start_has_a_byte_order_mark() -> None:
    body = b"\xef\xbb\xbfdata: a\n\n"
    assert SseDecoder(offset=100).feed(body) == []
    assert [frame.end for frame in SseDecoder(offset=0).feed(body)] == [12]


def test_a_frame_tells_when_its_bytes_came() -> None:
    decoder = SseDecoder()
    decoder.feed(b"\n\nda", wall=101, mono=1)
    decoder.feed(b"ta: ", wall=102, mono=1.5)
    decoder.feed(b"a\n", wall=102, mono=2)
    (frame,) = decoder.feed(b"\ndata", wall=103, mono=3)
    assert (frame.wall, frame.mono, frame.began) == (103, 3, 1)
    (frame,) = decoder.feed(b"\n\n", wall=104, mono=4)
    assert (frame.wall, frame.mono, frame.began) == (104, 4, 3)


def test_an_event_begins_with_its_first_field_not_with_a_comment_before_it() -> None:
    decoder = SseDecoder()
    (ping,) = decoder.feed(b": ping\n", mono=1)
    decoder.feed(b"id: 1\n", mono=2)
    (event,) = decoder.feed(b"data: a\n\n", mono=3)
    assert (ping.began, event.began, event.mono) == (1, 2, 3)


def test_the_lf_of_a_blank_line_begins_no_event() -> None:
    decoder = SseDecoder()
    decoder.feed(b"data\r\r", mono=1)
    decoder.feed(b"\n", mono=2)
    (frame,) = decoder.feed(b"data\r\r", mono=3)
    assert frame.began == 3


@pytest.mark.parametrize(
    "body",
    [
        b"data: [DONE]",
        b"data:[DONE]",
        b"data: [DONE]\n",
        b"data: [DONE]\r",
        b"data: [DONE]\r\n",
        b"\xef\xbb\xbfdata: [DONE]",
        b"event: end\ndata: [DONE]",
        b"data: [DONE]\n: pi",
        b"data: [DONE]\nid: 9",
    ],
)
def test_an_end_mark_counts_without_its_blank_line(body: bytes) -> None:
    decoder = SseDecoder(end_mark="[DONE]")
    assert decoder.feed(body, mono=1) == []
    (frame,) = decoder.close(wall=102, mono=2)
    assert (frame.kind, frame.data, frame.end) == (EVENT, "[DONE]", len(body))
    assert (frame.wall, frame.mono, frame.began) == (102, 2, 1)


def test_an_end_mark_without_its_blank_line_moves_neither_id_nor_offset() -> None:
    decoder = SseDecoder(end_mark="[DONE]")
    decoder.feed(b"id: 1\ndata: a\n\nid: 2\ndata: [DONE]\n")
    (frame,) = decoder.close()
    assert (frame.id, frame.own_id, decoder.last_event_id, decoder.offset) == ("1", False, "1", 15)


@pytest.mark.parametrize(
    ("mark", "body"),
    [
        ("[DONE]", b"data: [DON"),
        ("[DONE]", b"data: [DONE] "),
        ("[DONE]", b"data: a\ndata: [DONE]"),
        ("[DONE]", b"data: [DONE]\ndata:"),
        ("[DONE]", b"Data: [DONE]"),
        ("[DONE]", b": [DONE]"),
        ("[DONE]", b""),
        ("", b"data: [DONE]"),
        ("", b"data:"),
        ("", b"data: a\n"),
        ("", b"id: 1\n"),
        ("", b": half a comm"),
    ],
)
def test_any_other_unfinished_block_is_dropped(mark: str, body: bytes) -> None:
    decoder = SseDecoder(end_mark=mark)
    decoder.feed(b"id: 0\ndata\n\n")
    assert decoder.feed(body) == []
    assert decoder.close() == []
    assert decoder.last_event_id == "0"


def test_half_a_retry_line_at_the_end_sets_nothing() -> None:
    decoder = SseDecoder(end_mark="[DONE]")
    decoder.feed(b"retry: 30")
    decoder.close()
    assert decoder.retry is None


def test_a_body_closes_once() -> None:
    decoder = SseDecoder(end_mark="[DONE]")
    decoder.feed(b"data: [DONE]")
    assert [len(decoder.close()), len(decoder.close())] == [1, 0]
