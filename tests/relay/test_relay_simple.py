"""`POST /api/chat`: one question in plain JSON, and events in a few words, whoever answers."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from core.fixtures.streams import body, frames
from ssechat.core.dialects import dialect
from ssechat.core.fold import Fold
from ssechat.relay.config import Upstream
from ssechat.relay.errors import Refusal
from ssechat.relay.simple import View, encoded, end_mark
from ssechat.relay.simple_ask import able, choose, path_at
from support.fault_server import FaultServer, Handler, Request, Wire
from support.hubs import FINISH, finish, say, thoughts, words
from support.media import png
from support.relay_process import relay_process
from support.relays import Body, Relaying, ids, numbers, relaying, stream_of

CHAT = "/api/chat"
ASKED = {"prompt": "why?", "model": "m"}
USAGE = json.dumps({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}})


def both(text: str) -> str:
    """Thinking and answer in one event, as some servers send them."""
    delta = {"reasoning_content": f"hm {text}", "content": text}
    return json.dumps({"choices": [{"index": 0, "delta": delta}]})


async def whole(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    await wire.event(thoughts("hm"))
    await wire.chunk(": a comment\n")
    await wire.event(both("a"))
    await wire.event(words("b\u2028é"))
    await wire.event(FINISH)
    await wire.event(USAGE)
    await wire.event("[DONE]")
    await wire.end()


WHOLE = [
    {"type": "thinking", "content": "hm"},
    {"type": "thinking", "content": "hm a"},
    {"type": "text", "content": "a"},
    {"type": "text", "content": "b\u2028é"},
    {"type": "usage", "content": {"input": 3, "output": 5}},
    {"type": "end", "content": "", "state": "complete"},
]


def told(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: ")]


def answered(text: str) -> str:
    return "".join(event["content"] for event in told(text) if event["type"] == "text")


async def ask(relay: Relaying, body: Any = ASKED, **headers: str) -> Any:
    return await relay.ask(CHAT, body=body, **headers)


async def test_an_answer_in_the_simple_events(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        answer = await ask(relay)
        assert told(answer.text) == WHOLE
        assert numbers(answer.text) == [1, 2, 3, 4, 5, 6]
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        stream = stream_of(answer)
        assert answer.headers["location"] == f"/v1/streams/{stream}/events"
        row = (await relay.client.get(f"/v1/streams/{stream}")).json()
        assert (row["view"], row["state"], row["latest"]) == (
            "simple",
            "complete",
            f"{stream}.1-6",
        )
        listed = (await relay.client.get("/v1/streams")).json()["streams"]
        assert [one["view"] for one in listed] == ["simple"]
        request = server.requests[0]
        assert request.target == "/v1/chat/completions"
        assert request.json()["messages"] == [{"role": "user", "content": "why?"}]
        assert request.json()["model"] == "m"


async def test_from_every_cut_the_rest_is_exact(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        first = await ask(relay)
        names, stream = ids(first.text), stream_of(first)
        for cut in range(len(names) + 1):
            headers = {"Last-Event-ID": names[cut - 1]} if cut else {}
            rest = await relay.client.get(f"/v1/streams/{stream}/events", headers=headers)
            assert told(rest.text) == WHOLE[cut:]
            assert ids(rest.text) == names[cut:]
            assert rest.status_code == (200 if cut < len(names) else 204)
        assert len(server.requests) == 1


async def test_a_reader_who_comes_back_in_mid_stream_gets_what_is_missing(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event(both("a"))
        await go_on.wait()
        await say(wire, "b", ids="")
        await finish(wire)

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        async with relay.asking(CHAT, body=ASKED) as response:
            stream = stream_of(response)
            await Body(response).until(2)
        path = f"/v1/streams/{stream}/events"
        cursor = {"Last-Event-ID": f"{stream}.1-1"}
        async with relay.client.stream("GET", path, headers=cursor) as response:
            body = Body(response)
            await body.until(2)
            go_on.set()
            assert numbers(await body.whole()) == [2, 3, 4]
            assert answered(body.text) == "ab"
        ahead = {"Last-Event-ID": f"{stream}.1-9"}
        assert (await relay.client.get(path, headers=ahead)).status_code == 410


def ends_with(state: str, *last: str) -> Handler:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a", ids="")
        for data in last:
            await wire.event(data)
        if state == "cut":
            wire.reset()
        else:
            await wire.end()

    return handler


def reason(why: str) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": why}]})


@pytest.mark.parametrize(
    ("state", "last"),
    [
        ("complete", (FINISH, "[DONE]")),
        ("length", (reason("length"), "[DONE]")),
        ("refused", (reason("content_filter"), "[DONE]")),
        ("failed", (json.dumps({"error": {"message": "out of order"}}),)),
        ("cut", ()),
    ],
)
async def test_the_end_says_how_it_ended(tmp_path: Path, state: str, last: tuple[str, ...]) -> None:
    async with (
        FaultServer(ends_with(state, *last)) as server,
        relaying(tmp_path, server.base_url) as relay,
    ):
        events = told((await ask(relay)).text)
        assert events[-1]["type"] == "end"
        assert events[-1]["state"] == state
        assert [event["type"] for event in events].count("end") == 1
        errors = [event["content"] for event in events if event["type"] == "error"]
        assert bool(errors) == (state == "failed")
        assert all("out of order" in error for error in errors)


@pytest.mark.parametrize("by_key", [False, True])
async def test_a_cancelled_answer_ends_as_stopped(tmp_path: Path, by_key: bool) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a", ids="")
        await wire.hang()

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        async with relay.asking(CHAT, body=ASKED, headers={"Idempotency-Key": "k"}) as response:
            body = Body(response)
            await body.until(1)
            path = f"/v1/streams/{stream_of(response)}/cancel"
            if by_key:
                asked = {"idempotency_key": "k"}
                cancelled = await relay.client.post("/v1/streams/cancel", json=asked)
            else:
                cancelled = await relay.client.post(path)
            assert cancelled.status_code == 202
            text = await body.whole()
        assert told(text)[-1] == {"type": "end", "content": "it was cancelled", "state": "stopped"}


async def test_the_same_key_attaches_and_another_question_is_refused(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        first = await ask(relay, Idempotency_Key="k")
        again = await ask(relay, Idempotency_Key="k")
        assert again.text == first.text
        assert again.headers["idempotent-replayed"] == "true"
        other = await ask(relay, {"prompt": "what?", "model": "m"}, Idempotency_Key="k")
        assert other.status_code == 422
        passed = await relay.ask(Idempotency_Key="k")
        assert passed.status_code == 422
        assert len(server.requests) == 1


async def test_killed_in_mid_stream_the_events_keep_their_numbers(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event(both("a"))
        await wire.event(both("b"))
        await wire.hang()

    async with FaultServer(handler) as server:
        with relay_process(tmp_path, server.base_url) as relay:
            async with relay.client() as client:
                async with client.stream("POST", CHAT, json=ASKED) as response:
                    stream = stream_of(response)
                    before = told(await Body(response).until(4))
                    relay.kill()
                relay.restart()
            async with relay.client() as client:
                path = f"/v1/streams/{stream}/events"
                everything = await client.get(path)
                assert told(everything.text)[:4] == before
                assert told(everything.text)[-1]["state"] == "cut"
                for cut in (1, 3, 4):
                    cursor = {"Last-Event-ID": f"{stream}.1-{cut}"}
                    rest = await client.get(path, headers=cursor)
                    assert numbers(rest.text) == list(range(cut + 1, 6))
                    assert told(rest.text) == told(everything.text)[cut:]


async def test_images_come_as_what_they_are(tmp_path: Path) -> None:
    picture = base64.b64encode(png()).decode()
    page = base64.b64encode(b"<svg onload=alert(1)>").decode()

    def images(*urls: str) -> str:
        listed = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        return json.dumps({"choices": [{"index": 0, "delta": {"images": listed}}]})

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event(
            images(
                f"data:image/svg+xml;base64,{picture}",
                f"data:image/png;base64,{page}",
                "https://example.com/a.png",
            )
        )
        await finish(wire)

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        found = [event for event in told((await ask(relay)).text) if event["type"] == "image"]
    assert found == [
        {"type": "image", "content": picture, "number": 1, "mime": "image/png"},
        {"type": "image", "content": page, "number": 2, "mime": "application/octet-stream"},
        {"type": "image", "content": "", "number": 3, "url": "https://example.com/a.png"},
    ]


async def test_other_dialects_are_asked_in_their_own_words(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(content_type="application/x-ndjson")
        await wire.chunk(
            '{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n'
        )
        await wire.chunk('{"model":"m","message":{"role":"assistant","content":""},"done":true}\n')
        await wire.end()

    async with (
        FaultServer(handler) as server,
        relaying(tmp_path, server.base_url, upstream={"dialects": ("ollama",)}) as relay,
    ):
        asked = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}
        answer = await ask(relay, {**asked, "model": "up/m"})
        assert server.requests[0].target == "/api/chat"
        assert server.requests[0].json()["messages"] == asked["messages"]
        assert server.requests[0].json()["model"] == "m"
        assert [event["type"] for event in told(answer.text)] == ["text", "end"]


async def test_without_a_model_the_first_that_is_listed_answers(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        if request.method == "GET":
            await wire.reply(200, json.dumps({"data": [{"id": "one"}, {"id": "two"}]}))
        else:
            await whole(request, wire)

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        listed = (await relay.client.get("/api/models")).json()["models"]
        assert listed == ["up/one", "up/two"]
        await ask(relay, {"prompt": "why?"})
        await ask(relay, {"prompt": "why?"})
        asked = [request.json()["model"] for request in server.requests if request.body]
        assert asked == ["one", "one"]
        lists = [request.target for request in server.requests if not request.body]
        assert lists == ["/v1/models"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"prompt": " "}, 400),
        ({"prompt": 1}, 400),
        ({"prompt": "a", "messages": [{"role": "user", "content": "b"}]}, 400),
        ({"messages": [{"role": "tool", "content": "b"}]}, 400),
        ({"messages": [{"role": "system", "content": "b"}]}, 400),
        ({"prompt": "a", "model": "up/dear"}, 403),
        ([], 400),
    ],
)
async def test_what_is_not_asked(tmp_path: Path, body: Any, status: int) -> None:
    async with (
        FaultServer(whole) as server,
        relaying(tmp_path, server.base_url, upstream={"models": ("m",)}) as relay,
    ):
        refused = await ask(relay, body)
        assert refused.status_code == status
        assert refused.json()["error"]["message"]
        assert (await relay.client.get("/api/models")).json() == {"models": ["up/m"]}
        assert server.requests == []


@pytest.mark.parametrize(
    ("status", "told_status"), [(429, 429), (400, 400), (401, 502), (200, 502)]
)
async def test_what_the_upstream_refuses(tmp_path: Path, status: int, told_status: int) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        body = json.dumps({"error": {"message": "not today"}})
        await wire.reply(status, body, {"Retry-After": "7"})

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        refused = await ask(relay)
        assert refused.status_code == told_status
        assert "not today" in refused.json()["error"]["message"]
        assert refused.headers["retry-after"] == "7"
        assert (await relay.client.get("/v1/streams")).json() == {"streams": []}


async def test_nobody_gets_in_without_a_token(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        nobody = {"Authorization": ""}
        for method, path in [("POST", CHAT), ("GET", "/api/models")]:
            asked = ASKED if method == "POST" else None
            refused = await relay.client.request(method, path, json=asked, headers=nobody)
            assert refused.status_code == 401
        assert server.requests == []


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("anthropic", "anthropic_thinking"),
        ("gemini", "gemini_text"),
        ("gemini-interactions", "gemini_interactions_text"),
        ("openai-chat", "openai_surrogates"),
        ("openai-chat", "openrouter_error"),
        ("openai-chat", "openrouter_image"),
        ("openai-chat", "openai_audio"),
        ("openai-chat", "think_tags"),
        ("openai-responses", "responses_text"),
        ("openai-responses", "responses_image_failed"),
    ],
)
def test_the_events_say_what_the_stream_says(name: str, stream: str) -> None:
    events = frames([body(stream)], dialect(name).END_MARK)
    view = View(dialect(name))
    given = [event for frame in [*events, end_mark("complete", "")] for event in view.take(frame)]
    fold = Fold(dialect(name).decoder())
    for frame in events:
        fold.take(frame)
    fold.close(0.0)
    said = dict.fromkeys(("thinking", "text"), "")
    for event in given:
        if event["type"] in said:
            said[event["type"]] += event["content"]
    assert said["text"] == fold.reply.answer
    thought = [part.text for part in fold.reply.parts if part.kind == "thinking"]
    assert said["thinking"] == "".join(thought)
    media = [(part.kind, part.index) for part in fold.reply.parts if part.media]
    shown = {(event["type"], event["number"]) for event in given if "number" in event}
    assert shown == set(media)
    assert [event["type"] for event in given].count("end") == 1
    assert given[-1]["type"] == "end"


def test_half_a_character_breaks_no_event() -> None:
    assert json.loads(encoded({"content": "\ud83d"})) == {"content": "\ud83d"}


def upstream(base_url: str, name: str = "up", **more: Any) -> Upstream:
    return Upstream(name=name, base_url=base_url, **more)


@pytest.mark.parametrize(
    ("base_url", "dialect", "path", "where"),
    [
        ("https://api.openai.com", "openai-chat", "chat/completions", "v1/chat/completions"),
        ("https://openrouter.ai/api/v1", "openai-chat", "chat/completions", "chat/completions"),
        ("https://g.example/v1beta/openai", "openai-chat", "chat/completions", "chat/completions"),
        ("https://api.anthropic.com", "anthropic", "v1/messages", "v1/messages"),
        ("https://x.example/anthropic/v1", "anthropic", "v1/messages", "messages"),
        ("https://g.example", "gemini", "models/m:x", "v1beta/models/m:x"),
        ("http://127.0.0.1:11434", "ollama", "api/chat", "api/chat"),
    ],
)
def test_where_a_dialects_paths_lie(base_url: str, dialect: str, path: str, where: str) -> None:
    assert path_at(base_url, dialect, path) == where


def test_who_is_meant_by_a_model() -> None:
    upstreams = {
        "events": upstream("http://a", "events", dialects=("sse",)),
        "anthropic": upstream("http://b", "anthropic", models=("x", "y")),
        "b": upstream("http://c", "b"),
        "real": upstream("https://api.openai.com", "real", dialects=("openai-responses",)),
    }
    assert able(upstreams) == {
        "anthropic": "anthropic",
        "b": "openai-chat",
        "real": "openai-responses",
    }

    def meant(model: str) -> tuple[str, str]:
        chosen = choose(upstreams, model)
        return chosen.upstream.name, chosen.model

    assert meant("") == ("anthropic", "x")
    assert meant("y") == ("anthropic", "y")
    assert meant("b/org/z") == ("b", "org/z")
    assert meant("b") == ("b", "")
    assert meant("real")[1] != ""
    with pytest.raises(Refusal):
        choose(upstreams, "anthropic/z")
    with pytest.raises(Refusal):
        choose({}, "z")
