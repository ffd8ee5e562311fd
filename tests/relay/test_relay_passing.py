"""What passes through the relay, and how: bytes, ids, comments, errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fault_server import FaultServer, Request, Wire
from support.hubs import DONE, FINISH, finish, say, words
from support.relays import ASKED, CHAT, data_of, ids, numbers, relaying, stream_of


async def test_events_get_ids_and_keep_their_data(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.chunk(
            ": hello\n\n\n: again\n\nretry: 5\n\nid: theirs\ndata: " + words("a") + "\n\n"
        )
        await wire.chunk('\n\n\nevent: odd\ndata: {"x":\ndata: 1}\n\n')
        await wire.chunk(f"data: {FINISH}\n\ndata: [DONE]\n\n")
        await wire.end()

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        response = await relay.ask()
        assert response.status_code == 200
        stream = stream_of(response)
        assert response.headers["location"] == f"/v1/streams/{stream}/events"
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.text == (
            ": hello\n: again\n"
            f"id: {stream}.1-1\nretry: 1000\ndata: {words('a')}\n\n"
            f'id: {stream}.1-2\nevent: odd\ndata: {{"x":\ndata: 1}}\n\n'
            f"id: {stream}.1-3\ndata: {FINISH}\n\n"
            f"id: {stream}.1-4\ndata: [DONE]\n\n"
        )


async def test_the_upstream_gets_its_key_and_nothing_of_the_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UP_KEY", "sk-upstream-secret")

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a", ids="")
        await finish(wire)

    async with (
        FaultServer(handler) as server,
        relaying(tmp_path, server.base_url, upstream={"api_key_env": "UP_KEY"}) as relay,
    ):
        response = await relay.client.post(
            f"{CHAT}?key=mine&x=1",
            json=ASKED,
            headers={
                "Cookie": "a=b",
                "X-Api-Key": "mine",
                "X-Forwarded-For": "1.2.3.4",
                "Idempotency-Key": "k",
                "OpenAI-Beta": "responses=v1",
            },
        )
        assert response.status_code == 200
        sent = await server.received(1)
        assert sent.headers["authorization"] == "Bearer sk-upstream-secret"
        assert sent.target == "/v1/chat/completions?x=1"
        assert sent.json() == ASKED
        assert sent.headers["openai-beta"] == "responses=v1"
        for name in ("cookie", "x-api-key", "x-forwarded-for", "idempotency-key", "origin"):
            assert name not in sent.headers
        assert relay.token not in repr(sent)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
async def test_errors_of_the_upstream_pass_verbatim(tmp_path: Path, status: int) -> None:
    said = '{"error":  {"message": "no such model",\n "type": "x"}}'

    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(
            status,
            said,
            {"Content-Type": "application/json", "Retry-After": "7", "Set-Cookie": "a=b"},
        )

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        response = await relay.ask()
        assert (response.status_code, response.text) == (status, said)
        assert response.headers["content-type"] == "application/json"
        assert response.headers["retry-after"] == "7"
        assert "set-cookie" not in response.headers
        assert "ssechat-stream-id" not in response.headers
        assert (await relay.client.get("/v1/streams")).json() == {"streams": []}
        assert len(server.requests) == 1


async def test_what_is_no_stream_passes_and_is_not_journalled(tmp_path: Path) -> None:
    said = '{"id": "chatcmpl-1",  "choices": []}'

    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(200, said, {"Content-Type": "application/json"})

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        for body in (ASKED, ASKED | {"stream": False}):
            response = await relay.ask(body=body)
            assert (response.status_code, response.text) == (200, said)
        models = await relay.client.get("/up/v1/models")
        assert models.text == said
        assert (await relay.client.get("/v1/streams")).json() == {"streams": []}


async def test_a_key_that_the_upstream_repeats_is_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UP_KEY", "sk-upstream-secret")

    async def handler(request: Request, wire: Wire) -> None:
        if "false" in request.body.decode():
            await wire.reply(200, "your key is sk-upstream-secret")
        elif "bad" in request.body.decode():
            await wire.reply(401, "wrong key: sk-upstream-secret")
        else:
            await wire.open_stream()
            await wire.event(words("sk-upstream-secret"))
            await finish(wire)

    async with (
        FaultServer(handler) as server,
        relaying(tmp_path, server.base_url, upstream={"api_key_env": "UP_KEY"}) as relay,
    ):
        for body in (ASKED, ASKED | {"stream": False}, ASKED | {"model": "bad"}):
            assert "secret" not in (await relay.ask(body=body)).text


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_in_headers_is_as_carefully_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setenv("UP_KEY", "sk-upstream-secret")
    said = {"X-Request-Id": "for sk-upstream-secret", "Request-Id": "snow\u2603", "Server": "x"}

    async def handler(request: Request, wire: Wire) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        if stream:
            kind = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
            await wire.send(f"HTTP/1.1 200 OK\r\n{kind}{lines}\r\n".encode())
            await finish(wire)
        else:
            await wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{lines}\r\n{{}}".encode())
            wire.finished = True

    async with (
        FaultServer(handler) as server,
        relaying(tmp_path, server.base_url, upstream={"api_key_env": "UP_KEY"}) as relay,
    ):
        answer = await relay.ask(body=ASKED | {"stream": stream})
        assert answer.status_code == 200
        assert answer.headers["x-request-id"] == "for ***"
        assert answer.headers.get("server") != "x"


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_body_that_was_cut_off_does_not_pass_as_a_whole_one(
    tmp_path: Path, status: int, stream: bool
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.head(status, {"Content-Type": "application/json", "Content-Length": "1000"})
        await wire.send('{"id":')
        wire.cut()

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        answer = await relay.ask(body=ASKED | {"stream": stream})
        assert answer.status_code == 502
        assert "cut off" in answer.json()["error"]["message"]


async def test_an_upstream_that_cannot_be_reached_is_told_at_once(tmp_path: Path) -> None:
    async with relaying(tmp_path, "http://127.0.0.1:9") as relay:
        response = await relay.ask()
        assert response.status_code == 502
        assert "127.0.0.1:9" in response.json()["error"]["message"]


async def test_lines_of_json_pass_as_they_are_and_are_events_for_who_comes_back(
    tmp_path: Path,
) -> None:
    lines = [
        {"message": {"content": "a"}, "done": False},
        {"message": {"content": ""}, "done": True, "done_reason": "stop"},
    ]
    sent = "".join(json.dumps(line) + "\n" for line in lines)

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(content_type="application/x-ndjson")
        await wire.chunk(sent)
        await wire.end()

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        response = await relay.ask("/up/api/chat", body={"model": "m", "messages": []})
        assert response.headers["content-type"] == "application/x-ndjson"
        assert response.text == sent
        again = await relay.client.get(response.headers["location"])
        assert numbers(again.text) == [1, 2]
        assert [json.loads(data) for data in data_of(again.text)] == lines


SHAPES = {
    "/up/v1/chat/completions": '"code":"upstream_interrupted"',
    "/up/v1/messages": '"type":"api_error"',
    "/up/v1/responses": '"type":"error","code":"upstream_interrupted"',
    "/up/v1beta/models/m:streamGenerateContent?alt=sse": '"status":"INTERNAL"',
}


@pytest.mark.parametrize("path", SHAPES)
async def test_a_stream_that_its_upstream_did_not_end_ends_in_an_error_of_its_dialect(
    tmp_path: Path, path: str
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event('{"type":"ping"}', event="ping")
        wire.cut()

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        response = await relay.ask(path)
        assert response.text.count("data:") == 2
        assert SHAPES[path] in response.text
        assert response.text.endswith("\n\n")
        last = ids(response.text)[-1]
        told = (await relay.client.get(f"/v1/streams/{stream_of(response)}")).json()
        assert told["state"] == "cut"
        assert told["terminal"] is True
        assert told["latest"] == last
        again = await relay.client.get(
            response.headers["location"], headers={"Last-Event-ID": last}
        )
        assert again.status_code == 204


async def test_an_upstream_that_can_resume_is_resumed_and_readers_notice_nothing(
    tmp_path: Path,
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream({"Location": "/streams/1"})
        if request.method == "POST":
            await say(wire, "a", "b")
            wire.cut()
        else:
            assert request.headers["last-event-id"] == "e2"
            await say(wire, "c", first=3)
            await finish(wire, 4)

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        response = await relay.ask()
        assert numbers(response.text) == [1, 2, 3, 4, 5]
        told = [
            line.removeprefix("data: ") for line in response.text.splitlines() if "data:" in line
        ]
        assert told == [words("a"), words("b"), words("c"), FINISH, DONE]
