"""The link over a real socket: what is sent, what arrives when, and how it ends."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from ssechat.core.conversation import Call
from ssechat.core.frames import Frame, FrameKind
from ssechat.link import Target
from ssechat.link.target import sendable
from support.fault_server import FaultServer, Request, Wire, sse
from support.link import (
    CALL,
    SECRET,
    active,
    failure,
    hangs_in_body,
    misconfigured,
    opened,
    read,
    says_hello,
)

# What is sent


async def test_a_request_carries_body_headers_and_key(clients):
    async with FaultServer(says_hello) as server:
        target = Target(
            f"{server.base_url}/v1",
            headers={"X-Title": "Café"},
            secret_headers={"Authorization": f"Bearer {SECRET}"},
        )
        await read(clients, target)
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("POST", "/v1/chat", CALL.body)
    sent = dict(request.raw_headers)
    assert sent[b"X-Title"] == "Café".encode()
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["cache-control"] == "no-store"
    assert request.headers["user-agent"].startswith("ssechat/")
    assert "last-event-id" not in request.headers


async def test_a_header_is_sent_once_however_its_name_is_written(clients):
    call = Call("GET", "chat", {"ACCEPT": "a/a", "authorization": "no", "x-a": "call"})
    headers = {"accept": "b/b", "accept-encoding": "gzip", "AUTHORIZATION": "nor this", "X-A": "me"}
    async with FaultServer(says_hello) as server:
        secret = {"Authorization": SECRET}
        await read(clients, Target(server.base_url, headers=headers, secret_headers=secret), call)
    names = [name.lower() for name, _ in server.requests[0].raw_headers]
    assert len(names) == len(set(names))
    sent = server.requests[0].headers
    assert (sent["authorization"], sent["x-a"]) == (SECRET, "me")
    assert (sent["accept"], sent["accept-encoding"]) == ("text/event-stream", "identity")


async def test_a_path_from_the_root_leaves_the_base_urls_own_path(clients):
    async with FaultServer(says_hello) as server:
        await read(clients, Target(f"{server.base_url}/v1/"), Call("GET", "/v1/streams/a?x=1", {}))
        await read(clients, Target(f"{server.base_url}/v1/"), Call("GET", "//other.example/", {}))
    assert [r.target for r in server.requests] == ["/v1/streams/a?x=1", "//other.example/"]


async def test_the_cursor_is_sent_as_utf8(clients):
    async with FaultServer(says_hello) as server:
        await read(clients, Target(server.base_url), last_event_id="日本-7")
    assert dict(server.requests[0].raw_headers)[b"Last-Event-ID"] == "日本-7".encode()


@pytest.mark.parametrize("cursor", ["a\r\nX: y", "a\nb", "a\0", " a", "a ", "\x1b", "\ud800", "\r"])
async def test_a_cursor_cannot_inject_a_header(clients, cursor):
    assert not sendable(cursor)
    async with FaultServer(says_hello) as server:
        await misconfigured(clients, Target(server.base_url), last_event_id=cursor)
        assert not server.requests


@pytest.mark.parametrize("cursor", ["1", "st_x.1-2", "a b", "é", "日本", '{"a":1}', "\ufffd"])
async def test_what_is_sendable_arrives(clients, cursor):
    assert sendable(cursor)
    async with FaultServer(says_hello) as server:
        await read(clients, Target(server.base_url), last_event_id=cursor)
    assert dict(server.requests[0].raw_headers)[b"Last-Event-ID"] == cursor.encode()


def test_an_empty_id_is_no_cursor():
    assert not sendable("")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", " a", "a\t", "\x7f", "\udcff"])
async def test_a_header_that_cannot_be_sent_is_named_without_its_value(clients, value):
    async with FaultServer(says_hello) as server:
        bad = {"X-Key": SECRET + value} if value != " a" else {"X-Key": value + SECRET}
        for target in (
            Target(server.base_url, headers=bad),
            Target(server.base_url, secret_headers=bad),
        ):
            problem = await misconfigured(clients, target)
            assert "X-Key" in problem.title
            assert SECRET not in str(problem)
        assert not server.requests


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "é", "x\x1b" * 200])
async def test_a_header_with_a_bad_name_is_refused(clients, name):
    async with FaultServer(says_hello) as server:
        await misconfigured(clients, Target(server.base_url, headers={name: "1"}))
        assert not server.requests


async def test_cookies_are_not_kept(clients):
    async def sets_a_cookie(_: Request, wire: Wire) -> None:
        await wire.open_stream({"Set-Cookie": "track=1; Path=/"})
        await wire.end()

    async with FaultServer(sets_a_cookie) as server:
        await read(clients, Target(server.base_url))
        await read(clients, Target(server.base_url))
    assert "cookie" not in server.requests[1].headers


async def test_secrets_show_nowhere(clients):
    async with FaultServer(hangs_in_body) as server:
        secret = {"x-api-key": SECRET}
        target = Target(server.base_url.replace("//", "//me:pass@"), secret_headers=secret)
        async with opened(clients, target) as connection:
            shown = [repr(target), str(target), f"{[target]}", target.where]
            shown += [repr(connection), repr(vars(connection)), repr(asyncio.all_tasks())]
    assert not [text for text in shown if SECRET in text or "pass" in text]


# What arrives, and when


async def test_frames_come_one_list_a_chunk(clients):
    async def two_chunks(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.chunk(sse("a") + ": ping\n\n" + sse("b"))
        await asyncio.wait_for(taken.wait(), 5)
        await wire.event("c")
        await wire.end()

    taken = asyncio.Event()
    async with (
        FaultServer(two_chunks) as server,
        opened(clients, Target(server.base_url)) as stream,
    ):
        lists = []
        async for frames in stream.frames():
            lists.append([frame.data for frame in frames])
            taken.set()
    assert lists == [["a", "ping", "b"], ["c"]]


async def test_a_slow_reader_misses_nothing(clients):
    async def hurries(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        for number in range(200):
            await wire.event(str(number))
            await asyncio.sleep(0)
        await wire.end()

    got = []
    async with FaultServer(hurries) as server, opened(clients, Target(server.base_url)) as stream:
        async for frames in stream.frames():
            got += [frame.data for frame in frames]
            for _ in range(20):
                await asyncio.sleep(0)
    assert got == [str(number) for number in range(200)]


async def test_a_reader_that_pauses_pauses_the_server(clients):
    sent = 0

    async def floods(_: Request, wire: Wire) -> None:
        nonlocal sent
        await wire.open_stream()
        while True:
            await wire.chunk(sse("x" * 100_000))
            sent += 1

    async with FaultServer(floods) as server, opened(clients, Target(server.base_url)) as stream:
        async for _ in stream.frames():
            await asyncio.sleep(0.2)
            before = sent
            await asyncio.sleep(0.2)
            break
    assert sent == before


async def test_the_request_is_reported_sent_once_and_before_headers(clients):
    sent = asyncio.Event()
    calls = []

    async def waits(_: Request, wire: Wire) -> None:
        await asyncio.wait_for(sent.wait(), 5)
        await says_hello(_, wire)

    def on_sent() -> None:
        calls.append(1)
        sent.set()

    async with FaultServer(waits) as server:
        await read(clients, Target(server.base_url), on_sent=on_sent)
        assert calls == [1]
        await read(clients, Target(server.base_url), on_sent=on_sent)  # a warm connection
    assert calls == [1, 1]


async def test_sent_headers_first_byte_and_first_event_have_times_of_their_own(clients):
    loop = asyncio.get_running_loop()
    steps = [asyncio.Event() for _ in range(4)]
    times = []

    async def step_by_step(_: Request, wire: Wire) -> None:
        pieces = [": ping\n\n", "data: ", "x\n\n"]
        await steps[0].wait()
        await wire.open_stream()
        for step, piece in zip(steps[1:], pieces, strict=True):
            await step.wait()
            await wire.chunk(piece)
        await wire.end()

    def on_sent() -> None:
        times.append(loop.time())
        loop.call_later(0.02, steps[0].set)

    async with (
        FaultServer(step_by_step) as server,
        opened(clients, Target(server.base_url), on_sent=on_sent) as stream,
    ):
        times.append(stream.opened)
        loop.call_later(0.02, steps[1].set)
        async for (frame,) in stream.frames():
            times.append(frame.began)
            if frame.kind is FrameKind.COMMENT:
                loop.call_later(0.02, steps[2].set)
                loop.call_later(0.04, steps[3].set)
    times.append(frame.mono)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(gaps) == 4
    assert min(gaps) > 0.01


async def test_the_stream_names_itself_and_where_to_continue(clients):
    async def named(_: Request, wire: Wire) -> None:
        await wire.open_stream({"Location": "/v1/streams/a/events", "Ssechat-Stream-Id": "st_a"})
        await wire.chunk("retry: 2500\n\n")
        await wire.end()

    async with FaultServer(named) as server, opened(clients, Target(server.base_url)) as stream:
        assert [f.kind async for fs in stream.frames() for f in fs] == [FrameKind.CURSOR]
        assert (stream.location, stream.remote_id) == ("/v1/streams/a/events", "st_a")


@pytest.mark.parametrize("name", ["\x1b[31m", "a b", "x" * 201, "é", "a/../b"])
async def test_a_hostile_stream_name_is_none(clients, name):
    async def named(_: Request, wire: Wire) -> None:
        await wire.open_stream({"Ssechat-Stream-Id": name})
        await wire.end()

    async with FaultServer(named) as server, opened(clients, Target(server.base_url)) as stream:
        assert stream.remote_id == ""


# How it ends


async def test_a_clean_end_is_no_error(clients):
    async with FaultServer(says_hello) as server:
        (frame,) = await read(clients, Target(server.base_url))
    assert (frame.data, frame.id) == ("hello", "1")


async def test_a_body_that_lasts_until_the_connection_closes_ends_cleanly(clients):
    async def unframed(_: Request, wire: Wire) -> None:
        await wire.head(200, {"Content-Type": "text/event-stream", "Connection": "close"})
        await wire.send(sse("a"))

    async with FaultServer(unframed) as server:
        assert [frame.data for frame in await read(clients, Target(server.base_url))] == ["a"]


async def test_an_end_mark_counts_without_its_blank_line(clients):
    async def hasty(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.chunk(sse("a") + "data: [DONE]")
        await wire.end()

    async with FaultServer(hasty) as server:
        target = Target(server.base_url)
        assert [f.data for f in await read(clients, target, end_mark="[DONE]")] == ["a", "[DONE]"]
        assert [f.data for f in await read(clients, target)] == ["a"]


def _cut(body: str, headers: dict[str, str]) -> object:
    async def handler(_: Request, wire: Wire) -> None:
        await wire.head(200, {"Content-Type": "text/event-stream", **headers})
        await wire.send(body)

    return handler


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (_cut(f"9\r\n{sse('a')}\r\n", {"Transfer-Encoding": "chunked"}), "cut"),
        (_cut(f"99\r\n{sse('a')}", {"Transfer-Encoding": "chunked"}), "cut"),
        (_cut(sse("a"), {"Content-Length": "100"}), "cut"),
        (_cut(f"9\r\n{sse('a')}\r\n1", {"Transfer-Encoding": "chunked"}), "cut"),
        (_cut(f"9\r\n{sse('a')}\r\nzz\x1b\r\n", {"Transfer-Encoding": "chunked"}), "rules of HTTP"),
    ],
    ids=["between chunks", "in a chunk", "short of its length", "in a chunk's head", "damaged"],
)
async def test_what_came_before_a_cut_is_delivered_and_then_the_cut_is_told(
    clients, handler, words
):
    got: list[Frame] = []
    async with FaultServer(handler) as server:
        problem = await failure(clients, Target(server.base_url), got=got)
    assert [frame.data for frame in got] == ["a"]
    assert problem.kind == "lost"
    assert words in problem.title
    assert active(clients) == 0


async def test_a_reset_is_told_as_one(clients):
    seen = asyncio.Event()

    async def resets(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event("a")
        await asyncio.wait_for(seen.wait(), 5)
        wire.reset()

    async with FaultServer(resets) as server:
        problem = await failure(clients, Target(server.base_url), seen=seen.set)
    assert (problem.kind, problem.title) == ("lost", "the connection was reset")
    assert active(clients) == 0


async def test_a_bound_of_ours_ends_the_stream(clients):
    async def huge_id(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.chunk(sse("a", id="x" * 9000))
        await wire.hang()

    async with FaultServer(huge_id) as server:
        assert (await failure(clients, Target(server.base_url))).kind == "limit"
        await server.left(within=1)
