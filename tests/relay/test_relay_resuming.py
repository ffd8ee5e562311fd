"""Reading a stream of the relay again: cursors, keys, cancels, owners, and who may come in."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ssechat.relay.config import Limits
from support.fault_server import FaultServer, Handler, Request, Wire
from support.hubs import finish, say, words
from support.relays import (
    ASKED,
    CHAT,
    Body,
    Relaying,
    data_of,
    numbers,
    relaying,
    stream_of,
)


def held(go_on: asyncio.Event) -> Handler:
    """Two events, and the rest once it is let."""

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a", "b", ids="")
        await go_on.wait()
        await say(wire, "c", ids="")
        await finish(wire)

    return handler


async def whole(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    await say(wire, "a", "b", ids="")
    await finish(wire)


async def test_a_reader_that_was_cut_off_gets_exactly_the_rest(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with FaultServer(held(go_on)) as server, relaying(tmp_path, server.base_url) as relay:
        async with relay.asking() as response:
            stream = stream_of(response)
            await Body(response).until(2)
        go_on.set()
        for after in range(6):
            headers = {"Last-Event-ID": f"{stream}.1-{after}"} if after else {}
            rest = await relay.client.get(f"/v1/streams/{stream}/events", headers=headers)
            assert numbers(rest.text) == list(range(after + 1, 6))
            assert rest.status_code == (200 if after < 5 else 204)
        assert len(server.requests) == 1


async def test_every_reader_follows_the_same_stream(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with (
        FaultServer(held(go_on)) as server,
        relaying(tmp_path, server.base_url) as relay,
        relay.asking() as first,
        relay.client.stream("GET", first.headers["location"]) as second,
    ):
        late = Body(second)
        await late.until(2)
        go_on.set()
        for body in (late, Body(first)):
            assert numbers(await body.whole()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("cursor", "status", "reason"),
    [
        ("nonsense", 400, None),
        ("st_" + "a" * 26 + ".1-1", 400, None),
        ("{}.1-0", 400, None),
        ("{}.1-99", 410, "ahead"),
        ("{}.2-1", 410, "ahead"),
    ],
)
async def test_cursors_that_are_none(
    tmp_path: Path, cursor: str, status: int, reason: str | None
) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        stream = stream_of(await relay.ask())
        answer = await relay.client.get(
            f"/v1/streams/{stream}/events?after=0", headers={"Last-Event-ID": cursor.format(stream)}
        )
        assert answer.status_code == status
        assert answer.json().get("reason") == reason


async def test_the_header_wins_over_the_query(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        stream = stream_of(await relay.ask())
        path = f"/v1/streams/{stream}/events?after={stream}.1-1"
        assert numbers((await relay.client.get(path)).text) == [2, 3, 4]
        headers = {"Last-Event-ID": f"{stream}.1-3"}
        assert numbers((await relay.client.get(path, headers=headers)).text) == [4]


# One request under a key, however often it comes.


async def test_a_request_that_comes_again_is_attached(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        first = await relay.ask(Idempotency_Key="k")
        again = await relay.ask(Idempotency_Key="k")
        assert again.text == first.text
        assert again.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        other = await relay.ask(Idempotency_Key="k", body=ASKED | {"model": "other"})
        assert other.status_code == 422
        assert len(server.requests) == 1
        assert stream_of(await relay.ask(Idempotency_Key="k2")) != stream_of(first)


async def test_requests_that_come_at_once_are_one(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        answers = await asyncio.gather(*(relay.ask(Idempotency_Key="k") for _ in range(8)))
        assert len({answer.text for answer in answers}) == 1
        assert len(server.requests) == 1


async def test_a_key_whose_request_failed_may_be_used_again(tmp_path: Path) -> None:
    async def busy(request: Request, wire: Wire) -> None:
        if len(server.requests) == 1:
            await wire.reply(429, "{}")
        else:
            await whole(request, wire)

    async with FaultServer(busy) as server, relaying(tmp_path, server.base_url) as relay:
        assert (await relay.ask(Idempotency_Key="k")).status_code == 429
        assert numbers((await relay.ask(Idempotency_Key="k")).text) == [1, 2, 3, 4]


async def test_keys_of_different_owners_are_different_keys(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        first = await relay.ask(Idempotency_Key="k")
        async with await relay.other_owner() as other:
            second = await other.post(CHAT, json=ASKED, headers={"Idempotency-Key": "k"})
        assert stream_of(second) != stream_of(first)


# Ends.


async def test_who_leaves_ends_nothing_unless_they_asked_for_it(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with FaultServer(held(go_on)) as server, relaying(tmp_path, server.base_url) as relay:
        async with relay.asking() as response:
            kept = stream_of(response)
            await Body(response).until(1)
        async with relay.asking(headers={"Ssechat-On-Disconnect": "cancel"}) as response:
            left = stream_of(response)
            await Body(response).until(1)
        await relay.ended(left)
        assert (await state_of(relay, left)) == "stopped"
        assert (await state_of(relay, kept)) == "live"
        go_on.set()
        await relay.ended(kept)
        assert (await state_of(relay, kept)) == "complete"


async def test_a_stream_that_nobody_reads_is_cancelled_and_says_so(tmp_path: Path) -> None:
    async with (
        FaultServer(held(asyncio.Event())) as server,
        relaying(tmp_path, server.base_url, detach_ttl=0.5) as relay,
    ):
        async with relay.asking() as response:
            stream = stream_of(response)
            await Body(response).until(1)
        await relay.ended(stream)
        rest = await relay.client.get(f"/v1/streams/{stream}/events")
        assert "nobody read it" in data_of(rest.text)[-1]
        await server.left()


@pytest.mark.parametrize("by_key", [False, True])
async def test_cancelling_ends_the_generation_and_is_idempotent(
    tmp_path: Path, by_key: bool
) -> None:
    async with (
        FaultServer(held(asyncio.Event())) as server,
        relaying(tmp_path, server.base_url) as relay,
    ):
        async with relay.asking(headers={"Idempotency-Key": "k"}) as response:
            stream = stream_of(response)
            body_of = Body(response)
            await body_of.until(2)
            path = "/v1/streams/cancel" if by_key else f"/v1/streams/{stream}/cancel"
            body = {"idempotency_key": "k"} if by_key else None
            assert (await relay.client.post(path, json=body)).status_code == 202
            rest = await body_of.whole()
        assert "cancelled" in data_of(rest)[-1]
        await server.left()
        again = await relay.client.post(path, json=body)
        assert (again.status_code, again.json()["state"]) == (200, "stopped")


async def test_a_key_that_was_cancelled_before_it_came_starts_nothing(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        answer = await relay.client.post("/v1/streams/cancel", json={"idempotency_key": "k"})
        assert answer.status_code == 202
        assert (await relay.ask(Idempotency_Key="k")).status_code == 409
        assert server.requests == []


async def test_a_stream_that_was_deleted_is_gone(tmp_path: Path) -> None:
    async with (
        FaultServer(held(asyncio.Event())) as server,
        relaying(tmp_path, server.base_url) as relay,
    ):
        async with relay.asking() as response:
            stream = stream_of(response)
            await Body(response).until(1)
            assert (await relay.client.delete(f"/v1/streams/{stream}")).status_code == 204
        await server.left()
        gone = await relay.client.get(f"/v1/streams/{stream}/events")
        assert (gone.status_code, gone.json()["reason"]) == (410, "expired")


async def test_streams_are_forgotten_after_a_while(tmp_path: Path) -> None:
    async with (
        FaultServer(whole) as server,
        relaying(tmp_path, server.base_url, retention=0.0) as relay,
    ):
        stream = stream_of(await relay.ask())
        await relay.ended(stream)
        await relay.relay.forget_old()
        gone = await relay.client.get(f"/v1/streams/{stream}")
        assert (gone.status_code, gone.json()["reason"]) == (410, "expired")


# Owners.


async def test_what_is_another_owners_is_as_what_never_was(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        stream = stream_of(await relay.ask(Idempotency_Key="k"))
        unknown = "st_" + "b" * 26
        async with await relay.other_owner() as other:
            for method, path in [
                ("GET", "/v1/streams/{}"),
                ("GET", "/v1/streams/{}/events"),
                ("POST", "/v1/streams/{}/cancel"),
                ("DELETE", "/v1/streams/{}"),
            ]:
                answers = [await other.request(method, path.format(id)) for id in (stream, unknown)]
                assert {answer.status_code for answer in answers} == {404}
                assert answers[0].content == answers[1].content
            assert (await other.get("/v1/streams")).json() == {"streams": []}
            key = await other.post("/v1/streams/cancel", json={"idempotency_key": "k"})
            assert key.status_code == 202
        assert await state_of(relay, stream) == "complete"


async def test_what_an_upstream_keeps_is_its_owners(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(200, '{"id": "resp_1", "status": "completed"}')

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        body = {"model": "m", "input": "x"}
        assert (await relay.ask("/up/v1/responses", body=body)).status_code == 200
        assert (await relay.client.get("/up/v1/responses/resp_1")).status_code == 200
        assert (await relay.client.get("/up/v1/responses/resp_2")).status_code == 404
        following = body | {"previous_response_id": "resp_1"}
        assert (await relay.ask("/up/v1/responses", body=following)).status_code == 200
        async with await relay.other_owner() as other:
            assert (await other.get("/up/v1/responses/resp_1")).status_code == 404
            assert (await other.delete("/up/v1/responses/resp_1")).status_code == 404
            assert (await other.post("/up/v1/responses/resp_1/cancel")).status_code == 404
            assert (await other.post("/up/v1/responses", json=following)).status_code == 404


async def test_what_a_streamed_answer_is_kept_as_is_its_owners_too(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        if request.method == "GET":
            await wire.reply(200, '{"id": "resp_7"}')
            return
        await wire.open_stream()
        for kind in ("created", *["ping"] * 9, "output_item.done", "completed"):
            about = {"id": "msg_9"} if "item" in kind else {"id": "resp_7", "status": kind}
            told = {"type": f"response.{kind}", "item" if "item" in kind else "response": about}
            await wire.event(json.dumps(told), event=f"response.{kind}")
        await wire.end()

    async with FaultServer(handler) as server, relaying(tmp_path, server.base_url) as relay:
        body = {"model": "m", "input": "x", "stream": True}
        await relay.ended(stream_of(await relay.ask("/up/v1/responses", body=body)))
        assert (await relay.client.get("/up/v1/responses/resp_7")).status_code == 200
        following = body | {"previous_response_id": "resp_7"}
        referring = body | {"input": [{"type": "item_reference", "id": "msg_9"}]}
        for again in (following, referring):
            assert (await relay.ask("/up/v1/responses", body=again)).status_code == 200
        async with await relay.other_owner() as other:
            assert (await other.get("/up/v1/responses/resp_7")).status_code == 404
            for again in (following, referring):
                assert (await other.post("/up/v1/responses", json=again)).status_code == 404


@pytest.mark.parametrize(
    ("sent", "wanted"), [("x-api-key", "x-api-key"), ("authorization", "authorization")]
)
async def test_the_upstreams_key_goes_where_the_client_put_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: str, wanted: str
) -> None:
    monkeypatch.setenv("UP_KEY", "sk-upstream")

    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(200, '{"data": []}')

    keyed = {"api_key_env": "UP_KEY"}
    async with (
        FaultServer(handler) as server,
        relaying(tmp_path, server.base_url, upstream=keyed) as relay,
    ):
        relay.client.headers.pop("authorization")
        token = relay.token if sent == "x-api-key" else f"Bearer {relay.token}"
        assert (await relay.client.get("/up/v1/models", headers={sent: token})).status_code == 200
        assert server.requests[0].headers[wanted].endswith("sk-upstream")


# Who may come in, and how much.


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer sst_wrong"}, 401),
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_who_stays_out(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        answer = await relay.client.post(
            CHAT, content=b"{}", headers={"Content-Type": "application/json"} | headers
        )
        assert answer.status_code == status
        assert server.requests == []


async def test_pages_of_origins_that_are_named_may_call_it_and_no_others(tmp_path: Path) -> None:
    mine = "https://mine.example"
    asking = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    async with (
        FaultServer(whole) as server,
        relaying(tmp_path, server.base_url, origins=(mine,)) as relay,
    ):
        before = await relay.client.options(CHAT, headers=asking | {"Origin": mine})
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == mine
        answer = await relay.client.post(CHAT, json=ASKED, headers={"Origin": mine})
        assert answer.headers["access-control-allow-origin"] == mine
        assert "Location" in answer.headers["access-control-expose-headers"]
        for origin in ("https://evil.example", "null"):
            headers = asking | {"Origin": origin}
            assert (await relay.client.options(CHAT, headers=headers)).status_code == 403
            posted = await relay.client.post(CHAT, json=ASKED, headers={"Origin": origin})
            assert posted.status_code == 403
        assert len(server.requests) == 1


async def test_names_of_hosts_and_origins_may_have_capitals(tmp_path: Path) -> None:
    async with (
        FaultServer(whole) as server,
        relaying(
            tmp_path,
            server.base_url,
            allowed_hosts=("Relay.Example",),
            origins=("https://Mine.example",),
        ) as relay,
    ):
        headers = {"Host": "relay.EXAMPLE", "Origin": "https://mine.example"}
        answer = await relay.client.post(CHAT, json=ASKED, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://mine.example"


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key", "authorization"])
async def test_a_token_may_stand_where_clients_put_their_key(tmp_path: Path, header: str) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        token = f"bearer {relay.token}" if header == "authorization" else relay.token
        relay.client.headers.pop("authorization")
        assert (await relay.client.get("/v1/streams", headers={header: token})).status_code == 200
        assert (await relay.client.get("/v1/streams")).status_code == 401
        assert server.requests == []


async def test_a_token_that_was_revoked_lets_nobody_in(tmp_path: Path) -> None:
    async with FaultServer(whole) as server, relaying(tmp_path, server.base_url) as relay:
        assert await relay.relay.journal.revoke_token("me")
        assert (await relay.client.get("/v1/streams")).status_code == 401
        assert server.requests == []


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/up/v1/embeddings", {}),
        ("/other/v1/chat/completions", {}),
        ("/up/../secret/chat/completions", {}),
        ("/up/v1/%2e%2e/responses", {}),
        ("/up/v1/messages", {"dialects": ("openai-chat",)}),
    ],
)
async def test_paths_that_do_not_pass(tmp_path: Path, path: str, upstream: dict[str, Any]) -> None:
    async with (
        FaultServer(whole) as server,
        relaying(tmp_path, server.base_url, upstream=upstream) as relay,
    ):
        assert (await relay.ask(path)).status_code == 404
        assert server.requests == []


async def test_paths_that_the_operator_allows(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.reply(200, "{}")

    allowed = {"allow_paths": ("POST v1/embeddings", "GET v1/files/*")}
    async with (
        FaultServer(handler) as server,
        relaying(tmp_path, server.base_url, upstream=allowed) as relay,
    ):
        assert (await relay.ask("/up/v1/embeddings")).status_code == 200
        assert (await relay.client.get("/up/v1/files/a/b")).status_code == 200
        assert (await relay.client.get("/up/v1/embeddings")).status_code == 404
        assert (await relay.ask("/up/v1/files/a")).status_code == 404


async def test_only_models_that_are_allowed(tmp_path: Path) -> None:
    async with (
        FaultServer(whole) as server,
        relaying(tmp_path, server.base_url, upstream={"models": ("m",)}) as relay,
    ):
        assert (await relay.ask()).status_code == 200
        assert (await relay.ask(body=ASKED | {"model": "dear"})).status_code == 403
        gemini = "/up/v1beta/models/{}:streamGenerateContent?alt=sse"
        assert (await relay.ask(gemini.format("dear"))).status_code == 403
        assert len(server.requests) == 1


async def test_bounds_are_told_and_evict_nobody(tmp_path: Path) -> None:
    limits = Limits(live_streams=1, readers=2)
    go_on = asyncio.Event()
    async with (
        FaultServer(held(go_on)) as server,
        relaying(tmp_path, server.base_url, limits=limits) as relay,
        relay.asking() as first,
    ):
        path = first.headers["location"]
        another = await relay.ask()
        assert another.status_code == 429
        assert int(another.headers["retry-after"]) > 0
        async with relay.client.stream("GET", path) as second:
            late = Body(second)
            await late.until(1)
            assert (await relay.client.get(path)).status_code == 429
            go_on.set()
            assert numbers(await late.whole()) == [1, 2, 3, 4, 5]
        assert numbers(await Body(first).whole()) == [1, 2, 3, 4, 5]
        assert len(server.requests) == 1


async def test_a_bound_on_live_streams_holds_for_requests_that_come_at_once(
    tmp_path: Path,
) -> None:
    go_on = asyncio.Event()
    limits = Limits(live_streams=2)

    async def asked(relay: Relaying) -> int:
        async with relay.asking() as response:
            if response.status_code == 200:
                await Body(response).until(1)
            return response.status_code

    async with (
        FaultServer(held(go_on)) as server,
        relaying(tmp_path, server.base_url, limits=limits) as relay,
    ):
        statuses = await asyncio.gather(*(asked(relay) for _ in range(12)))
        assert sorted(statuses) == [200] * 2 + [429] * 10
        assert len(server.requests) == 2
        go_on.set()


async def test_too_many_requests_have_to_wait(tmp_path: Path) -> None:
    limits = Limits(requests_per_minute=2)
    async with (
        FaultServer(whole) as server,
        relaying(tmp_path, server.base_url, limits=limits) as relay,
    ):
        statuses = [(await relay.client.get("/v1/streams")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        async with await relay.other_owner() as other:
            assert (await other.get("/v1/streams")).status_code == 200
        assert server.requests == []


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(stream_bytes=20_000), "longer than this relay allows"),
        (Limits(event_bytes=500), "larger than this relay allows"),
    ],
)
async def test_a_stream_that_grows_too_long_is_ended(
    tmp_path: Path, limits: Limits, why: str
) -> None:
    async def endless(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        while True:
            await wire.event(words("x" * 1000))

    async with (
        FaultServer(endless) as server,
        relaying(tmp_path, server.base_url, limits=limits) as relay,
    ):
        text = (await relay.ask()).text
        assert why in data_of(text)[-1]
        assert await state_of(relay, stream_of_text(text)) == "stopped"


def stream_of_text(text: str) -> str:
    return text.partition("id: ")[2].partition(".")[0]


async def state_of(relay: Relaying, stream: str) -> str:
    return str((await relay.client.get(f"/v1/streams/{stream}")).json()["state"])
