"""The Ollama that other tests use answers as the dialect expects of a real one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ssechat.core.conversation import Call, Prompt, Role, Turn
from ssechat.core.deltas import EndState, Verdict
from ssechat.core.dialects import dialect
from support.answers import Answered, answered
from support.chat_servers import Busy, Cut
from support.fault_server import FaultServer
from support.ollama_server import CRASHED, MODEL, Ollama

PIECES = ["Half", " an", " answer"]
PROMPT = Prompt((Turn(Role.USER, "hi"),), MODEL)
OLLAMA = dialect("ollama")


async def ask(ollama: Ollama, call: Call | None = None) -> Answered:
    async with FaultServer(ollama) as server:
        return await answered(OLLAMA, server.base_url, call or OLLAMA.request(PROMPT))


async def test_it_thinks_answers_and_says_that_it_is_done() -> None:
    ollama = Ollama(PIECES, thinking=["hm", "m"], done_reason="length")
    answer = await ask(ollama)
    assert (answer.thinking, answer.text) == ("hmm", "Half an answer")
    assert answer.verdict == Verdict(EndState.LENGTH)
    assert ollama.prompts[0]["stream"] is True


@pytest.mark.parametrize(
    ("how", "text", "verdict", "cut"),
    [
        (Cut(events=2), "Half an", None, True),
        (Cut(events=2, how="end"), "Half an", None, False),
        (Cut(events=1, how="error"), "Half", Verdict(EndState.FAILED, CRASHED), False),
        (Cut(bytes=10), "", None, True),
    ],
)
async def test_it_breaks_as_it_is_told_to(how: Cut, text: str, verdict: Any, cut: bool) -> None:
    answer = await ask(Ollama(PIECES, cuts=[how]))
    assert (answer.text, answer.verdict, answer.cut) == (text, verdict, cut)


async def test_it_may_be_busy_at_first_and_take_its_time_to_load() -> None:
    ollama = Ollama(PIECES, busy=[Busy(503)], cuts=[Cut(bytes=1)], loading=asyncio.Event())
    async with FaultServer(ollama) as server:
        call = OLLAMA.request(PROMPT)
        refused = await answered(OLLAMA, server.base_url, call)
        second = asyncio.create_task(answered(OLLAMA, server.base_url, call))
        await server.received(2)
        assert not second.done()
        ollama.loading.set()
        assert (await second).body == b"{"
        assert (await answered(OLLAMA, server.base_url, call)).text == "Half an answer"
    assert (refused.status, OLLAMA.error_text(refused.body)) == (503, "Try again later.")


async def test_it_goes_on_from_a_partial_answer() -> None:
    going_on = OLLAMA.continuation(PROMPT, "Half an", "")
    assert going_on is not None
    answer = await ask(Ollama(PIECES, thinking=["hm"]), going_on.call)
    assert (answer.thinking, answer.text) == ("", " answer")


async def test_it_lists_its_model_and_knows_no_other() -> None:
    tags = await ask(Ollama(PIECES), Call("GET", OLLAMA.MODELS_PATH, {}))
    assert OLLAMA.models(tags.body) == [MODEL]
    other = await ask(Ollama(PIECES), OLLAMA.request(Prompt(PROMPT.turns, "x")))
    assert (other.status, OLLAMA.error_text(other.body)) == (404, "model 'x' not found")
