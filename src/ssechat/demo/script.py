"""An answer as the steps of a stream: what the request decides, before any clock."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NamedTuple

from ssechat.core.deltas import EndState
from ssechat.demo import faults
from ssechat.demo.answers import Answer, compose
from ssechat.demo.faults import Faults
from ssechat.demo.request import Ask, Dialect, parse
from ssechat.demo.wire import Step, wire


class Script(NamedTuple):
    """All events of a stream, numbered from 1; `state` is how it ends by itself.

    `fingerprint` tells two scripts apart: a restarted server of another version may compute
    another answer from the same request, and must not continue with it.
    """

    ask: Ask
    asked: Faults
    steps: tuple[Step, ...]
    state: EndState
    fingerprint: str
    input: int


@lru_cache(maxsize=8)
def script(dialect: Dialect, body: bytes) -> Script:
    """The script for a request's body. Raises BadRequest."""
    ask = parse(body)
    _, asked = faults.read(ask.prompts[-1] if ask.prompts else "")
    answer = compose(ask.prompts)
    steps, state = _staged(dialect, answer, asked, ask.usage)
    digest = hashlib.sha256()
    for step in steps:
        digest.update(f"{step.kind}\0{step.text}\0".encode())
    return Script(ask, asked, tuple(steps), state, digest.hexdigest()[:16], input_tokens(ask))


def input_tokens(ask: Ask) -> int:
    """An estimate: four characters a token."""
    return 1 + sum(len(said.text) for said in ask.messages) // 4


def _staged(
    dialect: Dialect, answer: Answer, asked: Faults, usage: bool
) -> tuple[list[Step], EndState]:
    api = wire(dialect)
    steps = api.body(answer)
    if asked.error is not None and asked.error < len(steps):
        return [*steps[: asked.error], Step("error")], EndState.FAILED
    state = EndState.REFUSED if answer.refused else EndState.COMPLETE
    if asked.length is not None and asked.length < len(steps):
        steps, state = steps[: asked.length], EndState.LENGTH
    return [*steps, *api.ending(steps, state, usage)], state
