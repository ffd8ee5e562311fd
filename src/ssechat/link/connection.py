"""One connection: a request leaves, frames come, a watchdog listens."""

from __future__ import annotations

import math
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

import httpx
import httpx_sse
import msgspec

from ssechat.core.conversation import Call
from ssechat.core.dialects import Framing
from ssechat.core.errors import LinkProblem
from ssechat.core.frames import Frame
from ssechat.core.ndjson import NdjsonDecoder
from ssechat.core.sse import SseDecoder
from ssechat.link import problems
from ssechat.link.client import Clients
from ssechat.link.exchange import Exchange, Trace
from ssechat.link.proxy import proxy_for
from ssechat.link.refusal import framing_of, is_stream, refusal, retry_after
from ssechat.link.target import Redactor, Target, same_origin
from ssechat.link.watchdog import Watchdog

ERROR_LIMIT = 64 * 2**10
"""Bytes of an error body that are read."""
ANSWER_LIMIT = 4 * 2**20
"""Bytes of a short answer that are read; lists of models can be long."""
BODY_TIME = 5.0
"""Seconds that an error body or a short answer may take."""

_DIALS = 3  # to a proxy, through it, and TLS: each may take the profile's `connect`
_REMOTE_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")


class FrameDecoder(Protocol):
    """Bytes to frames: `core.sse` or `core.ndjson`."""

    retry: int | None

    def feed(self, chunk: bytes, wall: float = ..., mono: float = ...) -> list[Frame]: ...

    def close(self, wall: float = ..., mono: float = ...) -> list[Frame]: ...


class Head(NamedTuple):
    """The head of an answer; names of headers are in lower case."""

    status: int
    headers: dict[str, str]


class Passing(Protocol):
    """Somebody for whom a request is made, and who is told of the answer as it is."""

    def opened(self, head: Head) -> None:
        """It is a stream; its frames follow."""
        ...

    async def other(self, head: Head, exchange: Exchange) -> None:
        """It is something else, of which nothing is read here; it is there until this returns."""
        ...


class Connection:
    """An open stream. `location` is the same-origin path to continue at, `remote_id` its name,
    `server` what the server calls itself.

    `opened` is when the headers came, in monotonic seconds.
    """

    def __init__(
        self,
        exchange: Exchange,
        response: httpx.Response,
        decoder: FrameDecoder,
        watchdog: Watchdog,
        redact: Redactor,
    ) -> None:
        location = same_origin(str(response.url), response.headers.get("location", ""))
        self.location = location if location == redact(location) else ""
        name = response.headers.get("ssechat-stream-id", "")
        self.remote_id = name if _REMOTE_ID.fullmatch(name) and name == redact(name) else ""
        self.server = redact(response.headers.get("server", ""))
        self._redact = redact
        self.opened = exchange.opened
        self._exchange = exchange
        self._decoder = decoder
        self._watchdog = watchdog

    @property
    def silent(self) -> float:
        """Seconds since the last byte."""
        return self._watchdog.silent

    @property
    def quiet(self) -> float:
        """Seconds since the last payload."""
        return self._watchdog.quiet

    async def frames(self) -> AsyncGenerator[list[Frame], None]:
        """Frames, one list for each chunk. Ends when the body ends; LinkProblem if it is cut."""
        try:
            async for data, wall, mono in self._exchange.chunks():
                frames = self._decoder.feed(data, wall, mono)
                self._watchdog.heard(mono, frames)
                if frames:
                    with self._watchdog:
                        yield [self._clean(frame) for frame in frames]
        except (OSError, httpx.HTTPError) as error:
            raise problems.lost(error) from None
        if frames := self._decoder.close(time.time(), time.monotonic()):
            yield [self._clean(frame) for frame in frames]

    def _clean(self, frame: Frame) -> Frame:
        """The frame as it may be journalled: without our own key, should the server echo it."""
        redact = self._redact
        data, id, event = redact(frame.data), redact(frame.id), redact(frame.event)
        if (data, id, event) == (frame.data, frame.id, frame.event):
            return frame
        return msgspec.structs.replace(frame, data=data, id=id, event=event)


