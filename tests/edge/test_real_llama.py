"""The real llama.cpp server: `SSECHAT_LLAMA_URL=http://127.0.0.1:8080 python -m pytest -s THIS`.

It wants a build with the resume API (`GET /v1/stream`, since 2026) and any small chat model. Each
generation runs through a proxy that cuts it many times, at random; what the journal holds then must
be what the server replays of the same generation from its first byte. With `-s` the numbers are
printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from ssechat.core.dialects import dialect as dialect_named
from ssechat.core.fold import Fold
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.reply import Reply
from ssechat.core.schemes import CONVERSATION_HEADER
from ssechat.core.sse import SseDecoder
from ssechat.hub import Hub, Live
from ssechat.settings import Profile
from support.hubs import ask, ended, frames, opened, profile, stored, until
from support.llama_answer import ANSWERS
from support.tcp_proxy import TcpProxy, at_random

URL = os.environ.get("SSECHAT_LLAMA_URL", "").rstrip("/")
GENERATIONS = 20
TOGETHER = 4
TOKENS = 160
WITHIN = 180.0  # s for one generation, with all its cuts
PROMPT = "Tell me a long story of a lighthouse, with names, numbers and things that people say."
PATHS = {"openai-chat": "/v1", "openai-responses": "/v1", "anthropic": ""}
POSTED = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
}
MOST = {"openai-chat": "max_tokens", "openai-responses": "max_output_tokens"}
"""The name of the bound on an answer's length; `max_tokens` in the third."""

each_dialect = pytest.mark.parametrize("dialect", PATHS)
pytestmark = pytest.mark.skipif(
    not URL, reason="needs a real llama.cpp server: set SSECHAT_LLAMA_URL, http://HOST:PORT"
)


def at(base_url: str, dialect: str, tokens: int = TOKENS) -> Profile:
    """The answer does not end by itself before it has so many tokens."""
    params = {MOST.get(dialect, "max_tokens"): tokens, "ignore_eos": True}
    return profile(base_url + PATHS[dialect], dialect, params=params)


def proxied(cuts: Any = (), reset: bool = False) -> TcpProxy:
    where = urlsplit(URL)
    return TcpProxy(where.hostname or "", where.port or 80, cuts, reset)


async def name_of(hub: Hub, live: Live) -> str:
    return (await hub.journal.stream(live.stream_id)).call.headers[CONVERSATION_HEADER]


async def told(method: str, path: str, **more: Any) -> httpx.Response:
    """Asked of the server itself, beside the proxy."""
    async with httpx.AsyncClient(base_url=URL, timeout=30, trust_env=False) as client:
        return await client.request(method, path, **more)


async def replayed(name: str) -> bytes:
    """The whole generation, from its first byte, as the server has it."""
    answer = await told("GET", f"/v1/stream?conv_id={name}&from=0")
    assert answer.status_code == 200
    return answer.content


def decoded(body: bytes) -> list[Frame]:
    return [frame for frame in SseDecoder().feed(body) if frame.kind is FrameKind.EVENT]


def folded(dialect: str, sent: list[Frame]) -> Reply:
    fold = Fold(dialect_named(dialect).decoder())
    for frame in sent:
        fold.take(frame)
    fold.close(0.0)
    return fold.reply


class Seen(NamedTuple):
    """What happened to one generation."""

    posts: int
    cuts: int
    resumes: int
    gets: int
    events: int
    characters: int
    thinking: int
    mismatches: list[str]


async def cut_at_moments(live: Live, proxy: TcpProxy, dice: random.Random, times: int) -> None:
    """Cut whatever is connected, `times` times, a moment after something new has come."""
    for _ in range(times):
        seen = len(live.history)
        await until(
            live, lambda live, seen=seen: len(live.history) > seen or live.ended.is_set(), WITHIN
        )
        await asyncio.sleep(dice.uniform(0.0, 0.4))
        if live.ended.is_set():
            return
        proxy.cut()


