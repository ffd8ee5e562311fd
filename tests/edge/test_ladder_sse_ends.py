"""Servers written by hand: how their answers end, what comes in them, and what a profile may say
of them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from ssechat.core.dialects._continue import NUDGE
from ssechat.core.errors import ConfigProblem
from ssechat.core.reply import restore
from ssechat.core.resume import Rung, State
from support.article_servers import Buffered, Heartbeat, minimal, multimodal
from support.fault_server import FaultServer, Handler, Request, Wire, in_turn
from support.hubs import ask, ended, opened, stored, until
from support.ladder import hurried, together, told
from support.link import replies
from support.media import png, sound
from support.simple import PIECES, PREFIXES, SOON, WHOLE, Run, answer, asked, body_of

NO_MARK = 'this server sends no end mark; end = "eof" accepts that'


def sends(*data: str, how: str = "end", chunked: bool = True) -> Handler:
    """These blocks, and then the body's end, or the connection's, or silence."""

    async def handler(request: Request, wire: Wire) -> None:
        if chunked:
            await wire.open_stream()
        else:
            await wire.head(200, {"Content-Type": "text/event-stream", "Connection": "close"})
        for one in data:
            await (wire.chunk if chunked else wire.send)(one)
        if how == "hang":
            await wire.hang()
        elif how == "end" and chunked:
            await wire.end()

    return handler


def said(*pieces: str) -> list[str]:
    return [f"data: {piece}\n\n" for piece in pieces]


# Ends.


@pytest.mark.parametrize(
    ("end", "handler", "state", "text", "note"),
    [
        ("auto", minimal(PIECES), "complete", WHOLE, ""),
        ("auto", minimal(PIECES, done=False), "cut", WHOLE, NO_MARK),
        ("auto", sends(*said("a"), "event: done\ndata: {}\n\n"), "complete", "a", ""),
        ("auto", sends(*said('{"text": "a", "done": true}')), "complete", "a", ""),
        ("eof", minimal(PIECES), "complete", WHOLE, ""),
        ("eof", minimal(PIECES, done=False), "complete", WHOLE, ""),
        ("eof", minimal(PIECES, cut_after=2), "cut", PREFIXES[2], "the connection was cut"),
        ("eof", sends(*said("a"), chunked=False), "complete", "a", ""),
        ("eof", sends(": nothing\n\n"), "failed", "", "the server sent an empty answer"),
        ("###", sends(*said("a", "[DONE]", "b", "###")), "complete", "a[DONE]b", ""),
        ("###", sends(*said("a", "[DONE]")), "cut", "a[DONE]", "the server closed the stream"),
    ],
    ids=[
        "mark",
        "no mark",
        "event",
        "field",
        "eof and mark",
        "eof",
        "eof and cut",
        "eof of the connection",
        "eof and nothing",
        "literal",
        "no literal",
    ],
)
async def test_an_answer_ends_as_the_profile_says(
    end: str, handler: Handler, state: str, text: str, note: str, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:
        found = await answer(hub, handler, end=end)
    assert (found.told.state, found.told.text) == (state, text)
    assert found.told.note.startswith(note)
    assert bool(found.told.note) is bool(note)
    assert len(found.requests) == 1


@pytest.mark.parametrize("end", ["eof", "<end>"])
async def test_a_get_with_ids_goes_on_whatever_ends_it(end: str, tmp_path: Path) -> None:
    body = [f"id: {n}\ndata: {piece}\n\n" for n, piece in enumerate([*PIECES, "<end>"], 1)]
    body = body[: -1 if end == "eof" else None]
    handler = in_turn(sends(*body[:2], how="cut"), sends(*body[2:4], how="cut"), sends(*body[4:]))
    async with opened(tmp_path) as hub:
        found = await answer(hub, handler, method="GET", end=end)
    assert (found.told.content, found.told.resumes) == (("complete", WHOLE, ""), 2)
    assert [one.headers.get("last-event-id") for one in found.requests] == [None, "2", "4"]


async def test_without_an_end_mark_a_get_is_asked_for_more_until_nothing_comes(
    tmp_path: Path,
) -> None:
    buffered = Buffered(PIECES, done=False)
    async with opened(tmp_path) as hub:
        found = await answer(hub, buffered, method="GET")
    assert found.told.content == ("cut", WHOLE, "")
    assert found.told.note.startswith(NO_MARK)
    assert buffered.generations == 1


async def test_what_comes_after_the_end_is_not_waited_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        begun = time.monotonic()
        found = await answer(hub, sends(*said("a", "[DONE]"), how="hang"))
        assert time.monotonic() - begun < 2
    assert found.told.content == ("complete", "a", "")


# Silence, errors, refusals.


async def test_heartbeats_without_an_answer_are_a_cut(tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:

        async def silent(handler: Handler) -> Run:
            return await answer(hub, handler, timeouts=SOON)

        cases = [Heartbeat(PIECES, go_on=asyncio.Event()), sends(*said(*PIECES), how="hang")]
        for _, found in await together(silent, cases):
            assert found.told.content == ("cut", WHOLE, "")
            assert found.told.note == "no payload for 0.6 s"
            assert len(found.requests) == 1


async def test_a_stop_is_noticed_by_a_server_that_looks(tmp_path: Path) -> None:
    heartbeat = Heartbeat(PIECES, go_on=asyncio.Event())
    async with FaultServer(heartbeat) as server, opened(tmp_path) as hub:
        live = await ask(hub, asked(server.base_url))
        await until(live, lambda live: live.fold.reply.answer == WHOLE)
        hub.stop(live)
        async with asyncio.timeout(2):
            await heartbeat.left.wait()
        found = await told(hub, await ended(live))
    assert (found.content, found.note) == (("stopped", WHOLE, ""), "by closing the connection")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ('event: error\ndata: {"error": "out of memory"}\n\n', "out of memory"),
        ("event: error\ndata: out of memory\n\n", "out of memory"),
        ('data: {"type": "error", "content": "out of memory"}\n\n', "out of memory"),
        ('data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
    ],
)
async def test_an_error_fails_the_answer_and_keeps_its_text(
    event: str, words: str, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:
        found = await answer(hub, sends(*said("Half", " an"), event))
    assert found.told.content == ("failed", "Half an", "")
    assert (found.told.note, len(found.requests)) == (words, 1)


async def test_a_buffer_that_is_gone_fails_the_answer_with_the_servers_words(
    tmp_path: Path,
) -> None:
    buffered = Buffered(PIECES, cuts=[2], forgets=True)
    async with opened(tmp_path) as hub:
        found = await answer(hub, buffered, method="GET")
    assert found.told.content == ("failed", PREFIXES[2], "")
    assert found.told.note == "stream not found or expired"
    assert buffered.generations == 1


@pytest.mark.parametrize(
    ("handler", "state", "words"),
    [
        (replies(200, "<html>Sign in</html>", content_type="text/html"), "failed", "an HTML page"),
        (replies(200, '{"answer": "a"}', content_type="application/json"), "failed", "a JSON body"),
        (replies(422, '{"detail": [{"msg": "Field required"}]}'), "failed", "Field required"),
        (sends(how="cut"), "cut", "may have been billed"),
    ],
    ids=["html", "json", "422", "lost"],
)
async def test_an_answer_that_is_no_stream(
    handler: Handler, state: str, words: str, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:
        found = await answer(hub, handler)
    assert found.told.content == (state, "", "")
    assert words in found.told.note
    assert len(found.requests) == 1


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_limit_is_waited_out_before_anything_came(method: str, tmp_path: Path) -> None:
    busy = replies(429, '{"detail": "slow down"}', retry_after="30")
    async with FaultServer(in_turn(busy, minimal(PIECES))) as server, opened(tmp_path) as hub:
        live = await ask(hub, asked(server.base_url, method=method))
        await until(live, lambda live: live.machine.state is State.BACKOFF)
        assert live.due is not None
        assert live.due - time.monotonic() > 29
        assert "slow down" in live.machine.note
        found = await told(hub, await hurried(hub, live))
    assert found.content == ("complete", WHOLE, "")
    assert len(server.requests) == 2


# What comes.


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["42"], "42"),
        (["The", " 42", ", true", " null", " [1]", " {}"], "The 42, true null [1] {}"),
        (["true", "null", "0.5", "[]"], "truenull0.5[]"),
        (["He said", ' ""', ' "no"', "."], 'He said "" "no".'),
        (['"quoted" text', ' "more"'], '"quoted" text "more"'),
        (['"json "', '"strings"', '""'], "json strings"),
        (["{not json}", '{"but": "this"}'], '{not json}{"but": "this"}'),
        (["a", "", " ", "b"], "a b"),
    ],
)
async def test_whatever_a_bare_text_looks_like_it_is_shown(
    pieces: list[str], text: str, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:
        found = await answer(hub, minimal(pieces))
    assert (found.told.content, found.told.note) == (("complete", text, ""), "")


PICTURE, SOUND = png(640, 480, 3000), sound(0.1)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "cut"])
async def test_images_and_sounds_are_in_the_journal_after_a_restart(
    whole: bool, tmp_path: Path
) -> None:
    parts = (
        ("text", "Look: ", ""),
        ("image", PICTURE, "image/png"),
        ("image", "https://example.org/cat.png", ""),
        ("audio", SOUND[:3000], "audio/wav"),
        ("audio", SOUND[3000:], "audio/wav"),
        ("text", "there", ""),
    )
    async with opened(tmp_path) as hub:
        body = await body_of(hub, multimodal(*parts))
        cut = len(body) if whole else body.index(b'"there"')
        found = await answer(hub, multimodal(*parts), cut)
    async with opened(tmp_path) as hub:
        conversations = await hub.journal.conversations()
        rows = [(await hub.journal.path(one.id))[-1] for one in conversations]
        (row,) = (row for row in rows if row.stream_id == found.stream_id)
        things = [part for part in restore(row.parts).parts if part.media]
        kept = [await hub.journal.media(row.id, one.index) for one in things if one.arrived]
    assert found.told.state == row.state == ("complete" if whole else "cut")
    assert row.text == ("Look: there" if whole else "Look: ")
    assert [one.text for one in things] == ["", "https://example.org/cat.png", ""]
    assert kept == [PICTURE, SOUND]
    with sqlite3.connect(tmp_path / "ssechat.db") as other:
        query = "SELECT mime, length(data) FROM media WHERE message_id = ? ORDER BY number"
        found_there = other.execute(query, (row.id,)).fetchall()
    other.close()
    assert found_there == [("image/png", 3000), ("audio/wav", len(SOUND))]


# What a profile says.

OPTIONS = {
    "path": "v1/say",
    "prompt": "q",
    "messages": "history",
    "model": "engine",
    "text": "out.piece",
    "thinking": "out.thought",
    "kind": "t",
    "mime": "m",
    "end": "<end>",
}


def odd(*, cut: bool = False) -> Handler:
    """A server that does everything otherwise."""
    events: list[Any] = [
        {"out": {"thought": "Hm."}},
        {"out": {"piece": "Look: "}, "text": "not this"},
        {"t": "image", "data": "https://example.org/a.png", "m": "image/png"},
        {"out": {"piece": "there"}},
        {"other": "thing"},
    ]
    blocks = said(*map(json.dumps, events))
    return sends(*blocks[:2], how="cut") if cut else sends(*blocks, *said("<end>"))


async def test_a_profile_names_the_fields_of_both_sides(tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        found = await answer(hub, odd(), **OPTIONS)
    assert found.told.content == ("complete", "Look: there", "Hm.")
    (request,) = found.requests
    assert request.target == "/v1/say"
    assert request.json() == {
        "q": "why?",
        "history": [{"role": "user", "content": "why?"}],
        "engine": "a-model",
    }


async def test_a_cut_answer_goes_on_by_a_message_where_all_messages_are_sent(
    tmp_path: Path,
) -> None:
    goes_on = sends(*said('{"out": {"piece": " there"}}', "<end>"))
    async with FaultServer(in_turn(odd(cut=True), goes_on)) as server:
        where = asked(server.base_url, **OPTIONS)
        async with opened(tmp_path, where) as hub:
            old = await ended(await ask(hub, where))
            assert old.rung is Rung.CONTINUE
            assert (await stored(hub, old)).thinking == "Hm."
            new = await ended(await hub.resume(old.stream_id, by_request=True))
            assert (await stored(hub, new)).text == "Look: there"
            place = {"conversation_id": new.conversation_id, "parent_id": new.message_id}
            await ended(await ask(hub, where, "and?", **place))
    sent = [request.json()["history"] for request in server.requests]
    turns = [[turn["content"] for turn in history] for history in sent]
    assert turns == [
        ["why?"],
        ["why?", "Look:", NUDGE],
        ["why?", "Look: there", "and?"],
    ]


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_where_only_the_prompt_is_sent_there_is_nothing_to_go_on_with(
    method: str, tmp_path: Path
) -> None:
    async with FaultServer(minimal(PIECES, cut_after=2)) as server:
        where = asked(server.base_url, method=method)
        async with opened(tmp_path, where) as hub:
            old = await ended(await ask(hub, where))
            assert old.rung is Rung.NONE
            with pytest.raises(ConfigProblem) as caught:
                await hub.resume(old.stream_id, by_request=True)
        assert "ctrl+r" in caught.value.remedy
        assert len(server.requests) == 1