@asynccontextmanager
async def connect(
    clients: Clients,
    target: Target,
    call: Call,
    *,
    on_sent: Callable[[], None],
    error_text: Callable[[bytes], str],
    last_event_id: str = "",
    end_mark: str = "",
    framing: Framing = Framing.SSE,
    offset: int = 0,
    headers_time: float = math.inf,
    passing: Passing | None = None,
    pace: float = 0.0,
) -> AsyncIterator[Connection]:
    """Send `call` and yield the open stream. LinkProblem if none comes, ConfigProblem if it cannot
    even be tried. `offset` is where in the whole body the answer begins, in bytes. `headers_time`:
    so many seconds the headers may take, if the target does not allow less. `passing` is told of
    the answer first. `pace` is the `Exchange`'s.

    Leaving the block closes the connection at once, which is all that a server without another
    way to stop ever hears. `on_sent` is called when the whole request has left.
    """
    redact = target.redactor
    cursor = {"Last-Event-ID": last_event_id} if last_event_id else {}

    @asynccontextmanager
    async def opening(trace: Trace) -> AsyncIterator[httpx.Response]:
        async with clients.client(*target.client) as client:
            request = _request(target, call, cursor, trace)
            async with httpx_sse.aconnect_sse(client, **request) as source:
                yield source.response

    async with Exchange(opening, on_sent, pace) as exchange:
        response = await _head(exchange, target, min(headers_time, target.headers_time))
        if not is_stream(response, framing):
            if passing is not None:
                await passing.other(_head_of(response), exchange)
                raise LinkProblem("the answer is no stream", kind="content")
            body = await exchange.beginning(ERROR_LIMIT, BODY_TIME)
            problem = refusal(response, redact.body(body), error_text, redact)
            problem.title, problem.detail = redact(problem.title), redact(problem.detail)
            raise problem
        if passing is not None:
            passing.opened(_head_of(response))
        watchdog = Watchdog(target.silence, target.idle, exchange.give_up)
        events = framing_of(response, framing) is Framing.SSE
        made = SseDecoder if events else NdjsonDecoder
        decoder = made(last_event_id=last_event_id, end_mark=end_mark, offset=offset)
        try:
            yield Connection(exchange, response, decoder, watchdog, redact)
        finally:
            watchdog.stop()


class Answer(NamedTuple):
    """A short answer. `retry_after` in seconds, if the server names a time; `server` is what it
    calls itself; `head` is all of its head, which may hold what was sent to the server."""

    status: int
    body: bytes
    retry_after: float | None = None
    server: str = ""
    head: Head = Head(0, {})


async def fetch(
    clients: Clients,
    target: Target,
    call: Call,
    *,
    limit: int | None = None,
    seconds: float | None = None,
    whole: bool = False,
) -> Answer:
    """One short request: its answer, of whose body at most `limit` bytes are read. Headers and body
    may take `seconds` each. LinkProblem if there is no answer or, with `whole`, not all of one."""
    limit = ANSWER_LIMIT if limit is None else limit
    seconds = BODY_TIME if seconds is None else seconds

    @asynccontextmanager
    async def opening(trace: Trace) -> AsyncIterator[httpx.Response]:
        async with clients.client(*target.client) as client:
            request = _request(target, call, {"Accept": "application/json"}, trace)
            async with client.stream(**request) as response:
                yield response

    async with Exchange(opening) as exchange:
        response = await _head(exchange, target, seconds)
        read = exchange.whole if whole else exchange.beginning
        body = await read(limit, seconds)
        asked = retry_after(response.headers.get("retry-after", ""))
        redact = target.redactor
        server = redact(response.headers.get("server", ""))
        head = _head_of(response)
        return Answer(response.status_code, redact.body(body), asked, server, head)


def _request(target: Target, call: Call, ours: dict[str, str], trace: Trace) -> dict[str, Any]:
    plain = {"Accept-Encoding": "identity", "Cache-Control": "no-store"}
    return {
        "method": call.method,
        "url": target.url(call.path),
        "headers": target.headers_for(call, plain | ours),
        "content": call.body or None,
        "timeout": httpx.Timeout(connect=target.connect, read=None, write=30.0, pool=10.0),
        "extensions": {"trace": trace},
    }


def _head_of(response: httpx.Response) -> Head:
    return Head(response.status_code, dict(response.headers))


async def _head(exchange: Exchange, target: Target, headers_time: float) -> httpx.Response:
    where = target.where
    try:
        return await exchange.response(_DIALS * target.connect, headers_time)
    except (OSError, httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        if exchange.sending_since is None:
            proxy = None if target.uds else proxy_for(target.base_url)
            raise problems.unreachable(error, where, proxy.shown if proxy else "") from None
        if isinstance(error, TimeoutError):
            raise problems.no_headers(where, headers_time) from None
        raise problems.unanswered(error, where, target.redactor(str(error))) from None
