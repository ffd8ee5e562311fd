"""The demo's HTTP: streams, resuming, statuses, what is refused."""

from __future__ import annotations

import json
import re
import socket
import time
from itertools import pairwise

import httpx
import pytest

from ssechat.core.dialects import dialect as codec
from ssechat.core.frames import FrameKind
from ssechat.demo.answers import compose
from ssechat.demo.guard import MOST_BODY
from support.demo_process import PATHS, DemoProcess, arriving, demo, frames, request, text_of

DIALECTS = tuple(PATHS)


@pytest.fixture(scope="module")
def server():
    with demo("--rate", "10000") as process:
        yield process


def lasting(server: DemoProcess, **headers: str) -> str:
    """A stream that will not end during a test; its id."""
    return server.start("hello #rate=0.5")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_says_where_to_go_on(server, dialect):
    with server.post("hello", dialect) as response:
        stream = response.headers["ssechat-stream-id"]
        assert re.fullmatch(r"st_[a-z2-7]{32}", stream)
        assert response.headers["location"] == f"/v1/streams/{stream}/events"
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in response.headers
        got = frames(response)
    assert text_of(got) == "".join(compose(["hello"]).text)
    assert [event.id for event in got] == [f"{stream}.1-{n}" for n in range(1, len(got) + 1)]
    assert all(event.own_id for event in got)


def test_every_block_is_an_event_and_comments_have_no_blank_line(server):
    with server.post("hello #length=5") as response:
        body = response.read().decode()
    comment, _, rest = body.partition("\n")
    assert comment == ": ssechat demo"
    blocks = rest.split("\n\n")
    assert blocks.pop() == ""
    assert all(re.search("^data: ", block, re.M) for block in blocks)
    assert blocks[0].startswith("retry: 1000\nid: ")
    assert body.count("retry:") == 1


def test_events_arrive_one_by_one(server):
    began = time.monotonic()
    with server.post("hello #rate=40 #length=20") as response:
        times = [event.mono - began for event in arriving(response)]
    assert len(times) == 23
    assert times[0] < 0.4
    assert times[-1] > 23 / 40 - 0.05
    assert sum(later > earlier for earlier, later in pairwise(times)) >= 10


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_resume_after_any_event_brings_exactly_the_rest(server, dialect):
    with server.post("hello #long=1 #length=120 #rate=5000", dialect) as response:
        whole = frames(response)
    stream = whole[0].id.partition(".")[0]
    for at, event in enumerate(whole[:-1], 1):
        with server.follow(stream, event.id) as response:
            rest = frames(response)
        assert [(one.id, one.event, one.data) for one in rest] == [
            (one.id, one.event, one.data) for one in whole[at:]
        ]


def test_after_in_the_address_does_the_same_and_the_header_wins(server):
    with server.post("hello #length=9") as response:
        whole = frames(response)
    stream = whole[0].id.partition(".")[0]
    path = f"/v1/streams/{stream}/events?after={whole[4].id}"
    with server.http.stream("GET", path) as response:
        assert frames(response)[0].id == whole[5].id
    with server.http.stream("GET", path, headers={"Last-Event-ID": whole[6].id}) as response:
        assert frames(response)[0].id == whole[7].id
    for nothing in ("", "?after=", "?after=0"):
        with server.http.stream("GET", f"/v1/streams/{stream}/events{nothing}") as response:
            assert len(frames(response)) == len(whole)


def test_the_end_of_a_stream_is_204(server):
    with server.post("hello #length=3") as response:
        whole = frames(response)
    stream = whole[0].id.partition(".")[0]
    with server.follow(stream, whole[-1].id) as response:
        assert response.status_code == 204
        assert response.read() == b""


def test_wrong_cursors_and_unknown_streams_have_their_statuses(server):
    mine, other = lasting(server), lasting(server)
    for cursor in ("nonsense", f"{mine}.1-0", f"{other}.1-1", "é".encode()):
        response = server.http.get(
            f"/v1/streams/{mine}/events", headers=[(b"last-event-id", cursor)]
        )
        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"
    ahead = server.http.get(f"/v1/streams/{mine}/events?after={mine}.1-99999")
    assert ahead.status_code == 410
    assert ahead.json()["reason"] == "ahead"
    assert ahead.json()["earliest"] == f"{mine}.1-1"
    for id in ("st_" + "a" * 32, "x", "..%2f..%2fetc%2fpasswd", "%00", "st_" + "a" * 5000):
        for verb in ("", "/events"):
            assert server.http.get(f"/v1/streams/{id}{verb}").status_code == 404
        assert server.http.post(f"/v1/streams/{id}/cancel").status_code == 404


