"""The first answer of an upstream, handed to the client that it is for."""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

from ssechat.core.errors import LinkProblem, Problem
from ssechat.link import Head
from ssechat.link.exchange import Exchange
from ssechat.link.target import Redactor

_HEADERS = (
    *("content-type", "retry-after", "request-id", "x-request-id", "openai-processing-ms"),
    *("content-encoding", "content-language", "www-authenticate", "allow"),
)
"""Headers of an answer that a client may see: none that speaks of the connection or of cookies."""
_LIMIT_HEADERS = ("x-ratelimit-", "anthropic-ratelimit-", "ratelimit")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
LARGEST = 32 * 2**20
"""Bytes of an answer that is no stream; it may hold images."""
LONGEST = 600.0
"""Seconds that its body may take."""


class Verbatim(NamedTuple):
    """An answer that is no stream, to be passed on as it is."""

    head: Head
    body: bytes


def shown(head: Head, redact: Redactor) -> Head:
    """What a client may see of it, without the upstream's key; what no server may send is left
    out."""
    kept = {
        name: redact(value)
        for name, value in head.headers.items()
        if (name in _HEADERS or name.startswith(_LIMIT_HEADERS)) and _VALUE.fullmatch(value)
    }
    return Head(head.status if 200 <= head.status < 600 else 502, kept)


class FirstAnswer:
    """What came of a request: a stream, something else, or nothing. (`link.Passing`)

    `redact` takes the upstream's key out of what it says.
    """

    def __init__(self, redact: Redactor) -> None:
        self.came: asyncio.Future[Head | Verbatim] = asyncio.get_running_loop().create_future()
        self.passed = False
        """Whether it was something else than a stream."""
        self._redact = redact

    def opened(self, head: Head) -> None:
        if not self.came.done():
            self.came.set_result(shown(head, self._redact))

    async def other(self, head: Head, exchange: Exchange) -> None:
        self.passed = True
        try:
            body = self._redact.body(await exchange.whole(LARGEST, LONGEST))
        except LinkProblem as problem:
            self.none(problem)
            return
        if not self.came.done():
            self.came.set_result(Verbatim(shown(head, self._redact), body))

    def none(self, problem: Problem) -> None:
        """There will be no answer."""
        if not self.came.done():
            self.came.set_exception(problem)
            self.came.exception()  # it may be that nobody waits any more
