"""httpx-sse 0.4.3 as an oracle: what it does otherwise is listed here, the rest must be equal.

A test of `DIFFERENCES` that fails says that httpx-sse has changed; if it conforms, the entry and
what it excludes from `test_both_decoders_agree_on_all_else` go, and in the end our decoder may.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given, settings
from hypothesis import strategies as st

from ssechat.core.frames import FrameKind
from ssechat.core.sse import SseDecoder

Event = tuple[str, str, str, int | None]
"""Type, data, last event id, retry."""


def ours(*chunks: bytes) -> list[Event]:
    decoder = SseDecoder()
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)] + decoder.close()
    return [(f.event, f.data, f.id, f.retry) for f in frames if f.kind is FrameKind.EVENT]


def theirs(*chunks: bytes, content_type: str = "text/event-stream") -> list[Event]:
    response = httpx.Response(200, headers={"content-type": content_type}, content=iter(chunks))
    return [(e.event, e.data, e.id, e.retry) for e in EventSource(response).iter_sse()]


def message(data: str = "a", *, id: str = "", retry: int | None = None) -> Event:
    return ("message", data, id, retry)


DIFFERENCES = (
    {
        "a byte order mark is kept, and hides the first field": (
            b"\xef\xbb\xbfdata: a\n\ndata: b\n\n",
            [message("a"), message("b")],
            [message("b")],
        ),
        "a byte order mark hides the first type": (
            b"\xef\xbb\xbfevent: e\ndata: a\n\n",
            [("e", "a", "", None)],
            [message("a")],
        ),
        "a comment and a blank line after an id are an event": (
            b"id: 1\ndata: a\n\n: ping\n\n",
            [message("a", id="1")],
            [message("a", id="1"), message("", id="1")],
        ),
        "every blank line after an id is an event": (
            b"id: 1\ndata: a\n\n\n\n",
            [message("a", id="1")],
            [message("a", id="1"), message("", id="1"), message("", id="1")],
        ),
        "a block of an id alone is an event": (b"id: 1\n\n", [], [message("", id="1")]),
        "a block of a type alone is an event": (b"event: e\n\n", [], [("e", "", "", None)]),
        "a block of retry alone is an event": (b"retry: 5\n\n", [], [message("", retry=5)]),
        "an unknown field after an id is an event": (
            b"id: 1\ndata: a\n\nfoo: b\n\n",
            [message("a", id="1")],
            [message("a", id="1"), message("", id="1")],
        ),
    }
    | {
        f"retry may be {value!r}": (
            f"retry: {value}\ndata: a\n\n".encode(),
            [message("a")],
            [message("a", retry=retry)],
        )
        for value, retry in [
            ("+5", 5),
            ("-5", -5),
            ("1_000", 1000),
            (" 5", 5),
            ("5 ", 5),
            ("\t5", 5),
            ("٥", 5),
            ("５", 5),
        ]
    }
    | {
        "retry has no bound": (
            b"retry: 99999999999999999999\ndata: a\n\n",
            [message("a", retry=2**31 - 1)],
            [message("a", retry=99999999999999999999)],
        ),
        "retry of more digits than int() takes is ignored": (
            b"retry: " + b"9" * 5000 + b"\ndata: a\n\n",
            [message("a", retry=2**31 - 1)],
            [message("a")],
        ),
    }
)


@pytest.mark.parametrize(("body", "right", "wrong"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_a_known_difference_is_still_there(
    body: bytes, right: list[Event], wrong: list[Event]
) -> None:
    assert (ours(body), theirs(body)) == (right, wrong)


def test_charset_misleads_httpx_sse_still() -> None:
    body = "data: é\n\n".encode()
    assert ours(body) == [message("é")]
    assert theirs(body, content_type="text/event-stream; charset=iso-8859-1") == [message("Ã©")]


@pytest.mark.parametrize("body", [b"data: a\r\r", b"data: a\n\r", b"data: a\r\n\r"])
def test_httpx_sse_still_holds_an_event_that_ends_in_cr(body: bytes) -> None:
    taken = []

    def chunks() -> Iterator[bytes]:
        for chunk in (body, b": ping\n"):
            taken.append(chunk)
            yield chunk

    headers = {"content-type": "text/event-stream"}
    event = next(EventSource(httpx.Response(200, headers=headers, content=chunks())).iter_sse())
    assert (event.data, len(taken)) == ("a", 2)
    assert len(SseDecoder().feed(body)) == 1


def test_httpx_sse_still_drops_retry_without_a_blank_line() -> None:
    body = b"data: a\n\nretry: 5\n"
    decoder = SseDecoder()
    decoder.feed(body)
    assert decoder.retry == 5
    assert theirs(body) == [message("a")]


def test_httpx_sse_still_hides_comments() -> None:
    body = b": a\n: b\ndata: c\n\n"
    assert theirs(body) == [message("c")]
    assert len(SseDecoder().feed(body)) == 3


def test_httpx_sse_still_has_no_bound() -> None:
    assert len(theirs(b"data: " + b"x" * 17 * 2**20 + b"\n\n")) == 1


def lines_without_difference() -> st.SearchStrategy[bytes]:
    """Lines on which both may be asked: `retry` is plain digits or plainly no number."""
    retry = st.sampled_from([b"retry", b"retry: ", b"retry: 0", b"retry:0250", b"retry: 5s"])
    names = st.sampled_from([b"data", b"event", b"id", b"Data", b" data", b"", b"x", b"\0"])
    values = st.sampled_from(
        [b"", b":", b": ", b":a", b": b", b":  c", b": 1:2", b": \0", b":\xff", b": \xe2\x80", b"d"]
    )
    odd = st.sampled_from(["data: a\u2028b\x85c".encode(), b"data: a\x0bb\x0cc\x1cd", b": ping"])
    junk = st.binary(max_size=6).filter(lambda line: not line.startswith((b"\xef", b"retry")))
    return st.one_of(retry, st.builds(bytes.__add__, names, values), odd, junk)


ends = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r"])
blocks = st.lists(st.tuples(lines_without_difference(), ends), max_size=14)
bodies = st.builds(
    lambda lines, rest: b"".join(line + end for line, end in lines) + rest,
    blocks,
    lines_without_difference(),
)


@settings(max_examples=300)
@given(bodies, st.integers(1, 9))
def test_both_decoders_agree_on_all_else(body: bytes, size: int) -> None:
    # Events without data cannot be told from those that httpx-sse invents.
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert [e for e in ours(body) if e[1]] == [e for e in theirs(*chunks) if e[1]]