def test_a_reader_that_leaves_changes_nothing(server):
    with server.post("hello #rate=400 #length=60") as response:
        first = frames(response, limit=3)
    stream = first[0].id.partition(".")[0]
    assert server.state(stream) == "live"
    server.await_state(stream, "length")
    with server.follow(stream, first[-1].id) as response:
        assert [event.id for event in frames(response)] == [f"{stream}.1-{n}" for n in range(4, 64)]


def test_two_readers_get_the_same(server):
    stream = server.start("hello #rate=300 #length=60")
    with server.follow(stream) as one, server.follow(stream) as two:
        assert [event.id for event in frames(one)] == [event.id for event in frames(two)]


def test_a_stop_ends_readers_without_an_end_mark(server):
    with server.post("hello #rate=50") as response:
        events = arriving(response)
        got = [next(events) for _ in range(3)]
        stream = got[0].id.partition(".")[0]
        assert server.http.post(f"/v1/streams/{stream}/cancel").status_code == 202
        got += events
    assert "[DONE]" not in got[-1].data
    assert '"finish_reason":"stop"' not in got[-1].data
    status = server.http.get(f"/v1/streams/{stream}").json()
    assert (status["state"], status["terminal"], status["latest"]) == ("stopped", True, got[-1].id)
    again = server.http.post(f"/v1/streams/{stream}/cancel")
    assert (again.status_code, again.json()["state"]) == (200, "stopped")
    with server.follow(stream, got[-1].id) as response:
        assert response.status_code == 204


def test_a_stop_after_the_end_changes_nothing(server):
    stream = server.start("hello #length=3")
    server.await_state(stream, "length")
    assert server.http.post(f"/v1/streams/{stream}/cancel").status_code == 200
    assert server.state(stream) == "length"


def test_the_status_tells_what_there_is(server):
    stream = lasting(server)
    status = server.http.get(f"/v1/streams/{stream}").json()
    assert status["id"] == stream
    assert (status["state"], status["terminal"]) == ("live", False)
    assert (status["dialect"], status["model"]) == ("openai-chat", "demo")
    assert status["ended_at"] is None


def test_the_same_key_and_body_are_attached_to_the_same_stream(server):
    with server.post("hello #length=20", idempotency_key='"a1"') as response:
        first = frames(response, limit=5)
        assert "idempotent-replayed" not in response.headers
    with server.post("hello #length=20", idempotency_key='"a1"') as response:
        assert response.status_code == 200
        assert response.headers["idempotent-replayed"] == "true"
        again = frames(response)
    assert [event.id for event in again[:5]] == [event.id for event in first]
    assert len(again) == 23


def test_the_same_key_and_another_body_are_refused(server):
    with server.post("hello", idempotency_key="b1"):
        pass
    for dialect, prompt in (("openai-chat", "rust"), ("anthropic", "hello")):
        with server.post(prompt, dialect, idempotency_key="b1") as response:
            assert response.status_code == 422
    with server.post("hello", idempotency_key="x" * 256) as response:
        assert response.status_code == 400


def test_the_models_are_read_by_both_codecs(server):
    body = server.http.get("/v1/models").content
    for name in DIALECTS:
        assert codec(name).models(body) == ["demo", "demo-fast"]


def test_without_stream_the_answer_is_one_document(server):
    text = "".join(compose(["hello"]).text)
    chat = server.http.post(PATHS["openai-chat"], json=request("hello", stream=False)).json()
    assert chat["object"] == "chat.completion"
    assert chat["choices"][0]["message"]["content"] == text
    assert chat["choices"][0]["finish_reason"] == "stop"
    message = server.http.post(PATHS["anthropic"], json=request("hello", stream=False)).json()
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert message["content"][1]["text"] == text
    assert message["stop_reason"] == "end_turn"


