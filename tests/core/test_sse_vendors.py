"""What some servers send instead of an event when they fail, and what is not taken for it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core import _stray
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.sse import SseDecoder

EVENT, CURSOR = FrameKind.EVENT, FrameKind.CURSOR
ERROR = {"error": {"code": 503, "message": "The model is } overloaded {", "status": "UNAVAILABLE"}}
LINE = json.dumps(ERROR)
INDENTED = json.dumps(ERROR, indent=2)


def parse(*chunks: bytes, **options: str) -> list[Frame]:
    decoder = SseDecoder(**options)
    return [frame for chunk in chunks for frame in decoder.feed(chunk)] + decoder.close()


def events(body: str) -> list[tuple[str, str]]:
    return [(frame.event, frame.data) for frame in parse(body.encode()) if frame.kind is EVENT]


# llama.cpp: a field `error`


def test_a_block_of_an_error_field_is_an_error() -> None:
    body = b'id: 7\nerror: {"code":500,"message":"slot gone"}\n\ndata: [DONE]\n\n'
    assert parse(body)[0] == Frame(
        EVENT, '{"code":500,"message":"slot gone"}', "error", "7", own_id=True, end=49
    )
    assert events(body.decode())[1:] == [("message", "[DONE]")]


@pytest.mark.parametrize("value", ["", "{", '{"a":1}'])
def test_an_error_field_beside_data_is_ignored(value: str) -> None:
    assert events(f"error: {value}\ndata: a\n\n") == [("message", "a")]
    assert events(f"event: e\ndata: a\nerror: {value}\n\n") == [("e", "a")]


def test_an_error_field_without_an_object_is_ignored() -> None:
    assert events("error: slot gone\n\nerror\n\nerror: []\n\nError: {}\n\n") == []


def test_an_error_field_without_its_blank_line_is_dropped() -> None:
    assert events("error: {}\n") == []
    assert events("error: {}") == []


# Gemini: an object between the lines


@pytest.mark.parametrize("text", [LINE, INDENTED])
@pytest.mark.parametrize("after", ["", "\n", "\n\n", "\n\ndata: b\n\n"])
def test_an_error_between_the_lines_is_an_error(text: str, after: str) -> None:
    first, (name, data), *rest = events(f"data: a\n\n{text}{after}")
    assert (first, name, json.loads(data)) == (("message", "a"), "error", ERROR)
    assert rest == ([("message", "b")] if "b" in after else [])


def test_it_is_out_with_the_line_that_completes_it() -> None:
    decoder = SseDecoder(last_event_id="7")
    assert decoder.feed(INDENTED.encode(), mono=1) == []
    (frame,) = decoder.feed(b"\n", wall=102, mono=2)
    assert (frame.id, frame.own_id, frame.end) == ("7", False, len(INDENTED) + 1)
    assert (frame.wall, frame.mono, frame.began) == (102, 2, 1)
    assert (decoder.offset, decoder.last_event_id) == (0, "7")


@pytest.mark.parametrize("eol", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("text", [LINE, INDENTED])
def test_any_split_gives_the_same(text: str, eol: str) -> None:
    body = f"data: a\n\n{text}\n: ping\n\ndata: b\n\n".replace("\n", eol).encode()
    whole = parse(body)
    assert [frame.event for frame in whole if frame.kind is EVENT] == [
        "message",
        "error",
        "message",
    ]
    assert parse(*(body[at : at + 1] for at in range(len(body)))) == whole
    for cut in range(len(body)):
        assert parse(body[:cut], body[cut:]) == whole


def test_comments_inside_it_are_comments() -> None:
    body = INDENTED.replace("\n", "\n: keep-alive\n")
    assert [frame.kind for frame in parse(body.encode())].count(FrameKind.COMMENT) == 6
    assert [json.loads(data) for _, data in events(body)] == [ERROR]


def test_an_event_that_it_interrupts_goes_on() -> None:
    assert events(f"event: e\ndata: a\n{LINE}\ndata: b\n\n") == [("error", LINE), ("e", "a\nb")]


def test_several_errors_are_several_events() -> None:
    assert events(f"{LINE}\n{LINE}\n\n{LINE}\n") == [("error", LINE)] * 3


@pytest.mark.parametrize("before", ['{"a":1}', "{", '{\n  "a": 1\n}', "}", "{" * 70_000])
def test_what_is_no_error_does_not_hide_one(before: str) -> None:
    assert events(f"{before}\n{LINE}\n") == [("error", LINE)]


@pytest.mark.parametrize(
    "body",
    [
        '{"candidates":[]}\n\n',
        '{"error":null}\n\n',
        '{"error":"cut\n\n',
        '[{"error":{"code":1}}]\n\n',
        ' {"error":{"code":1}}\n\n',
        '"error":{"code":1}}\n}\n\n',
        '{\n  "error": {\n\n    "code": 1\n  }\n}\n',
        "{\n" + "[" * 50_000 + "\n}\n\n",
        "{" * 60_000 + "\n\n",
        '{"error":"' + "x" * _stray.MAX_STRAY + '"}\n\n',
        '{\n"error":"' + "x" * _stray.MAX_STRAY + '"\n}\n\n',
    ],
)
def test_any_other_text_is_ignored(body: str) -> None:
    assert events(body) == []
    assert events(body.rstrip("\n")) == []


def test_the_end_mark_counts_after_it() -> None:
    frames = parse(f"{LINE}\n\ndata: [DONE]".encode(), end_mark="[DONE]")
    assert [frame.data for frame in frames] == [LINE, "[DONE]"]


def test_a_long_run_of_braces_is_parsed_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = 0

    def counted(text: str) -> None:
        nonlocal parsed
        parsed += len(text)

    monkeypatch.setattr(_stray, "_value", counted)
    body = b"{\n" * 20_000 + b"}\n" * 20_000 + b"{\n}\n" * 20_000
    SseDecoder().feed(body)
    assert parsed <= 2 * len(body)


LINES = [b"", b"", b"data: a", b"data", b"id: 1", b"event: e", b"retry: 5", b": c", b"x"]
STRAYS = [b"{", b'{"a":1}', b"}", b'{"error":', b'{"error":1}', b'  "error": {"code": 1}']


@given(st.lists(st.sampled_from([*LINES, *STRAYS]), max_size=20))
def test_all_else_stays_as_the_standard_has_it(lines: list[bytes]) -> None:
    def seen(lines: list[bytes]) -> list[tuple[object, ...]]:
        frames = parse(b"".join(line + b"\n" for line in lines))
        return [(f.kind, f.event, f.data, f.id, f.retry) for f in frames if f.event != "error"]

    assert seen(lines) == seen([line for line in lines if line not in STRAYS])
