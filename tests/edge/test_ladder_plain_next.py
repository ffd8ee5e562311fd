"""APIs that keep no answer, after a cut: going on by a new request; what the next turn sends."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from ssechat.core.dialects._continue import NUDGE
from ssechat.core.reply import restore
from ssechat.hub import Hub, Live
from ssechat.settings import Profile
from support.chat_servers import (
    ChatServer,
    Cut,
    MessagesServer,
    OpenAiServer,
    Said,
    data,
    thoughts_in,
)
from support.fault_server import FaultServer
from support.gemini_server import GeminiServer
from support.hubs import ask, ended, opened, stored, until
from support.ladder import together
from support.media import png, sound
from support.ollama_server import MODEL, Ollama
from support.plain import ALL, PIECES, THINKING, Kind, asked, made
from support.programs import configure, run

WHOLE = "".join(PIECES)
NEWER = "claude-sonnet-5-5"
FORMS = pytest.mark.parametrize(
    ("kind", "model", "form"),
    [
        (OpenAiServer, "", "by a message"),
        (MessagesServer, MessagesServer.MODEL, "prefill"),
        (MessagesServer, NEWER, "by a message"),
        (GeminiServer, GeminiServer.MODEL, "by a message"),
        (Ollama, Ollama.MODEL, "prefill"),
    ],
)


async def next_turn(hub: Hub, asked: Profile, after: Live) -> Live:
    place = {"conversation_id": after.conversation_id, "parent_id": after.message_id}
    return await ended(await ask(hub, asked, "and?", **place))


# Going on by a new request.


def by(form: str, partial: str) -> list[Said]:
    """How a request of that form ends."""
    partly = Said("assistant", partial)
    return [partly] if form == "prefill" else [partly, Said("user", NUDGE)]


@FORMS
async def test_the_users_key_goes_on_after_a_cut_anywhere(
    kind: Kind, model: str, form: str, tmp_path: Path
) -> None:
    plain = made(kind)
    partials = {n: plain.after(n)[0].rstrip() for n in range(plain.needed)}
    servers = {n: made(kind, Cut(events=n), overlap=10) for n in partials if partials[n]}
    async with AsyncExitStack() as stack:
        where = {
            n: asked(
                server,
                await stack.enter_async_context(FaultServer(server)),
                model=model,
                name=f"{n}",
            )
            for n, server in servers.items()
        }
        hub = await stack.enter_async_context(opened(tmp_path, *where.values()))

        async def goes_on(n: int) -> None:
            server, partial = servers[n], partials[n]
            old = await ended(await ask(hub, where[n]))
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            row, first = await stored(hub, new), await stored(hub, old)
            assert (row.state, row.text, row.note) == ("complete", WHOLE, "")
            assert (first.state, first.text) == ("cut", plain.after(n)[0])
            (seam,) = row.parts[0]["seams"]
            assert row.parts[0]["text"].startswith(partial)
            told = seam["how"], seam["why"], seam["offset"]
            assert told == ("continued", form, len(partial))
            sent = server.turns(server.prompts[1])
            assert sent == [Said("user", "why?"), *by(form, partial)]
            await next_turn(hub, where[n], new)
            assert server.turns(server.prompts[2])[1] == Said("assistant", WHOLE)
            assert len(server.prompts) == 3

        await together(goes_on, servers)


@pytest.mark.parametrize("kind", [MessagesServer, Ollama], ids=lambda kind: kind.DIALECT)
async def test_what_a_prefilled_answer_says_again_is_its_own(kind: Kind, tmp_path: Path) -> None:
    refrain = ["la la la "] * 6
    server = kind(refrain, cuts=[Cut(events=kind(refrain).needed - 5)])
    async with FaultServer(server) as faults:
        profile = asked(server, faults)
        async with opened(tmp_path, profile) as hub:
            old = await ended(await ask(hub, profile))
            assert 0 < len((await stored(hub, old)).text) < len("".join(refrain))
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            assert (await stored(hub, new)).text == "".join(refrain)


async def test_a_refused_prefill_is_asked_for_by_a_message(tmp_path: Path) -> None:
    server = made(MessagesServer, Cut(events=14), overlap=10)
    async with FaultServer(server) as faults:
        profile = asked(server, faults, model="claude-opus-4-1")
        async with opened(tmp_path, profile) as hub:
            old = await ended(await ask(hub, profile))
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            row = await stored(hub, new)
            assert (row.text, row.parts[0]["seams"][0]["why"]) == (WHOLE, "by a message")
    partial = server.after(14)[0].rstrip()
    assert server.turns(server.prompts[1])[1:] == by("prefill", partial)
    assert server.turns(server.prompts[2])[1:] == by("by a message", partial)


@pytest.mark.parametrize("how", ["error", "stop"])
@ALL
async def test_a_failed_or_stopped_answer_goes_on_too(kind: Kind, how: str, tmp_path: Path) -> None:
    events = made(kind).needed - 3
    server = made(kind, Cut(events=events, how="error" if how == "error" else "hang"))
    async with FaultServer(server) as faults:
        profile = asked(server, faults)
        async with opened(tmp_path, profile) as hub:
            old = await ask(hub, profile)
            await until(old, lambda live: live.fold.reply.answer == server.after(events)[0])
            if how == "stop":
                hub.stop(old)
            await ended(old)
            assert (await stored(hub, old)).state == ("failed" if how == "error" else "stopped")
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            row = await stored(hub, new)
            assert (row.state, row.text) == ("complete", WHOLE)


@FORMS
async def test_what_goes_on_can_be_cut_and_go_on_again_after_a_restart(
    kind: Kind, model: str, form: str, tmp_path: Path
) -> None:
    texts = [at for at, event in enumerate(made(kind).script()) if event.text]
    last = texts[-1] - len(made(kind).events())  # how far the last piece is from the end
    server = made(kind, Cut(events=texts[1]), Cut(events=last), overlap=10)
    async with FaultServer(server) as faults:
        profile = asked(server, faults, model=model)
        async with opened(tmp_path, profile) as hub:
            first = await ended(await ask(hub, profile))
        async with opened(tmp_path, profile) as hub:
            second = await ended(await hub.resume(first.stream_id, by_request=True))
            row = await stored(hub, second)
            assert row.state == "cut"
            assert WHOLE.startswith(row.text)
            assert len(PIECES[0]) < len(row.text) < len(WHOLE)
        async with opened(tmp_path, profile) as hub:
            third = await ended(await hub.resume(second.stream_id, by_request=True))
            row = await stored(hub, third)
            assert (row.state, row.text) == ("complete", WHOLE)
            assert len(await hub.journal.attempts(third.message_id)) == 3
    assert len(server.prompts) == 3


@ALL
async def test_what_a_program_left_in_mid_stream_is_a_cut_that_goes_on(
    kind: Kind, tmp_path: Path
) -> None:
    events = made(kind).needed - 3
    server = made(kind, Cut(events=events, how="hang"))
    async with FaultServer(server) as faults:
        profile = asked(server, faults)
        async with opened(tmp_path, profile) as hub:
            live = await ask(hub, profile)
            await until(live, lambda live: live.fold.reply.answer == server.after(events)[0])
        async with opened(tmp_path, profile) as hub:
            (old,) = await hub.take_up()
            row = await stored(hub, await ended(old))
            assert (row.state, row.note, row.text) == (
                "cut",
                "ssechat ended",
                live.fold.reply.answer,
            )
            assert len(server.prompts) == 1
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            assert (await stored(hub, new)).text == WHOLE


# The next turn.

HALF_TOOLS = {
    OpenAiServer: data(
        choices=[
            {
                "index": 0,
                "delta": {
                    "tool_calls": [
                        {"index": 0, "id": "t", "function": {"name": "wipe", "arguments": '{"a'}}
                    ]
                },
            }
        ]
    ),
    MessagesServer: data(
        type="content_block_start",
        index=7,
        content_block={"type": "tool_use", "id": "t", "name": "wipe", "input": {}},
    )
    + data(
        type="content_block_delta",
        index=7,
        delta={"type": "input_json_delta", "partial_json": '{"a'},
    ),
    GeminiServer: data(
        candidates=[{"content": {"parts": [{"functionCall": {"name": "wipe", "args": {"a": 1}}}]}}]
    ),
    Ollama: json.dumps(
        {"message": {"tool_calls": [{"function": {"name": "wipe", "arguments": {"a": 1}}}]}}
    )
    + "\n",
}


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
@ALL
async def test_of_an_answer_cut_anywhere_the_next_turn_sends_its_text_and_seals(
    kind: Kind, restart: bool, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack, opened(tmp_path) as hub:
        servers = [
            made(kind, Cut(events=n, tail=HALF_TOOLS[kind])) for n in range(made(kind).needed)
        ]

        async def cut(server: ChatServer) -> tuple[Profile, Live]:
            profile = asked(server, await stack.enter_async_context(FaultServer(server)))
            return profile, await ended(await ask(hub, profile))

        async def goes_on(hub: Hub, n: int) -> None:
            await follows(hub, servers[n], *answers[n], n)

        answers = [answer for _, answer in await together(cut, servers)]
        if not restart:
            await together(lambda n: goes_on(hub, n), range(len(servers)))
            return
        await hub.close()
        async with opened(tmp_path) as again:
            await together(lambda n: goes_on(again, n), range(len(servers)))


async def follows(hub: Hub, server: ChatServer, profile: Profile, old: Live, events: int) -> None:
    assert (await stored(hub, old)).state == "cut"
    new = await next_turn(hub, profile, old)
    assert (await stored(hub, new)).state == "complete"
    text = server.after(events)[0]
    sent = server.turns(server.prompts[1])
    if text.strip():
        assert sent == [Said("user", "why?"), Said("assistant", text), Said("user", "and?")]
    else:
        assert sent == [Said("user", "why?\n\nand?")]
    as_json = json.dumps(server.prompts[1])
    assert "wipe" not in as_json
    if isinstance(server, MessagesServer):
        seals = [one for turn in server.prompts[1]["messages"] for one in thoughts_in(turn)]
        assert seals == (server.sealed if text.strip() else [])
    else:
        assert THINKING[0] not in as_json


async def test_thinking_that_was_cut_before_its_seal_is_never_sent_though_text_follows(
    tmp_path: Path,
) -> None:
    """Some gateway may leave a block open; the API would refuse every later turn."""

    class Unsealed(MessagesServer):
        def script(self, asked: Any = None) -> Any:
            for event in super().script(asked):
                if "signature_delta" not in event.wire and "content_block_stop" not in event.wire:
                    yield event

    server = Unsealed(PIECES, THINKING, cuts=[Cut(events=12)])
    async with FaultServer(server) as faults, opened(tmp_path) as hub:
        profile = asked(server, faults)
        old = await ended(await ask(hub, profile))
        assert (await stored(hub, old)).thinking == "".join(THINKING)
        await next_turn(hub, profile, old)
    assert [thoughts_in(turn) for turn in server.prompts[1]["messages"]] == [[], [], []]


# Images and sounds.

PICTURE, SOUND = png(640, 480, 3000), sound(0.1)
SAMPLES = SOUND[44:]


def b64(content: bytes) -> str:
    return b64encode(content).decode()


def chat(delta: dict[str, Any]) -> str:
    return data(choices=[{"index": 0, "delta": delta}])


def inline(mime: str, content: bytes) -> str:
    part = {"inlineData": {"mimeType": mime, "data": b64(content)}}
    return data(candidates=[{"content": {"parts": [part]}, "index": 0}])


THINGS = {
    OpenAiServer: chat(
        {"images": [{"image_url": {"url": f"data:image/png;base64,{b64(PICTURE)}"}}]}
    )
    + chat({"audio": {"id": "a", "data": b64(SOUND[:3000])}})
    + chat({"audio": {"data": b64(SOUND[3000:])}}),
    GeminiServer: inline("image/png", PICTURE)
    + inline("audio/L16;codec=pcm;rate=24000", SAMPLES[:3000])
    + inline("audio/L16;codec=pcm;rate=24000", SAMPLES[3000:]),
}


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "cut"])
@pytest.mark.parametrize("kind", list(THINGS), ids=lambda kind: kind.DIALECT)
async def test_images_and_sounds_are_in_the_journal_after_a_restart(
    kind: Kind, whole: bool, tmp_path: Path
) -> None:
    _, *rest = made(kind).events()
    tail = THINGS[kind] + ("".join(rest) if whole else "")
    server = made(kind, Cut(events=1, tail=tail, how="end"))
    async with FaultServer(server) as faults:
        async with opened(tmp_path) as hub:
            live = await ended(await ask(hub, asked(server, faults)))
        async with opened(tmp_path) as hub:
            row = await stored(hub, live)
            parts = [part for part in restore(row.parts).parts if part.arrived]
            kept = [await hub.journal.media(row.id, part.index) for part in parts]
    assert row.state == ("complete" if whole else "cut")
    assert row.text == (WHOLE if whole else "")
    assert kept == [PICTURE, SOUND]
    assert in_the_table(tmp_path) == [("image/png", 3000), ("audio/wav", len(SOUND))]


def in_the_table(folder: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(folder / "ssechat.db") as other:
        query = "SELECT mime, length(data) FROM media ORDER BY number"
        found = other.execute(query).fetchall()
    other.close()
    return found


# The whole program.


async def test_ask_reads_ollama_as_config_toml_says(home: Path) -> None:
    server = made(Ollama, Cut(how="end"), Cut(events=5))
    async with FaultServer(server) as faults:
        configure(home, faults.base_url, dialect="ollama", model=MODEL)
        done = await run(home, "ask", "why?", "--thinking")
        cut = await run(home, "ask", "why?")
    assert done == (0, WHOLE + "\n", "".join(THINKING) + "\n")
    assert (cut.code, cut.out) == (3, server.after(5)[0] + "\n")
    assert cut.err.startswith("ssechat: cut")
    assert "F6" in cut.err
    assert [prompt["model"] for prompt in server.prompts] == [MODEL, MODEL]