def test_only_our_own_names_are_served(server):
    port = server.url.rsplit(":", 1)[1]
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", f"127.0.0.1:{port}", "[::1]:99"):
        assert server.http.get("/healthz", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.nip.io:80", "", "[::2]"):
        assert server.http.get("/healthz", headers={"Host": host}).status_code == 421


def test_a_foreign_origin_is_refused(server):
    assert server.http.get("/healthz", headers={"Origin": server.url}).status_code == 200
    for origin in (
        "null",
        "http://evil.example",
        "http://localhost:3000",
        "https" + server.url[4:],
    ):
        assert server.http.get("/healthz", headers={"Origin": origin}).status_code == 403


def test_a_post_has_to_be_json(server):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        response = server.http.post(
            PATHS["anthropic"], content=b"{}", headers={"Content-Type": kind}
        )
        assert response.status_code == 415
        assert response.json()["type"] == "error"
    assert server.http.post(PATHS["anthropic"], content=b"{}").status_code == 415
    accepted = server.http.post(
        PATHS["anthropic"],
        content=json.dumps(request("hello", stream=False)),
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )
    assert accepted.status_code == 200


def test_a_body_is_bounded_with_and_without_a_length(server):
    large = json.dumps(request("x" * MOST_BODY)).encode()
    kind = {"Content-Type": "application/json"}
    assert server.http.post(PATHS["anthropic"], content=large, headers=kind).status_code == 413
    parts = iter([large[:500_000], large[500_000:]])
    assert server.http.post(PATHS["anthropic"], content=parts, headers=kind).status_code == 413


def test_errors_have_the_shape_of_the_api(server):
    bad = {"content": b"{", "headers": {"Content-Type": "application/json"}}
    chat = server.http.post(PATHS["openai-chat"], **bad)
    assert chat.status_code == 400
    assert set(chat.json()["error"]) == {"message", "type", "param", "code"}
    message = server.http.post(PATHS["anthropic"], **bad)
    assert message.status_code == 400
    assert message.json()["error"]["type"] == "invalid_request_error"
    assert server.http.get("/nowhere").json()["error"]["type"] == "not_found_error"
    assert server.http.get(PATHS["anthropic"]).status_code == 405


def test_a_client_that_leaves_while_it_posts_does_no_harm(server):
    host, port = server.url.removeprefix("http://").split(":")
    head = "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    assert server.http.get("/healthz").json()["status"] == "ok"


def test_a_head_request_gets_headers_only(server):
    stream = lasting(server)
    response = server.http.head(f"/v1/streams/{stream}/events")
    assert response.headers["content-type"].startswith("text/event-stream")


def test_keepalives_are_comments_between_events(server):
    with server.post("hello #rate=100 #stall=3:1.1 #length=6") as response:
        got = list(arriving(response, comments=True))
    kinds = [(frame.kind, frame.data) for frame in got]
    assert kinds[0] == (FrameKind.COMMENT, "ssechat demo")
    assert kinds[4] == (FrameKind.COMMENT, "keepalive")
    assert [kind for kind, _ in kinds].count(FrameKind.COMMENT) == 2


def test_many_readers_are_served_at_once(server):
    stream = server.start("hello #rate=200 #length=40")
    with httpx.Client(
        base_url=server.url, limits=httpx.Limits(max_connections=100), trust_env=False
    ) as http:
        readers = [http.stream("GET", f"/v1/streams/{stream}/events") for _ in range(50)]
        responses = [reader.__enter__() for reader in readers]
        assert {len(frames(response)) for response in responses} == {43}
        for reader in readers:
            reader.__exit__(None, None, None)


def test_a_stream_is_stopped_by_its_key_before_its_id_is_known(server):
    headers = {"Idempotency-Key": "key-of-one"}
    with server.http.stream(
        "POST", "/v1/messages", json=request("hello #rate=2"), headers=headers
    ) as response:
        name = response.headers["ssechat-stream-id"]
    by_key = {"idempotency_key": "key-of-one"}
    assert server.http.post("/v1/streams/cancel", json=by_key).status_code == 202
    assert server.http.get(f"/v1/streams/{name}").json()["state"] == "stopped"
    assert server.http.post("/v1/streams/cancel", json=by_key).status_code == 200


def test_a_key_that_was_cancelled_before_it_came_starts_nothing(server):
    by_key = {"idempotency_key": "key-of-none"}
    assert server.http.post("/v1/streams/cancel", json=by_key).status_code == 202
    headers = {"Idempotency-Key": "key-of-none"}
    late = server.http.post("/v1/messages", json=request("hello"), headers=headers)
    assert (late.status_code, "cancelled" in late.text) == (409, True)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"idempotency_key": 7}', b'{"idempotency_key": ""}']
)
def test_a_cancel_without_a_key_is_refused(server, body):
    sent = {"Content-Type": "application/json"}
    assert server.http.post("/v1/streams/cancel", content=body, headers=sent).status_code == 400
