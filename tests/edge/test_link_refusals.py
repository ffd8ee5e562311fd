"""Answers that are not a stream, and what is made of them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.link import Target, connection
from ssechat.link.excerpt import LENGTH, clip, excerpt
from ssechat.link.problems import futile
from ssechat.link.refusal import REMEDIES, retry_after
from support.fault_server import FaultServer, Request, Wire
from support.link import answer, failure, read, replies

# Another status


@pytest.mark.parametrize("status", [*REMEDIES, 409, 418, 500, 502, 503, 529, 599])
async def test_each_status_has_its_remedy(clients, status):
    body = '{"error": {"message": "that\\nwent wrong"}}'
    problem = await answer(clients, replies(status, body, Content_Type="application/json"))
    assert (problem.kind, problem.status) == ("status", status)
    assert problem.title.startswith(f"{status} ")
    assert problem.title.endswith(": that went wrong")
    assert problem.remedy
    assert problem.remedy == REMEDIES.get(status, problem.remedy)
    assert not futile(problem)


@pytest.mark.parametrize("status", [201, 202, 204, 205, 206, 210, 299])
async def test_only_200_is_a_stream(clients, status):
    problem = await answer(clients, replies(status, Content_Type="text/event-stream"))
    assert (problem.kind, problem.status) == ("status", status)


async def test_an_error_is_no_stream_though_it_says_so(clients):
    body = "data: no credit\n\n"
    problem = await answer(clients, replies(402, body, Content_Type="text/event-stream"))
    assert problem.title == "402 Payment Required: data: no credit"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), (" 30 ", 30.0), ("0", 0.0), ("9" * 5000, 999999999.0)],
)
async def test_retry_after_in_seconds(clients, value, seconds):
    assert (await answer(clients, replies(429, Retry_After=value))).retry_after == seconds


async def test_retry_after_as_a_date(clients):
    then = datetime.now(UTC) + timedelta(seconds=90)
    soon = await answer(clients, replies(503, Retry_After=format_datetime(then, usegmt=True)))
    assert soon.retry_after == pytest.approx(90, abs=5)
    past = await answer(clients, replies(503, Retry_After="Sun, 06 Nov 1994 08:49:37 GMT"))
    assert past.retry_after == 0


@pytest.mark.parametrize("value", ["", "-5", "1.5", "soon", "١٢", "Sun, 99 Foo 1994", "1 Jan"])
async def test_a_retry_after_that_is_neither(clients, value):
    assert (await answer(clients, replies(429, Retry_After=value))).retry_after is None


@given(st.text(max_size=80) | st.from_regex(r"\w{3}, ?\d+ [A-Z][a-z]{2} \d+ [\d:]+ [+-]?\w+"))
def test_no_retry_after_is_too_odd(value):
    seconds = retry_after(value)
    assert seconds is None or seconds >= 0


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_the_key_stays(clients, status):
    async with FaultServer(replies(200)) as other:
        problem = await answer(clients, replies(status, Location=f"{other.base_url}/v1"))
        assert not other.connections
    assert (problem.kind, problem.status) == ("status", status)
    assert "redirects" in problem.title
    assert problem.detail == f"{other.base_url}/v1"
    assert "base_url" in problem.remedy


@pytest.mark.parametrize(
    "location",
    ["", "http://[::1", "http://h:port/", "//", "\x1b[31m", "http://a b/", "x" * 5000, "http://é"],
)
async def test_a_redirect_to_nonsense_is_told(clients, location):
    problem = await answer(clients, replies(302, Location=location))
    assert problem.kind in ("status", "content")
    assert "redirects" in problem.title


# Another content


@pytest.mark.parametrize(
    "media",
    [
        "text/event-stream",
        "Text/Event-Stream",
        "TEXT/EVENT-STREAM;charset=UTF-8",
        "text/event-stream; charset=utf-8",
        "text/event-stream ;charset=latin-1",
        "text/event-stream; charset=utf-16",
        "text/event-stream;",
    ],
)
async def test_an_event_stream_is_known_by_its_essence_and_is_utf8(clients, media):
    async def streams(_: Request, wire: Wire) -> None:
        await wire.open_stream(content_type=media)
        await wire.event("é")
        await wire.end()

    async with FaultServer(streams) as server:
        assert [frame.data for frame in await read(clients, Target(server.base_url))] == ["é"]


@pytest.mark.parametrize(
    "media",
    [
        "text/event-stream-not",
        "application/x-text/event-stream",
        "text/plain; text/event-stream",
        "text/event-stream, text/html",
        "event-stream",
        "\x1b[31m",
        "x" * 5000,
    ],
)
async def test_what_only_looks_like_an_event_stream_is_refused(clients, media):
    problem = await answer(clients, replies(200, "data: a\n\n", Content_Type=media))
    assert problem.kind == "content"
    assert problem.title.endswith("instead of a stream")


async def test_no_content_type_is_refused(clients):
    problem = await answer(clients, replies(200, "data: a\n\n"))
    assert problem.title == "127.0.0.1 answered with no content type instead of a stream"


async def test_an_html_page_is_told_by_its_title(clients):
    page = "<!doctype html><HTML><Title lang=en>\n Log&#32;in &amp;\n pay </Title><p>x"
    problem = await answer(clients, replies(200, page, Content_Type="text/html; charset=utf-8"))
    assert problem.kind == "content"
    assert problem.title == "127.0.0.1 answered with an HTML page instead of a stream"
    assert problem.detail == "Log in & pay"
    assert "base_url" in problem.remedy


async def test_a_json_body_is_told_by_its_message(clients):
    body = '{"error": {"message": "set stream to true"}}'
    problem = await answer(clients, replies(200, body, Content_Type="application/json"))
    assert problem.title == "127.0.0.1 answered with a JSON body instead of a stream"
    assert problem.detail == "set stream to true"


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "GZIP", "gzip, identity", "x" * 500])
async def test_a_compressed_stream_is_refused_in_plain_words(clients, encoding):
    body = b"\x1f\x8b\x08\x00\x00\x00"
    headers = {"Content_Type": "text/event-stream", "Content_Encoding": encoding}
    problem = await answer(clients, replies(200, body, **headers))
    assert problem.kind == "content"
    assert "compresses its stream" in problem.title
    assert "compression" in problem.remedy


async def test_a_stream_may_say_that_it_is_not_compressed(clients):
    async def streams(_: Request, wire: Wire) -> None:
        await wire.open_stream({"Content-Encoding": "Identity"})
        await wire.end()

    async with FaultServer(streams) as server:
        assert await read(clients, Target(server.base_url)) == []


async def test_a_compressed_error_body_is_not_shown(clients):
    body = b"\x1f\x8b\x08 looks almost like text, but is none"
    assert (await answer(clients, replies(500, body, Content_Encoding="gzip"))).title == (
        "500 Internal Server Error"
    )


# Hostile bodies


async def test_a_huge_error_body_is_read_in_part_only(clients):
    sent = 0

    async def floods(_: Request, wire: Wire) -> None:
        nonlocal sent
        await wire.head(500, {"Content-Length": str(10**9)})
        while True:
            await wire.send("long " * 20000)
            sent += 100_000

    async with FaultServer(floods) as server:
        problem = await failure(clients, Target(server.base_url))
        await server.left(within=1)
    assert problem.title.startswith("500 Internal Server Error: long long")
    assert sent < 20_000_000


async def test_an_endless_error_body_is_bounded_in_time(clients, monkeypatch):
    async def dribbles(_: Request, wire: Wire) -> None:
        await wire.head(500, {"Transfer-Encoding": "chunked"})
        await wire.chunk("bad")
        await wire.hang()

    monkeypatch.setattr(connection, "BODY_TIME", 0.1)
    async with FaultServer(dribbles) as server:
        problem = await failure(clients, Target(server.base_url))
        await server.left(within=1)
    assert problem.title == "500 Internal Server Error: bad"


async def test_an_error_body_that_is_cut_is_told_as_far_as_it_came(clients):
    async def cuts(_: Request, wire: Wire) -> None:
        await wire.head(500, {"Content-Length": "100"})
        await wire.send("too bad")

    assert (await answer(clients, cuts)).title == "500 Internal Server Error: too bad"


async def test_a_binary_error_body_is_not_shown(clients):
    body = bytes(range(256)) * 20
    problem = await answer(clients, replies(500, body, Content_Type="image/png"))
    assert problem.title == "500 Internal Server Error"


async def test_escape_sequences_in_an_error_do_not_survive(clients):
    body = '{"error": {"message": "\\u001b[31mred\\u0007\\u202e\\ntext"}}'
    problem = await answer(clients, replies(400, body, Content_Type="application/json"))
    assert problem.title == "400 Bad Request: [31mred text"


async def test_an_error_text_without_end_is_clipped(clients):
    body = f'{{"error": {{"message": "{"long " * 9000}"}}}}'
    problem = await answer(clients, replies(400, body, Content_Type="application/json"))
    assert len(problem.title) < 330
    assert problem.title.endswith("…")


@pytest.mark.parametrize("reason", ["", "\x1b[31mOK", "A" * 50_000, "é\x9b1m", "a\tb"])
async def test_a_hostile_reason_phrase_is_tamed(clients, reason):
    problem = await answer(clients, replies(404, reason=reason))
    assert problem.title.startswith("404")
    assert len(problem.title) <= 64


@pytest.mark.parametrize("body", ["<title>" + " " * 60_000, "<title" * 10_000, "<title>" * 9000])
async def test_a_page_made_to_be_slow_is_not(clients, body):
    started = time.monotonic()
    await answer(clients, replies(200, body, Content_Type="text/html"))
    assert time.monotonic() - started < 1


@given(st.binary(max_size=3000), st.sampled_from(["", "text/html", "text/plain"]))
def test_an_excerpt_is_one_short_printable_line(body, media):
    for prefix in (b"", b"<title>"):
        line = excerpt(prefix + body + b"</title>", media)
        assert line.isprintable()
        assert len(line) <= LENGTH


@given(st.text(max_size=500), st.integers(2, 100))
def test_clipping_keeps_short_printable_text(text, length):
    line = clip(text, length)
    assert len(line) <= length
    assert line.isprintable()
    if len(text) <= length and text.isprintable():
        assert line == " ".join(text.split())
