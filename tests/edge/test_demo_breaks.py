"""Each fault knob on the wire."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from ssechat.demo.answers import compose
from support.demo_process import PATHS, arriving, demo, frames, request, text_of

DIALECTS = tuple(PATHS)


@pytest.fixture(scope="module")
def server():
    with demo("--rate", "10000") as process:
        yield process


def rest_of(server, got) -> list:
    with server.follow(got[0].id.partition(".")[0], got[-1].id) as response:
        assert response.status_code == 200
        return frames(response)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("knob", "error"),
    [("cut", httpx.RemoteProtocolError), ("reset", httpx.ReadError), ("eof", None)],
)
def test_the_connection_ends_after_event_n_and_a_resume_brings_the_rest(
    server, dialect, knob, error
):
    raised: type | None = None
    got = []
    with server.post(f"hello #{knob}=20", dialect) as response:
        try:
            for frame in arriving(response):
                got.append(frame)
        except httpx.TransportError as lost:
            raised = type(lost)
    assert raised is error
    # A reset may overtake data that the other side has not read yet.
    assert len(got) == 20 or (knob == "reset" and 0 < len(got) < 20)
    text = text_of(got + rest_of(server, got))
    assert text == "".join(compose([f"hello #{knob}=20"]).text)


def test_each_cut_happens_once(server):
    with server.post("hello #cut=5,9,9 #length=12") as response:
        first = frames(response)
    second = rest_of(server, first)
    third = rest_of(server, second)
    assert [len(first), len(second), len(third)] == [5, 4, 6]
    with server.follow(first[0].id.partition(".")[0]) as response:
        assert len(frames(response)) == 15


def test_a_cut_before_the_first_event_leaves_headers_and_a_comment(server):
    with server.post("hello #cut=0 #length=3") as response:
        stream = response.headers["ssechat-stream-id"]
        assert frames(response) == []
    with server.follow(stream) as response:
        assert len(frames(response)) == 6


def test_a_stall_is_quiet_but_for_keepalives(server):
    with server.post("hello #stall=3:0.8 #length=6") as response:
        got = list(arriving(response))
    assert 0.75 < got[3].mono - got[2].mono < 3


def test_a_resumed_reader_finds_the_same_stall(server):
    with server.post("hello #stall=3:0.8 #length=6") as response:
        got = frames(response, limit=3)
        left = time.monotonic()
    with server.follow(got[0].id.partition(".")[0], got[-1].id) as response:
        assert 0.6 < next(arriving(response)).mono - left < 3


def test_a_silence_is_one_connections_own(server):
    began = time.monotonic()
    with server.post("hello #silence=3:30 #length=6") as response:
        got = frames(response, limit=3)
        assert len(rest_of(server, got)) == 6
    assert time.monotonic() - began < 10


def test_after_a_silence_everything_due_comes_at_once(server):
    with server.post("hello #silence=3:0.6 #length=30") as response:
        got = list(arriving(response, comments=True))
    times = [frame.mono for frame in got]
    assert 0.55 < times[4] - times[3] < 3
    assert times[-1] - times[4] < 1
    assert len(got) == 34


def test_slow_delays_the_first_event_but_not_the_headers(server):
    began = time.monotonic()
    with server.post("hello #slow=0.6 #length=3") as response:
        assert time.monotonic() - began < 0.5
        assert 0.55 < next(arriving(response)).mono - began < 3


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("status", [429, 503])
def test_the_first_post_is_turned_away_and_the_next_is_served(server, dialect, status):
    prompt = f"hello #{status}=7 #length=3"
    first = server.http.post(PATHS[dialect], json=request(prompt), headers={"Idempotency-Key": "r"})
    assert (first.status_code, first.headers["retry-after"]) == (status, "7")
    assert "message" in first.json()["error"]
    for _ in range(2):
        with server.post(prompt, dialect) as response:
            assert response.status_code == 200


def test_html_with_status_200_is_a_page(server):
    response = server.http.post(PATHS["openai-chat"], json=request("hello #type=html"))
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "<h1>" in response.text


def test_json_with_status_200_is_the_whole_answer(server):
    response = server.http.post(PATHS["anthropic"], json=request("hello #json"))
    assert response.headers["content-type"] == "application/json"
    assert response.json()["type"] == "message"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_is_the_last_event(server, dialect):
    with server.post("hello #error=9", dialect) as response:
        got = frames(response)
    assert len(got) == 10
    assert "error" in json.loads(got[-1].data)
    assert server.state(got[0].id.partition(".")[0]) == "failed"


@pytest.mark.parametrize(("knob", "state"), [("#length=9", "length"), ("#refuse", "refused")])
def test_the_status_tells_how_it_ended(server, knob, state):
    stream = server.start(f"hello {knob}")
    server.await_state(stream, state)


def test_the_rate_is_the_prompts(server):
    with server.post("hello #rate=50 #length=20") as response:
        times = [event.mono for event in arriving(response)]
    assert 22 / 50 - 0.1 < times[-1] - times[0] < 3


def test_a_plain_stream_cannot_be_found_again(server):
    with server.post("hello #plain #length=9", idempotency_key="p") as response:
        assert "location" not in response.headers
        assert "ssechat-stream-id" not in response.headers
        body = response.read().decode()
    assert "\nid:" not in body
    assert "retry:" not in body
    with server.post("hello #plain #length=9", idempotency_key="p") as response:
        assert "idempotent-replayed" not in response.headers


def test_a_plain_stream_can_be_cut_too(server):
    with server.post("hello #plain #cut=4") as response:
        assert len(frames(response)) == 4


def test_sparse_ids_stand_on_every_kth_event_and_are_exact(server):
    with server.post("hello #sparse=7 #length=40") as response:
        whole = frames(response)
    assert [n for n, event in enumerate(whole, 1) if event.own_id] == [7, 14, 21, 28, 35, 42]
    stream = whole[10].id.partition(".")[0]
    with server.follow(stream, whole[10].id) as response:
        assert [event.data for event in frames(response)] == [event.data for event in whole[7:]]


def test_hostile_bytes_come_through_as_they_are(server):
    with server.post("#hostile") as response:
        text = text_of(frames(response))
    assert "\x1b]52;c;" in text
    assert "\u202e" in text
