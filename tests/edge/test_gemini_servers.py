"""The stand-ins for Gemini's servers do what its dialects expect, and break as they are told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from core.fixtures.streams import deltas, reply
from ssechat.core.conversation import Call, Prompt, Role, Turn
from ssechat.core.deltas import EndState, Kept, Text, Thinking, Usage, Verdict
from ssechat.core.dialects import dialect
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.schemes import SCHEMES, kept
from ssechat.core.sse import SseDecoder
from support.fault_server import FaultServer
from support.gemini_server import MODEL, Busy, Cut, GeminiServer, How
from support.interactions_server import DONE as END
from support.interactions_server import TIMED_OUT, InteractionsServer
from support.kept_server import Leg

PIECES = ["Grüße, ", "liebe ", "Welt", "!"]
TEXT = "".join(PIECES)
SAID = [Text(piece) for piece in PIECES]
PROMPT = Prompt((Turn(Role.USER, "hi"),), MODEL)
CONTENT, INTERACTIONS = dialect("gemini"), dialect("gemini-interactions")
DONE = Verdict(EndState.COMPLETE)


class Api:
    """One of the two servers, and a plain client of it."""

    def __init__(self, faults: FaultServer, client: httpx.AsyncClient, name: str) -> None:
        self.faults = faults
        self.client = client
        self.name = name
        self.decoder = SseDecoder()

    def request(self, call: Call, body: bytes = b"") -> Any:
        body = body or call.body
        return self.client.stream(call.method, call.path, headers=call.headers, content=body)

    async def read(self, call: Call, body: bytes = b"") -> list[Frame]:
        """The events of one stream, until it ends or is cut."""
        self.decoder = SseDecoder(end_mark=dialect(self.name).END_MARK)
        frames: list[Frame] = []
        async with self.request(call, body) as response:
            assert response.status_code == 200
            try:
                async for chunk in response.aiter_raw():
                    frames += self.decoder.feed(chunk)
            except httpx.HTTPError:
                pass
        return [one for one in frames + self.decoder.close() if one.kind is FrameKind.EVENT]

    async def answer(self, call: Call, body: bytes = b"") -> tuple[int, dict[str, Any]]:
        async with self.request(call, body) as response:
            return response.status_code, json.loads(await response.aread())


@asynccontextmanager
async def serving(server: GeminiServer | InteractionsServer) -> AsyncIterator[Api]:
    name = "gemini" if isinstance(server, GeminiServer) else "gemini-interactions"
    async with (
        server if isinstance(server, InteractionsServer) else FaultServer(server) as faults,
        httpx.AsyncClient(
            base_url=f"http://{faults.netloc}/v1beta", trust_env=False, verify=False
        ) as client,
    ):
        yield Api(faults, client, name)


def cursor(frames: list[Frame]) -> str:
    return [name for one in frames if (name := INTERACTIONS.event_id(one))][-1]


def handle(frames: list[Frame]) -> Any:
    told = deltas("gemini-interactions", frames)
    (word,) = (one for one in told if isinstance(one, Kept))
    return kept(INTERACTIONS.SCHEME, word.id, streams=word.streams)


# streamGenerateContent


async def test_content_is_streamed_whole() -> None:
    server = GeminiServer(PIECES, ["Hm."])
    async with serving(server) as api:
        folded = reply(deltas("gemini", await api.read(CONTENT.request(PROMPT))))
    assert (folded.thinking, folded.answer, folded.usage) == ("Hm.", TEXT, Usage(5, 5, 1))
    assert folded.verdict == Verdict(EndState.COMPLETE, last=False)
    assert [turn["role"] for turn in server.prompts[0]["contents"]] == ["user"]


@pytest.mark.parametrize(
    ("how", "verdict"),
    [
        ("cut", None),
        ("end", None),
        ("half", None),
        ("error", Verdict(EndState.FAILED, "UNAVAILABLE: The model is overloaded.")),
        ("stray", Verdict(EndState.FAILED, "UNAVAILABLE: The model is overloaded.")),
    ],
)
async def test_content_breaks_after_so_many_events(how: How, verdict: Verdict | None) -> None:
    async with serving(GeminiServer(PIECES, cuts=[Cut(events=2, how=how)])) as api:
        folded = reply(deltas("gemini", await api.read(CONTENT.request(PROMPT))))
        assert (folded.answer, folded.verdict) == ("Grüße, liebe ", verdict)
        assert len(await api.read(CONTENT.request(PROMPT))) == len(PIECES)


async def test_content_is_cut_at_any_byte() -> None:
    server = GeminiServer(PIECES)
    whole = "".join(server.events()).encode()
    places = range(0, len(whole), 37)
    server.cuts = [Cut(bytes=place) for place in places]
    async with serving(server) as api:
        for place in places:
            expected = SseDecoder().feed(whole[:place])
            frames = await api.read(CONTENT.request(PROMPT))
            assert [one.data for one in frames] == [one.data for one in expected]


async def test_a_clean_end_without_a_reason_is_no_verdict() -> None:
    async with serving(GeminiServer(PIECES, finish="")) as api:
        folded = reply(deltas("gemini", await api.read(CONTENT.request(PROMPT))))
    assert (folded.answer, folded.verdict) == (TEXT, None)


async def test_a_hanging_stream_goes_with_its_peer() -> None:
    async with serving(GeminiServer(PIECES, cuts=[Cut(events=1, how="hang")])) as api:
        async with api.request(CONTENT.request(PROMPT)) as response:
            frames = api.decoder.feed(await anext(response.aiter_raw()))
        await api.faults.left()
    assert len(frames) == 1


async def test_busy_servers_say_when_to_come_again() -> None:
    async with serving(GeminiServer(PIECES, busy=[Busy(429, 7), Busy(503)])) as api:
        for status, after in ((429, "7"), (503, None), (200, None)):
            async with api.request(CONTENT.request(PROMPT)) as response:
                await response.aread()
            assert (response.status_code, response.headers.get("retry-after")) == (status, after)


async def test_a_continuation_repeats_as_much_as_it_is_told() -> None:
    asked = CONTENT.continuation(PROMPT, "Grüße, lie", "")
    assert asked is not None
    async with serving(GeminiServer(PIECES, overlap=4)) as api:
        assert reply(deltas("gemini", await api.read(asked.call))).answer == " liebe Welt!"


async def test_an_unknown_model_and_the_list_of_known_ones() -> None:
    async with serving(GeminiServer(PIECES)) as api:
        status, body = await api.answer(CONTENT.request(Prompt(PROMPT.turns, "other")))
        assert (status, body["error"]["message"][-10:]) == (404, "not found.")
        _, body = await api.answer(Call("GET", CONTENT.MODELS_PATH, {}))
    assert CONTENT.models(json.dumps(body).encode()) == [MODEL]


# Interactions


async def test_an_interaction_is_streamed_whole() -> None:
    server = InteractionsServer([Thinking("Hm."), *SAID])
    async with serving(server) as api:
        frames = await api.read(INTERACTIONS.request(PROMPT))
    folded = reply(deltas("gemini-interactions", frames))
    assert (folded.thinking, folded.answer, folded.usage) == ("Hm.", TEXT, Usage(5, 5, 1))
    assert folded.verdict == DONE
    assert server.posts[0].json()["background"] is True


@pytest.mark.parametrize(
    "leg",
    [
        Leg(how="cut"),
        Leg(how="end"),
        Leg(tail=b'event: step.delta\ndata: {"ind'),
        Leg(tail=b'event: step.delta\ndata: {"ind\n\n'),
        Leg(tail=END),
        Leg(tail=TIMED_OUT),
    ],
    ids=["cut", "end", "half", "garbled", "done", "timeout"],
)
async def test_a_stream_is_joined_again_wherever_it_broke(leg: Leg) -> None:
    for events in range(1, 9):
        legs = [replace(leg, events=number) for number in (events, 1)]
        server = InteractionsServer(SAID, legs=legs)
        decoder = INTERACTIONS.decoder()
        async with serving(server) as api:
            frames = await api.read(INTERACTIONS.request(PROMPT))
            told = [one for frame in frames for one in decoder.decode(frame)]
            while not any(isinstance(one, Verdict) for one in told):
                call = SCHEMES["interactions"].resume(handle(frames), cursor(frames))
                more = await api.read(call)
                told += [one for frame in more for one in decoder.decode(frame)]
                frames += more
        assert (reply(told).answer, reply(told).verdict) == (TEXT, DONE)
        assert len(server.cursors) > 0


async def test_a_stream_may_begin_again_before_its_cursor() -> None:
    server = InteractionsServer(SAID, legs=[Leg(events=6)], again=2)
    async with serving(server) as api:
        first = await api.read(INTERACTIONS.request(PROMPT))
        more = await api.read(SCHEMES["interactions"].resume(handle(first), cursor(first)))
    assert [one.data for one in more[:2]] == [one.data for one in first[-2:]]


async def test_polling_finds_the_answer_when_it_is_there() -> None:
    pieces, legs = [Thinking("Hm."), *SAID], [Leg(events=5)]
    server = InteractionsServer(pieces, legs=legs, polls=2, window_closed=True)
    async with serving(server) as api:
        decoder = INTERACTIONS.decoder()
        frames = await api.read(INTERACTIONS.request(PROMPT))
        scheme, name = SCHEMES["interactions"], handle(frames)
        assert (await api.answer(scheme.resume(name, cursor(frames))))[0] == 400
        found = [(await api.answer(scheme.poll(name)))[1] for _ in range(3)]
        told = [decoder.fetched(json.dumps(one)) for one in found]
    assert told[:2] == [[], []]
    assert [type(one).__name__ for one in told[2]] == ["Whole", "Usage", "Verdict"]
    assert (told[2][0].text, told[2][0].thinking, told[2][2]) == (TEXT, "Hm.", DONE)


async def test_a_cancelled_interaction_says_so_to_all() -> None:
    server = InteractionsServer(SAID, legs=[Leg(events=6)])
    async with serving(server) as api:
        frames = await api.read(INTERACTIONS.request(PROMPT))
        scheme, name = SCHEMES["interactions"], handle(frames)
        assert (await api.answer(scheme.cancel(name)))[1]["status"] == "cancelled"
        more = await api.read(scheme.resume(name, cursor(frames)))
        verdict = deltas("gemini-interactions", frames + more)[-1]
    assert verdict == Verdict(EndState.STOPPED, "cancelled at the server")
    assert len(server.cancelled) == 1


async def test_a_cancel_that_comes_too_late_changes_nothing() -> None:
    async with serving(InteractionsServer(SAID)) as api:
        frames = await api.read(INTERACTIONS.request(PROMPT))
        _, body = await api.answer(SCHEMES["interactions"].cancel(handle(frames)))
    assert body["status"] == "completed"


async def test_background_is_refused_and_the_fallback_is_not() -> None:
    async with serving(InteractionsServer(SAID, refuse_background=True)) as api:
        call = INTERACTIONS.request(PROMPT)
        status, body = await api.answer(call)
        assert (status, "background" in body["error"]["message"].lower()) == (400, True)
        folded = reply(deltas("gemini-interactions", await api.read(call, call.fallback)))
    assert (folded.answer, folded.verdict) == (TEXT, DONE)


async def test_what_is_not_stored_or_is_expired_is_not_found() -> None:
    server = InteractionsServer(SAID)
    async with serving(server) as api:
        frames = await api.read(INTERACTIONS.request(Prompt(PROMPT.turns, MODEL, {"store": False})))
        assert not [one for one in deltas(api.name, frames) if isinstance(one, Kept)]
        frames = await api.read(INTERACTIONS.request(PROMPT))
        server.expired = True
        status, _ = await api.answer(SCHEMES["interactions"].poll(handle(frames)))
    assert status == 404


async def test_the_last_event_may_count_no_tokens() -> None:
    async with serving(InteractionsServer(SAID, usage=False)) as api:
        frames = await api.read(INTERACTIONS.request(PROMPT))
        assert reply(deltas(api.name, frames)).usage == Usage()
        _, body = await api.answer(SCHEMES["interactions"].poll(handle(frames)))
    assert body["usage"]["total_output_tokens"] == len(PIECES)


async def test_an_unknown_cursor_is_refused() -> None:
    async with serving(InteractionsServer(SAID)) as api:
        frames = await api.read(INTERACTIONS.request(PROMPT))
        resume = SCHEMES["interactions"].resume
        assert (await api.answer(resume(handle(frames), "other")))[0] == 400
