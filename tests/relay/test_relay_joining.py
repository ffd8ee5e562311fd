"""Answers that run at a relay are seen from another machine, and joined there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

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
from support.app import configure, desktop
from support.fault_server import FaultServer, Request, Wire
from support.hubs import ask, ended, finish, opened, profile, say, thoughts, until
from support.relays import Relaying, relaying, stream_of

ASKED = {
    "model": "m-1",
    "stream": True,
    "messages": [{"role": "user", "content": "why is the sky blue?"}],
}
FIXTURES = Path(__file__).parents[1] / "core" / "fixtures"
LISTING = "/v1/streams?state=unfinished"


class Upstream:
    """Says "one ", then the rest once it may. `cut` is set when its client has gone."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.cut = asyncio.Event()

    async def __call__(self, request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "one ", ids="")
        going = asyncio.ensure_future(self.go_on.wait())
        gone = asyncio.ensure_future(wire.peer_closed.wait())
        await asyncio.wait([going, gone], return_when=asyncio.FIRST_COMPLETED)
        for waiting in (going, gone):
            waiting.cancel()
        if wire.peer_closed.is_set():
            self.cut.set()
            return
        await say(wire, "two ", "three", ids="")
        await finish(wire)


@asynccontextmanager
async def asked_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Relaying, Upstream, str]]:
    """A relay that gets an answer for another client, which has gone; the stream's id."""
    upstream = Upstream()
    async with FaultServer(upstream) as server, relaying(folder, server.base_url) as relay:
        monkeypatch.setenv("RELAY_TOKEN", relay.token)
        async with relay.asking(body=ASKED) as response:
            stream = stream_of(response)
        yield relay, upstream, stream


def at(relay: Relaying, path: str = "/up/v1", **more: Any) -> Profile:
    return profile(f"{relay.base_url}{path}", api_key_env="RELAY_TOKEN", **more)


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
        (told,) = (await relay.client.get(LISTING)).json()["streams"]
        assert (told["id"], told["model"], told["prompt"]) == (
            stream,
            "m-1",
            "why is the sky blue?",
        )
        status = (await relay.client.get(f"/v1/streams/{stream}")).json()
        assert status["prompt"] == told["prompt"]
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
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, upstream, _):
        work = at(relay)
        async with opened(tmp_path, work) as hub:
            through = Background(hub.clients, lambda profile: True)
            through.wanted = True
            straight = Hub(hub.journal, hub.clients, finds(work), via=through)
            live = await until(await ask(straight, work), lambda live: live.handle.known)
            assert not live.relayed
            assert [one.id for one in await listed(straight, work)] != [live.handle.id]
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


def told(**more: object) -> dict[str, object]:
    usual = {"id": "st_" + "a" * 26, "dialect": "openai-chat", "upstream": "up", "created_at": 1e9}
    return usual | more


def listing(*streams: object, status: int = 200) -> Callable[[Request, Wire], Any]:
    """A relay that lists this, and answers everything else with `status`."""

    async def answer(request: Request, wire: Wire) -> None:
        if request.target == "/healthz":
            await wire.reply(200, json.dumps({"server": "ssechat-relay"}))
        elif request.target == LISTING:
            await wire.reply(200, json.dumps({"streams": streams}))
        else:
            await wire.reply(status, "{}")

    return answer


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


async def test_f2_shows_the_running_answers_first_and_enter_joins_one(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, upstream, _):
        configure(home, f"{relay.base_url}/up/v1", 'api_key_env = "RELAY_TOKEN"')
        async with desktop() as desk:
            await desk.pilot.press("f2")
            await desk.until(lambda: "live at test · openai-chat · started" in desk.words)
            assert "why is the sky blue?" in desk.screen
            await desk.pilot.press("enter")
            await desk.until(lambda: "one" in desk.screen and "you" in desk.screen)
            await desk.says("live")
            await desk.pilot.press("f2")
            await desk.until(lambda: "2 msg" in desk.screen)
            assert "live at test" not in desk.screen
            await desk.pilot.press("escape")
            upstream.go_on.set()
            await desk.says("complete")
            assert desk.words.count("one two three") == 1


async def test_escape_stops_a_joined_answer_at_the_relay(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked_elsewhere(tmp_path, monkeypatch) as (relay, upstream, stream):
        configure(home, f"{relay.base_url}/up/v1", 'api_key_env = "RELAY_TOKEN"')
        async with desktop() as desk:
            await desk.pilot.press("f2")
            await desk.until(lambda: "live at test" in desk.words)
            await desk.pilot.press("enter")
            await desk.says("live")
            await desk.pilot.press("escape")
            await desk.says("stopped")
        await relay.ended(stream)
        assert upstream.cut.is_set()


async def test_a_hostile_relay_writes_no_markup_and_no_controls_and_a_failed_join_says_why(
    home: Path,
) -> None:
    odd = told(prompt="[bold]\x1b[2Jhi\u202e", dialect="\x1b]0;x\x07[red]")
    async with FaultServer(listing(odd)) as server:
        configure(home, f"{server.base_url}/up/v1")
        async with desktop() as desk:
            await desk.pilot.press("f2")
            await desk.until(lambda: "live at test" in desk.words)
            assert "[bold]" in desk.screen
            assert not {"\x1b", "\x07", "\u202e"} & set(desk.screen)
            await desk.pilot.press("enter")
            await desk.tells("cannot read that answer")


async def test_f2_says_nothing_of_a_relay_that_cannot_be_reached(home: Path) -> None:
    async with FaultServer(listing(told())) as server:
        configure(home, f"{server.base_url}/up/v1")
    async with desktop() as desk:
        await desk.pilot.press("f2")
        screen = desk.app.screen
        await desk.until(lambda: not [w for w in desk.app.workers if w.node is screen])
        assert "nothing found" in desk.screen
        assert desk.toasts == []
