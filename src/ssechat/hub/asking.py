"""Short questions about a stream: to stop it, and for its final object."""

from __future__ import annotations

import asyncio

import msgspec

from ssechat import link
from ssechat.core.conversation import Call
from ssechat.core.deltas import Verdict
from ssechat.core.errors import LinkProblem, Problem
from ssechat.core.resume import Happening, Lost, Polled, Refused
from ssechat.core.schemes import Handle, by_conversation
from ssechat.hub.live import Live
from ssechat.hub.outgoing import Outgoing
from ssechat.hub.reader import happening_of
from ssechat.link import Clients

OBJECT_LIMIT = 32 * 2**20
"""Bytes of a final object; it may hold images."""
OBJECT_TIME = 30.0  # s
_NAME_TIME = 2.0  # s; a stop waits for it

_NOTHING_LEFT = (404, 405, 409, 410, 501)
"""Nothing is left to stop, or closing the connection was all that it needed."""


_NO_SUCH_THING = (404, 405, 501)


async def ask_to_stop(clients: Clients, out: Outgoing, live: Live) -> str:
    """Why the server did not agree to stop; "" if it did."""
    call = out.cancel(live)
    assert call is not None, "only what can be stopped is"
    try:
        answer = await link.fetch(clients, out.target, call)
    except Problem as problem:
        return problem.title
    agreed = 200 <= answer.status < 300 or answer.status in _NOTHING_LEFT
    return "" if agreed else f"status {answer.status}"


async def named_by_us(clients: Clients, out: Outgoing) -> Handle:
    """How to get back to an answer whose server has not shown what it is, because the connection
    ended before the headers. llama.cpp ends it then, if it notices, and else goes on with it under
    the name that we chose: see whether that is it, by a request that costs nothing."""
    try:
        async with asyncio.timeout(_NAME_TIME):
            answer = await link.fetch(clients, out.target, Call("GET", out.dialect.MODELS_PATH, {}))
    except (Problem, TimeoutError):
        return Handle()
    return by_conversation(out.call, answer.server)


async def keeps_streams(clients: Clients, out: Outgoing, live: Live) -> bool | None:
    """Whether the server knows what a kept stream is; None if it does not say."""
    call = out.lookup(live)
    assert call is not None, "only what can be looked up is"
    try:
        answer = await link.fetch(clients, out.target, call)
    except Problem:
        return None
    return answer.status == 200 or (None if answer.status not in _NO_SUCH_THING else False)


async def ask_for_object(clients: Clients, out: Outgoing, live: Live) -> str | Happening:
    """The final object, as text, if it tells an end; else what that means to the machine."""
    call = out.poll(live)
    assert call is not None, "only what can be fetched is"
    try:
        answer = await link.fetch(
            clients, out.target, call, limit=OBJECT_LIMIT, seconds=OBJECT_TIME
        )
    except LinkProblem as problem:
        return happening_of(problem)
    except Problem as problem:
        return Lost(problem.title)
    if answer.status != 200:
        return _refused(out, answer)
    if len(answer.body) >= OBJECT_LIMIT:
        return Refused(f"the server's final object is larger than {OBJECT_LIMIT // 2**20} MiB")
    text = answer.body.decode("utf-8", "replace")
    told = out.dialect.decoder().fetched(text)
    if any(isinstance(delta, Verdict) for delta in told):
        return text
    return Polled() if _says_how_it_stands(answer.body) else Lost("what came is no final object")


class _Standing(msgspec.Struct):
    status: str


def _says_how_it_stands(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=_Standing)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _refused(out: Outgoing, answer: link.Answer) -> Refused:
    said = out.dialect.error_text(answer.body) or f"status {answer.status}"
    return Refused(said, answer.status, answer.retry_after)
