"""The format cases of web-platform-tests, `eventsource/`, by their names there.

Inputs and expectations are those of the suite; a body is what its `message.py` answers. The three
`format-mime-*` cases and `request-*` judge response headers, which the decoder never sees.
"""

from __future__ import annotations

import pytest

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.sse import SseDecoder


def message(text: str, *, newline: str = "\n\n") -> bytes:
    """The body that `resources/message.py?message=…` answers."""
    return (text + newline + "\n").encode()


def last_event_id(sent: str, id_value: str = "…") -> bytes:
    """The body that `resources/last-event-id.py` answers to a `Last-Event-ID`."""
    text = f"data: {sent}\n\n" if sent else f"id: {id_value}\nretry: 200\ndata: hello\n\n"
    return text.encode()


def events(body: bytes, *, last_id: str = "") -> list[Frame]:
    decoder = SseDecoder(last_event_id=last_id)
    frames = decoder.feed(body) + decoder.close()
    return [frame for frame in frames if frame.kind is FrameKind.EVENT]


def datas(body: bytes) -> list[str]:
    """The data of each event; all of them are of type `message`."""
    assert {frame.event for frame in events(body)} <= {"message"}
    return [frame.data for frame in events(body)]


def retry_after(body: bytes) -> int | None:
    decoder = SseDecoder()
    decoder.feed(body)
    return decoder.retry


def test_event_data() -> None:
    body = b"data:msg\ndata: msg\n\n:\nfalsefield:msg\n\n"
    body += b"falsefield:msg\nData:data\n\ndata\n\ndata:end\n\n"
    assert datas(body) == ["msg\nmsg", "", "end"]


def test_format_bom() -> None:
    assert datas(message("\ufeffdata:1\n\n\ufeffdata:2\n\ndata:3")) == ["1", "3"]


def test_format_bom_2() -> None:
    assert datas(message("\ufeff\ufeffdata:1\n\ndata:2\n\ndata:3")) == ["2", "3"]


def test_format_comments() -> None:
    long = "x" * 2048
    text = f"data:1\r:\0\n:\r\ndata:2\n:{long}\rdata:3\n:data:fail\r:{long}\ndata:4\n"
    assert datas(message(text, newline="")) == ["1\n2\n3\n4"]


def test_format_data_before_final_empty_line() -> None:
    body = message("retry:1000\ndata:test1\n\nid:test\ndata:test2", newline="")
    first, *more = events(body)
    again, *more_again = events(body, last_id=first.id)
    assert [(first.id, first.data), (again.id, again.data)] == [("", "test1")] * 2
    assert more == more_again == []


def test_format_field_data() -> None:
    assert datas(message("data:\n\ndata\ndata\n\ndata:test")) == ["", "\n", "test"]


def test_format_field_event() -> None:
    seen = events(message("event:test\ndata:x\n\ndata:x"))
    assert [frame.event for frame in seen] == ["test", "message"]


def test_format_field_event_empty() -> None:
    assert datas(message("event: \ndata:data")) == ["data"]


def test_format_field_id() -> None:
    (hello,) = events(last_event_id(""))
    (answer,) = events(last_event_id(hello.id), last_id=hello.id)
    assert (hello.data, hello.id) == ("hello", "…")
    assert (answer.data, answer.id) == ("…", "…")


def test_format_field_id_2() -> None:
    last_id, seen = "", []
    for _ in range(3):
        (frame,) = events(last_event_id(last_id), last_id=last_id)
        last_id = frame.id
        seen.append((frame.data, frame.id))
    assert seen == [("hello", "…"), ("…", "…"), ("…", "…")]


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        pytest.param(b"id: 1\ndata: 1\n\ndata:2\n\n", ["1", "1"], id="persists"),
        pytest.param(
            b"id: 1\ndata: 1\n\nid: 2\ndata:2\n\ndata:3\n\n",
            ["1", "2", "2"],
            id="changes and persists",
        ),
        pytest.param(b"id: 1\ndata: 1\n\nid:\ndata:2\n\ndata:3\n\n", ["1", "", ""], id="resets"),
    ],
)
def test_format_field_id_3(body: bytes, ids: list[str]) -> None:
    assert [frame.id for frame in events(body)] == ids


@pytest.mark.parametrize("value", ["\0\0", "x\0", "\0x", "x\0x", " \0"])
def test_format_field_id_null(value: str) -> None:
    (hello,) = events(last_event_id("", value))
    assert (hello.data, hello.id) == ("hello", "")


def test_format_field_parsing() -> None:
    text = (
        "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\n"
        "da-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n"
    )
    assert datas(message(text, newline="")) == ["\0\n 2\n1\n3\n\n4"]


def test_format_field_retry() -> None:
    assert retry_after(message("retry:03000\ndata:x")) == 3000


def test_format_field_retry_bogus() -> None:
    assert retry_after(message("retry:3000\nretry:1000x\ndata:x")) == 3000


def test_format_field_retry_empty() -> None:
    assert datas(message("retry\ndata:test")) == ["test"]
    assert retry_after(message("retry\ndata:test")) is None


def test_format_field_unknown() -> None:
    text = "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test"
    assert datas(message(text)) == ["test\n\ntest"]


def test_format_leading_space() -> None:
    assert datas(message("data:\ttest\rdata: \ndata:test")) == ["\ttest\n\ntest"]


def test_format_newlines() -> None:
    assert datas(message("data:test\r\ndata\ndata:test\r\n\r", newline="")) == ["test\n\ntest"]


def test_format_null_character() -> None:
    assert datas(message("data:\0\n\n")) == ["\0"]


def test_format_utf_8() -> None:
    assert datas(message("data:ok…")) == ["ok…"]
