"""Answers that run at a relay are seen from another machine, and joined there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from core.fixtures.streams import body, read
from ssechat.background import Background
from ssechat.core.deltas import EndState
from ssechat.core.errors import Problem
from ssechat.hub import Hub
from ssechat.hub.joining import Elsewhere
from ssechat.hub.relays import may_be_one
from ssechat.hub.route import Profiles
from ssechat.settings import Profile
from support.elsewhere import LISTING, asked_elsewhere, at, listing, told
from support.fault_server import FaultServer, Request, Wire
from support.hubs import ask, ended, opened, profile, say, thoughts, until
from support.relays import relaying

FIXTURES = Path(__file__).parents[1] / "core" / "fixtures"


def finds(known: Profile) -> Profiles:
    async def find(name: str) -> Profile | None:
        return known if name == known.name else None

    return find


async def listed(hub: Hub, *profiles: Profile) -> list[Elsewhere]:
    return [one async for found in hub.elsewhere(profiles) for one in found]


async def test_a_relay_tells_owners_what_they_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, _, stream):
        (one,) = (await relay.client.get(LISTING)).json()["streams"]
        asked = stream, "m-1", "why is the sky blue?"
        assert (one["id"], one["model"], one["prompt"]) == asked
        status = (await relay.client.get(f"/v1/streams/{stream}")).json()
        assert status["prompt"] == one["prompt"]
        async with await relay.other_owner() as other:
            assert (await other.get(LISTING)).json() == {"streams": []}


async def test_an_answer_is_joined_in_mid_stream_and_comes_whole_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, upstream, stream):
        other = at(relay, "/up", dialect="anthropic", name="claude")
        work = at(relay, name="work")
        async with opened(tmp_path, other, work) as hub:
            (there,) = await listed(hub, other, work)
            assert (there.id, there.profile, there.dialect) == (stream, work, "openai-chat")
            assert (there.model, there.prompt) == ("m-1", "why is the sky blue?")
            conversation = await hub.join(there)
            (live,) = hub.lives
            await until(live, lambda live: live.fold.reply.answer == "one ")
            upstream.go_on.set()
            await ended(live)
            assert (live.end, live.fold.reply.answer) == (EndState.COMPLETE, "one two three")
            question, answer = await hub.journal.path(conversation)
            assert (question.text, answer.text) == ("why is the sky blue?", "one two three")
            assert answer.model == "m-1"


def said(file: str, api: str) -> str:
    if api != "ollama":
        return read(api, [body(file)]).answer
    lines = (FIXTURES / f"{file}.ndjson").read_text().splitlines()
    return "".join(json.loads(line)["message"]["content"] for line in lines)


@pytest.mark.parametrize(
    ("api", "path", "file"),
    [
        ("openai-chat", "/up/v1/chat/completions", "openai_plain"),
        ("openai-responses", "/up/v1/responses", "responses_text"),
        ("anthropic", "/up/v1/messages", "anthropic_thinking"),
        ("gemini", "/up/v1beta/models/m:streamGenerateContent?alt=sse", "gemini_text"),
        ("gemini-interactions", "/up/v1beta/interactions", "gemini_interactions_text"),
        ("ollama", "/up/api/chat", "ollama_plain"),
    ],
)
async def test_an_answer_in_any_dialect_is_joined_by_any_profile_of_the_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str, path: str, file: str
) -> None:
    go_on = asyncio.Event()
    sent = (FIXTURES / f"{file}.ndjson").read_bytes() if api == "ollama" else body(file)
    kind = "application/x-ndjson" if api == "ollama" else "text/event-stream"

    async def answer(request: Request, wire: Wire) -> None:
        if request.method == "POST":
            await wire.open_stream(content_type=kind)
            await wire.chunk(sent[: len(sent) // 2])
            await go_on.wait()
            await wire.chunk(sent[len(sent) // 2 :])
            await wire.end()
        else:
            await wire.reply(404, "{}")

    async with FaultServer(answer) as server, relaying(tmp_path, server.base_url) as relay:
        monkeypatch.setenv("RELAY_TOKEN", relay.token)
        async with relay.asking(path, body={"model": "m", "stream": True}):
            pass
        async with opened(tmp_path, at(relay)) as hub:
            (there,) = await listed(hub, at(relay))
            assert there.dialect == api
            await hub.join(there)
            (live,) = hub.lives
            await until(live, lambda live: live.seq)
            go_on.set()
            await ended(live)
            assert (live.end, live.fold.reply.answer) == (EndState.COMPLETE, said(file, api))


async def test_what_was_asked_on_the_relays_page_is_joined_and_ends_as_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def answer(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event(thoughts("hm"))
        await say(wire, "one ", ids="")
        await go_on.wait()
        await say(wire, "two", ids="")
        await wire.event(json.dumps({"choices": [{"index": 0, "finish_reason": "length"}]}))
        await wire.event("[DONE]")
        await wire.end()

    async with FaultServer(answer) as server, relaying(tmp_path, server.base_url) as relay:
        monkeypatch.setenv("RELAY_TOKEN", relay.token)
        async with relay.asking("/api/chat", body={"prompt": "why?", "model": "up/m-1"}):
            pass
        async with opened(tmp_path, at(relay)) as hub:
            (there,) = await listed(hub, at(relay))
            assert (there.prompt, there.model) == ("why?", "m-1")
            conversation = await hub.join(there)
            (live,) = hub.lives
            await until(live, lambda live: live.fold.reply.answer == "one ")
            go_on.set()
            await ended(live)
            answered = (await hub.journal.path(conversation))[-1]
        assert (answered.state, answered.thinking, answered.text) == ("length", "hm", "one two")


async def test_the_first_question_too_goes_to_the_relay_and_through_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, upstream, stream):
        work = at(relay)
        async with opened(tmp_path, work) as hub:
            through = Background(hub.clients, lambda profile: True)
            through.wanted = True
            straight = Hub(hub.journal, hub.clients, finds(work), via=through)
            live = await until(await ask(straight, work), lambda live: live.handle.known)
            assert not live.relayed
            assert [one.id for one in await listed(straight, work)] == [stream]
            upstream.go_on.set()
            await ended(live)
            await straight.close()


async def test_an_answer_that_is_here_already_is_not_listed_and_is_joined_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, upstream, _):
        work = at(relay)
        async with opened(tmp_path, work) as hub:
            (there,) = await listed(hub, work)
            first, second = await asyncio.gather(hub.join(there), hub.join(there))
            assert first == second
            own = await until(await ask(hub, work), lambda live: live.handle.known)
            assert await listed(hub, work) == []
            upstream.go_on.set()
            await asyncio.gather(*map(ended, [own, *hub.lives]))
            assert await hub.join(there) == first
            assert len(await hub.journal.conversations()) == 2


async def test_an_answer_that_was_joined_is_stopped_at_the_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, upstream, stream):
        work = at(relay)
        async with opened(tmp_path, work) as hub:
            (there,) = await listed(hub, work)
            await hub.join(there)
            (live,) = hub.lives
            await until(live, lambda live: live.fold.reply.answer)
            hub.stop(live)
            await ended(live)
            assert live.end is EndState.STOPPED
            async with asyncio.timeout(10):
                await upstream.cut.wait()
        await relay.ended(stream)
        assert (await relay.client.get(f"/v1/streams/{stream}")).json()["state"] == "stopped"


async def test_an_answer_that_was_joined_goes_on_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, upstream, _):
        work = at(relay)
        async with opened(tmp_path, work) as hub:
            (there,) = await listed(hub, work)
            conversation = await hub.join(there)
            await until(hub.lives[0], lambda live: live.fold.reply.answer)
        upstream.go_on.set()
        async with opened(tmp_path, work) as hub:
            (live,) = await hub.take_up()
            await ended(live)
            assert live.conversation_id == conversation
            assert live.fold.reply.answer == "one two three"


async def test_no_other_owners_answers_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, _, _):
        monkeypatch.setenv("RELAY_TOKEN", await relay.relay.journal.add_token("other") or "")
        async with opened(tmp_path, at(relay)) as hub:
            assert await listed(hub, at(relay)) == []


async def test_a_profiles_server_that_is_no_relay_is_asked_once_and_gets_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other(request: Request, wire: Wire) -> None:
        await wire.reply(200, json.dumps({"server": "nginx"}))

    monkeypatch.setenv("RELAY_TOKEN", "sst_secret")
    async with FaultServer(other) as server:
        work = profile(
            f"{server.base_url}/up/v1", api_key_env="RELAY_TOKEN", headers={"x-secret": "s3cr3t"}
        )
        async with opened(tmp_path, work) as hub:
            assert await listed(hub, work) == []
            assert await listed(hub, work) == []
        assert [request.target for request in server.requests] == ["/healthz"]
        assert "s3cr3t" not in repr(server.requests)
        assert "sst_secret" not in repr(server.requests)


@pytest.mark.parametrize(
    ("base_url", "may"),
    [
        ("http://127.0.0.1:8787/openai/v1", True),
        ("https://relay.example.org/anthropic", True),
        ("https://generativelanguage.googleapis.com/v1beta", False),
        ("https://api.groq.com/openai/v1", False),
        ("http://localhost:11434", False),
        ("http://localhost:8080/v1", False),
        ("http://localhost:8000/api", False),
    ],
)
def test_a_server_is_asked_only_if_its_base_url_could_be_a_relays(base_url: str, may: bool) -> None:
    assert may_be_one(profile(base_url)) is may


@pytest.mark.parametrize(
    "id", ["", "../../admin", "st_" + "a" * 25, "st_" + "A" * 26, "st_" + "a" * 26 + "/x", "st_é"]
)
async def test_what_is_no_streams_name_is_not_listed(tmp_path: Path, id: str) -> None:
    async with FaultServer(listing(told(id=id))) as server:
        work = profile(f"{server.base_url}/up/v1")
        async with opened(tmp_path, work) as hub:
            assert await listed(hub, work) == []


async def test_what_a_relay_says_is_bounded(tmp_path: Path) -> None:
    odd = told(created_at=1e300, prompt="x" * 5000, model="a\nb", dialect="y" * 5000)
    async with FaultServer(listing(odd)) as server:
        work = profile(f"{server.base_url}/up/v1")
        async with opened(tmp_path, work) as hub:
            (there,) = await listed(hub, work)
            assert len(there.prompt) == len(there.dialect) == 200
            assert there.model == ""
            assert there.started == 2.0**33


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[]",
        '{"streams": null}',
        '{"streams": [5]}',
        f'{{"streams": {"[" * 100_000}',
        f'{{"streams": [{{"id": "st_{"a" * 26}", "created_at": 1{"0" * 400}}}]}}',
        f'{{"streams": [{{"id": "st_{"a" * 26}", "prompt": ["x"]}}]}}',
    ],
)
async def test_a_list_that_cannot_be_read_adds_nothing(tmp_path: Path, said: str) -> None:
    async def answer(request: Request, wire: Wire) -> None:
        healthy = json.dumps({"server": "ssechat-relay"})
        await wire.reply(200, healthy if request.target == "/healthz" else said)

    async with FaultServer(answer) as server:
        work = profile(f"{server.base_url}/up/v1")
        async with opened(tmp_path, work) as hub:
            assert await listed(hub, work) == []
        assert [request.target for request in server.requests] == ["/healthz", LISTING]


@pytest.mark.parametrize(
    ("more", "status", "why"),
    [
        ({"dialect": "smoke-signals"}, 200, "cannot read"),
        ({"view": "hologram"}, 200, "cannot read"),
        ({}, 401, "refuses this token"),
        ({}, 404, "has forgotten"),
        ({}, 410, "has forgotten"),
        ({}, 500, "answers 500"),
    ],
)
async def test_what_cannot_be_joined_says_why_and_what_to_do_and_writes_nothing(
    tmp_path: Path, more: dict[str, str], status: int, why: str
) -> None:
    async with FaultServer(listing(told(**more), status=status)) as server:
        work = profile(f"{server.base_url}/up/v1")
        async with opened(tmp_path, work) as hub:
            (there,) = await listed(hub, work)
            with pytest.raises(Problem, match=why) as problem:
                await hub.join(there)
            assert problem.value.remedy
            assert await hub.journal.conversations() == []


async def test_a_profile_that_must_not_resume_lists_nothing(tmp_path: Path) -> None:
    async with FaultServer(listing(told())) as server:
        work = profile(f"{server.base_url}/up/v1", resume="off")
        async with opened(tmp_path, work) as hub:
            assert await listed(hub, work) == []
        assert server.requests == []
