"""APIs that keep no answer, lost in every way: what came is kept, nothing is asked for twice."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from ssechat.core.resume import Rung, State, machine
from ssechat.core.resume.limits import DOUBT
from ssechat.settings import Timeouts
from support.chat_servers import Busy, ChatServer, Cut, MessagesServer, OpenAiServer
from support.fault_server import FaultServer
from support.gemini_server import GeminiServer
from support.hubs import ask, ended, opened, stored, until
from support.ladder import together, told
from support.link import replies
from support.ollama_server import CRASHED, Ollama
from support.plain import ALL, PIECES, SOON, THINKING, Kind, Run, asked, made, run


def is_cut(found: Run, server: ChatServer, events: int) -> None:
    """Exactly what came is kept, nothing was asked for again, and the user may go on from it."""
    assert (found.told.state, found.said) == ("cut", server.after(events))
    assert ("may have been billed" in found.told.note) is (events == 0)
    assert (found.rung, found.posts, found.told.resumes) == (Rung.CONTINUE, 1, 0)


def is_whole(found: Run, server: ChatServer) -> None:
    assert (found.told.state, found.said) == ("complete", server.after(server.needed))
    assert (found.posts, found.told.resumes, found.told.marks) == (1, 0, ["sent"])


def is_as_far(found: Run, server: ChatServer, events: int) -> None:
    if events >= server.needed:
        is_whole(found, server)
    else:
        is_cut(found, server, events)


def events_in(server: ChatServer, events: int | None = None) -> int:
    """How many of the first so many events `Told` tells: all but an end mark."""
    return sum("[DONE]" not in event for event in server.events()[:events])


# Cuts.


@ALL
async def test_uncut_it_is_the_servers_text_and_thinking(kind: Kind, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub:
        found = await run(hub, made(kind))
        assert found.told.content == ("complete", "".join(PIECES), "".join(THINKING))
        assert (found.told.note, found.posts) == ("", 1)
        assert len(found.told.events) == events_in(made(kind))


@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
@ALL
async def test_cut_around_the_end_of_every_event(kind: Kind, crlf: bool, tmp_path: Path) -> None:
    server = made(kind, crlf=crlf)
    ends, near = server.ends, range(-3, 2) if crlf else range(-1, 2)
    places = sorted({end + n for end in (0, *ends) for n in near} & {*range(ends[-1] + 1)})
    early = crlf and kind is not Ollama  # of a blank line the CR is enough, of NDJSON it is not
    async with opened(tmp_path) as hub:

        async def cut(place: int) -> Run:
            return await run(hub, made(kind, Cut(bytes=place), crlf=crlf))

        for place, found in await together(cut, places):
            events = sum(end - early <= place for end in ends)
            is_as_far(found, server, events)
            assert len(found.told.events) == events_in(server, events)


@ALL
async def test_cut_anywhere(kind: Kind, tmp_path: Path) -> None:
    server, dice = made(kind), random.Random(kind.DIALECT)
    prefixes = [server.after(events) for events in range(server.needed + 1)]
    places = [dice.randrange(server.ends[-1]) for _ in range(24)]
    async with opened(tmp_path) as hub:

        async def cut(case: tuple[int, str]) -> Run:
            return await run(hub, made(kind, Cut(bytes=case[0], how=case[1])))

        hows = ["cut", "reset"] * len(places)
        for (place, how), found in await together(cut, list(zip(places, hows, strict=False))):
            if how == "cut":
                is_as_far(found, server, sum(end <= place for end in server.ends))
            else:  # it may take with it what was sent just before
                assert found.said in prefixes
                assert (found.told.state, found.posts) in {("cut", 1), ("complete", 1)}


@ALL
async def test_a_body_that_ends_cleanly_is_a_cut_until_the_end_was_told(
    kind: Kind, tmp_path: Path
) -> None:
    server = made(kind)
    hows = [(how, events) for how in ("end", "half") for events in range(len(server.events()))]
    async with opened(tmp_path) as hub:

        async def ends(case: tuple[str, int]) -> Run:
            return await run(hub, made(kind, Cut(events=case[1], how=case[0])))

        for (_, events), found in await together(ends, hows):
            is_as_far(found, server, events)


@ALL
async def test_what_comes_after_the_end_is_not_waited_for(kind: Kind, tmp_path: Path) -> None:
    server = made(kind)
    async with opened(tmp_path) as hub:

        async def ends(how: str) -> tuple[Run, float]:
            begun = time.monotonic()
            found = await run(hub, made(kind, Cut(events=server.needed, how=how)))
            return found, time.monotonic() - begun

        for _, (found, seconds) in await together(ends, ("cut", "end", "hang", "keepalives")):
            is_whole(found, server)
            assert seconds < DOUBT + 1


# Silence.


@ALL
async def test_silence_is_a_cut_whatever_keeps_the_connection_alive(
    kind: Kind, tmp_path: Path
) -> None:
    server = made(kind)
    hows = [(how, n) for how in ("hang", "keepalives") for n in (0, 1, 4, server.needed - 1)]
    async with opened(tmp_path) as hub:

        async def silent(case: tuple[str, int]) -> Run:
            cut = Cut(events=case[1], how=case[0])
            return await run(hub, made(kind, cut), timeouts=SOON)

        for (_, events), found in await together(silent, hows):
            is_cut(found, server, events)
            assert found.told.note.startswith("no payload for 0.6 s")


@ALL
async def test_keepalives_without_payload_are_a_stall_that_is_shown(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "STALL_AFTER", 0.3)
    server, states = made(kind, Cut(events=5, how="keepalives")), list[State]()
    async with FaultServer(server) as faults, opened(tmp_path) as hub:
        live = await ask(hub, asked(server, faults, timeouts=Timeouts(idle=1.8)))
        live.watch(lambda live: states.append(live.machine.state))
        await until(live, lambda live: live.machine.state is State.STALLED)
        del states[:]
        await ended(live)
    assert {*states} <= {State.STALLED, State.INTERRUPTED}


# Errors and refusals.


@pytest.mark.parametrize(
    ("kind", "how", "words"),
    [
        (OpenAiServer, "error", "The server had an error"),
        (OpenAiServer, "choice", "Provider disconnected"),
        (MessagesServer, "error", "overloaded_error: Overloaded"),
        (GeminiServer, "error", "UNAVAILABLE: The model is overloaded."),
        (GeminiServer, "stray", "UNAVAILABLE: The model is overloaded."),
        (Ollama, "error", CRASHED),
    ],
)
async def test_an_error_in_mid_stream_fails_and_keeps_what_came(
    kind: Kind, how: str, words: str, tmp_path: Path
) -> None:
    server = made(kind)
    async with opened(tmp_path) as hub:

        async def fails(events: int) -> Run:
            return await run(hub, made(kind, Cut(events=events, how=how)))

        for events, found in await together(fails, range(server.needed)):
            assert (found.told.state, found.told.note) == ("failed", words)
            assert (found.said, found.posts) == (server.after(events), 1)


@ALL
async def test_a_limit_is_waited_out_as_told_before_anything_came(
    kind: Kind, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:

        async def limited(status: int) -> None:
            server = made(kind, busy=[Busy(status, 1)])
            async with FaultServer(server) as faults:
                begun = time.monotonic()
                live = await ask(hub, asked(server, faults))
                await until(live, lambda live: live.machine.state is State.BACKOFF)
                assert "Try again later." in live.machine.note
                await ended(live)
                assert time.monotonic() - begun >= 1
                found = await told(hub, live)
            assert found.content == ("complete", "".join(PIECES), "".join(THINKING))
            assert len(server.prompts) == 2
            assert server.prompts[0] == server.prompts[1]

        await together(limited, (429, 503, 529))


@ALL
async def test_a_lost_answer_to_the_request_may_have_been_billed(
    kind: Kind, tmp_path: Path
) -> None:
    async with opened(tmp_path) as hub:

        async def lost(how: str) -> Run:
            return await run(hub, made(kind, Cut(how=how, headless=True)), timeouts=SOON)

        for _, found in await together(lost, ("cut", "reset", "hang")):
            is_cut(found, made(kind), 0)


@ALL
async def test_what_is_no_stream_of_this_api_fails(kind: Kind, tmp_path: Path) -> None:
    html = replies(200, "<html><title>Sign in</title></html>", content_type="text/html")
    plain = replies(200, '{"error": "no memory is left"}', content_type="application/json")
    other = "text/event-stream" if kind is Ollama else "application/x-ndjson"
    async with opened(tmp_path) as hub:
        for handler, words in (
            (html, "an HTML page"),
            (plain, "no memory is left" if kind is Ollama else "a JSON body"),
            (replies(200, "data: {}\n\n", content_type=other), other),
        ):
            async with FaultServer(handler) as faults:
                live = await ended(await ask(hub, asked(made(kind), faults)))
                row = await stored(hub, live)
                assert (row.state, row.text) == ("failed", "")
                assert words in row.note
                assert len(faults.requests) == 1


@ALL
async def test_a_model_that_is_loaded_first_is_waited_for(kind: Kind, tmp_path: Path) -> None:
    loading = asyncio.Event()
    server = made(kind, loading=loading)
    async with FaultServer(server) as faults, opened(tmp_path) as hub:
        live = await ask(hub, asked(server, faults, timeouts=Timeouts(idle=0.4, silence=0.4)))
        await until(live, lambda live: live.machine.state is State.WAITING)
        asyncio.get_running_loop().call_later(0.5, loading.set)
        found = await told(hub, await ended(live))
    assert (found.content, found.note) == (("complete", *server.after(server.needed)), "")


# Stop.


@pytest.mark.parametrize("how", ["hang", "keepalives"])
@ALL
async def test_a_stop_closes_the_connection_and_says_so(
    kind: Kind, how: str, tmp_path: Path
) -> None:
    events = made(kind).needed - 3
    server = made(kind, Cut(events=events, how=how))
    async with FaultServer(server) as faults, opened(tmp_path) as hub:
        live = await ask(hub, asked(server, faults))
        await until(live, lambda live: live.fold.reply.answer == server.after(events)[0])
        assert not hub.detach(live)
        begun = time.monotonic()
        hub.stop(live)
        await faults.wires[0].peer_closed.wait()
        assert time.monotonic() - begun < 0.5
        found = await told(hub, await ended(live))
    assert found.content == ("stopped", *server.after(events))
    assert found.note == "by closing the connection"
    assert len(server.prompts) == 1