async def generation(hub: Hub, dialect: str, number: int) -> Seen:
    """One generation: an even one is cut at byte counts, an odd one at moments of time."""
    dice = random.Random(f"{dialect} {number}")
    times = dice.randint(5, 15)
    size = TOKENS * 130
    cuts = [dice.randint(400, size // times), *at_random(dice, times - 1, 2 * size // times)]
    by_bytes = number % 2 == 0
    async with proxied(cuts if by_bytes else (), reset=number % 4 > 1) as proxy:
        live = await ask(hub, at(proxy.base_url, dialect), PROMPT)
        if not by_bytes:
            await cut_at_moments(live, proxy, dice, times)
        await ended(live, WITHIN)
        return await compared(hub, dialect, live, proxy)


async def compared(hub: Hub, dialect: str, live: Live, proxy: TcpProxy) -> Seen:
    """The journal's answer against the server's own."""
    row = await stored(hub, live)
    got = [f.data for f in await frames(hub, live) if f.kind is FrameKind.EVENT]
    sent = decoded(await replayed(await name_of(hub, live)))
    reply = folded(dialect, sent)
    wrong = []
    if reply.verdict is None or row.state != reply.verdict.state:
        wrong.append(f"state {row.state}: {row.note}")
    if row.text != reply.answer:
        wrong.append(f"text {row.text!r} is not {reply.answer!r}")
    if row.thinking != reply.thinking:
        wrong.append(f"thinking {row.thinking!r} is not {reply.thinking!r}")
    if got != [frame.data for frame in sent][: len(got)]:
        wrong.append("other events")
    if proxy.count("POST") != 1 or proxy.count("GET /v1/stream") != len(proxy.requests) - 1:
        wrong.append(f"requests {proxy.requests}")
    return Seen(
        proxy.count("POST"),
        proxy.cut_count,
        row.resumes,
        proxy.count("GET /v1/stream"),
        len(sent),
        len(row.text),
        len(row.thinking),
        wrong,
    )


@each_dialect
async def test_many_cuts_lose_nothing_and_repeat_nothing(dialect: str, tmp_path: Path) -> None:
    gate = asyncio.Semaphore(TOGETHER)

    async def one(number: int) -> Seen:
        async with gate:
            return await generation(hub, dialect, number)

    async with opened(tmp_path) as hub:
        found = await asyncio.gather(*map(one, range(GENERATIONS)))
    total = [sum(column) for column in list(zip(*found, strict=True))[:-1]]
    print(f"\n{URL} {dialect}: {dict(zip(Seen._fields, total, strict=False))}")
    assert [seen.mismatches for seen in found] == [[]] * GENERATIONS
    assert all(seen.posts == 1 and seen.resumes and seen.gets >= seen.resumes for seen in found)
    assert sum(seen.cuts for seen in found) >= 5 * GENERATIONS


@each_dialect
async def test_a_stop_ends_the_generation(dialect: str, tmp_path: Path) -> None:
    async with opened(tmp_path) as hub, proxied() as proxy:
        live = await ask(hub, at(proxy.base_url, dialect, 1000), PROMPT)
        await cut_at_moments(live, proxy, random.Random(dialect), 1)
        await until(live, lambda live: live.fold.reply.answer and live.fold.resumes, WITHIN)
        name = await name_of(hub, live)
        assert await is_done(name) == [False]
        hub.stop(live)
        row = await stored(hub, await ended(live))
        assert (row.state, row.note) == ("stopped", "")
        assert row.text
        assert (proxy.count("POST"), proxy.count("DELETE /v1/stream")) == (1, 1)
        assert await is_done(name) == []  # what is stopped is forgotten
        await idle()


async def is_done(name: str) -> list[bool]:
    asked = {"conversation_ids": [name]}
    found = (await told("POST", "/v1/streams/lookup", json=asked)).json()
    return [one["is_done"] for one in found]


async def idle() -> None:
    """No slot of the server works any more, long before 1000 tokens."""
    async with asyncio.timeout(5):
        while any(slot["is_processing"] for slot in (await told("GET", "/slots")).json()):
            pass


@each_dialect
async def test_an_answer_that_the_server_has_lost_goes_on_when_asked(
    dialect: str, tmp_path: Path
) -> None:
    async with proxied() as proxy, opened(tmp_path, at(proxy.base_url, dialect)) as hub:
        old = await ask(hub, at(proxy.base_url, dialect), PROMPT)
        await until(old, lambda live: len(live.fold.reply.answer) > 60, WITHIN)
        await told("DELETE", f"/v1/stream?conv_id={await name_of(hub, old)}")
        before = await stored(hub, await ended(old))
        assert before.state == "expired"
        live = await ended(await hub.resume(old.stream_id, by_request=True), WITHIN)
        after = await stored(hub, live)
        assert proxy.count("POST") == 2
        partial = before.text.rstrip()
        assert after.text.startswith(partial)
        assert len(after.text) > len(partial)
        assert not after.text[len(partial) :].startswith(partial)
        reply = folded(dialect, decoded(await replayed(await name_of(hub, live))))
        assert after.text == reply.answer  # the prefill came back whole
        assert await stored(hub, old) == before


def shape(sent: list[Frame]) -> dict[str, set[str]]:
    """Each kind of event, in the order of its first coming, and the fields that it has."""
    kinds: dict[str, set[str]] = {}
    for frame in sent:
        fields = json.loads(frame.data) if frame.data != "[DONE]" else {}
        kind = frame.event
        for choice in fields.get("choices", ()):
            kind = f"{[*choice['delta']]} {bool(choice['finish_reason'])}"
        kinds.setdefault(kind, set()).update(fields)
    return kinds


@each_dialect
async def test_the_fake_server_says_the_same_events(dialect: str, tmp_path: Path) -> None:
    """What CI's tests speak to is shaped as the real one."""
    async with opened(tmp_path) as hub:
        live = await ended(await ask(hub, at(URL, dialect, 60), PROMPT), WITHIN)
        real = decoded(await replayed(await name_of(hub, live)))
    thinking = ["Hm."] if live.fold.reply.thinking else []
    fake = decoded(b"".join(ANSWERS[POSTED[dialect]](0, thinking, ["Hel", "lo"])))
    assert [*shape(fake)] == [*shape(real)]
    for kind, fields in shape(real).items():
        assert shape(fake)[kind] <= fields
