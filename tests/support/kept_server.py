"""A server whose answers are kept, on which a stream can be joined again: what such APIs share.

It breaks where a test tells it to:

    legs = [Leg(events=3, how="cut"), Leg(bytes=90, how="reset")]
    async with ResponsesServer([Thinking("Hm."), Text("Hel"), Text("lo")], legs=legs) as server:
        ... server.base_url, server.posts, server.text ...

Each POST begins an answer of the same pieces. An answer has no clock: it is as far as the events
that were served of it, on whichever connection; a poll or a cancel moves it as the knobs say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from ssechat.core.deltas import Text, Thinking
from support.fault_server import FaultServer, Request, Wire

KEEPALIVE = b": keepalive\n\n"
PACE = 0.02
"""Seconds between the comments of a stream that sends nothing else."""

Piece = Text | Thinking
Fields = dict[str, Any]
How = Literal["end", "cut", "reset", "hang", "wait", "keepalives"]


def runs(pieces: Sequence[Piece]) -> list[tuple[type[Piece], list[str]]]:
    """The pieces of one kind that stand together."""
    return [(kind, [piece.text for piece in run]) for kind, run in groupby(pieces, type)]


class Gate(asyncio.Event):
    """`reached` is set once the server waits for this."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> bool:
        self.reached.set()
        return await super().wait()


@dataclass(frozen=True)
class Leg:
    """One event stream: that of a POST, or of a GET that resumes. Faultless if nothing is set.

    After `events` of its events or `bytes` of its body, or else after all there are, comes `tail`
    and then `how`: "end" (the body is complete, whether or not the answer is), "cut" (FIN), "reset"
    (RST), "hang" (nothing more, ever), "wait" (nothing more until the answer is cancelled),
    "keepalives" (comments for ever). `headless`: that comes before the headers. `status`: the
    request is refused instead. The events with the numbers in `twice` are sent twice, those in
    `without` not at all, those in `swapped` change places with the next one. `chatter`: a comment
    before each event. `gate` is waited for after `gate_at` events, with -1 before the headers.
    """

    events: int | None = None
    bytes: int | None = None
    tail: bytes = b""
    how: How = "end"
    headless: bool = False
    status: int = 0
    retry_after: str = ""
    twice: frozenset[int] = frozenset()
    without: frozenset[int] = frozenset()
    swapped: frozenset[int] = frozenset()
    chatter: bool = False
    gate: asyncio.Event | None = None
    gate_at: int = 0

    def order(self, numbers: Sequence[int]) -> list[int]:
        """The numbers of the events in the order in which they go over the wire."""
        sent = [n for n in numbers if n not in self.without for _ in range(1 + (n in self.twice))]
        for at in range(len(sent) - 1):
            if sent[at] in self.swapped and sent[at + 1] == sent[at] + 1:
                sent[at], sent[at + 1] = sent[at + 1], sent[at]
        return sent


@dataclass
class Answer:
    """One answer. `events` are all that it will ever have; `made` of them exist by now, and with
    `last` of them it is over. `question` is the body that asked for it."""

    id: str
    background: bool
    store: bool
    events: Sequence[Any]
    polls: int
    last: int
    question: Fields
    made: int = 0
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        return self.cancelled.is_set() or self.made >= self.last


class KeptServer(FaultServer):
    """`legs` are the event streams in the order in which they are asked for; more are faultless.

    `polls`: so many GETs find the answer unfinished, the next one finished; `unpolled`: the
    statuses that the first of them get instead. `window_closed`: no stream can be joined again;
    `unstreamed`: whoever asks for that gets the object.
    `expired`: nothing is found. `refuse_background`: 400. `outlives`: an answer that was not made
    in the background goes on when nobody listens. `cancels`: the statuses that the first cancels
    get. `too_late`: the answer is complete when a cancel comes. `id`: what answers are called, `{}`
    being their number from 1. `crlf`: how lines end. All but `legs`, `cancels` and `unpolled` may
    be changed while the server runs. `cancelling` is called when a cancel comes.

    An API says what its requests and events look like.
    """

    ROOT = ""
    """The path of its answers."""
    BELOW = ""
    """The part of it that belongs to the base URL."""
    CURSOR = ""
    """The name of the query's field."""
    UNJOINABLE = "This answer can no longer be streamed."

    def __init__(
        self,
        pieces: Sequence[Piece],
        *,
        legs: Sequence[Leg] = (),
        polls: int = 0,
        unpolled: Sequence[int] = (),
        window_closed: bool = False,
        unstreamed: bool = False,
        expired: bool = False,
        refuse_background: bool = False,
        outlives: bool = False,
        cancels: Sequence[int] = (),
        too_late: bool = False,
        id: str = "resp_{}",
        crlf: bool = False,
    ) -> None:
        super().__init__(self._serve)
        self.pieces = pieces
        self.answers: dict[str, Answer] = {}
        self.polls = polls
        self.window_closed = window_closed
        self.unstreamed = unstreamed
        self.expired = expired
        self.refuse_background = refuse_background
        self.outlives = outlives
        self.too_late = too_late
        self.crlf = crlf
        self.first = 0
        self._id = id
        self._legs = list(legs)
        self._unpolled = list(unpolled)
        self._cancels = list(cancels)

    @property
    def base_url(self) -> str:
        return f"{super().base_url}{self.BELOW}"

    @property
    def posts(self) -> list[Request]:
        """The requests that asked for an answer."""
        return [one for one in self.requests if (one.method, one.target) == ("POST", self.ROOT)]

    @property
    def resumes(self) -> list[Request]:
        return [one for one in self._gets if "stream=true" in one.target]

    @property
    def cursors(self) -> list[str]:
        """Where streams were joined again."""
        queries = (parse_qs(urlsplit(one.target).query) for one in self.resumes)
        return [query.get(self.CURSOR, [""])[0] for query in queries]

    @property
    def polled(self) -> list[Request]:
        return [one for one in self._gets if "stream=true" not in one.target]

    @property
    def cancelled(self) -> list[Request]:
        return [one for one in self.requests if one.target.endswith("/cancel")]

    def cancelling(self) -> None:
        """A cancel has come, and is not answered yet."""

    def on_the_wire(self, answer: Answer, *, padded: bool = False) -> list[bytes]:
        """All events of the answer, as they go over the wire."""
        numbers = range(self.first, self.first + len(answer.events))
        return [self._bytes(answer, number, padded) for number in numbers]

    # What an API says

    def _make(self, name: str, asked: Fields) -> Answer:
        raise NotImplementedError

    def _wire(self, event: Any, *, padded: bool) -> bytes:
        raise NotImplementedError

    def _object(self, answer: Answer) -> Fields:
        raise NotImplementedError

    def _error(self, status: int, message: str) -> Fields:
        raise NotImplementedError

    def _models(self) -> Fields:
        raise NotImplementedError

    def _start(self, answer: Answer, cursor: str) -> int | None:
        """The index of the first event after the cursor; None if there is no such cursor."""
        raise NotImplementedError

    def _joinable(self, answer: Answer) -> bool:
        return answer.background

    def _cancellable(self, answer: Answer) -> bool:
        return answer.background

    def _stays_open(self, answer: Answer, start: int) -> bool:
        """Whether a stream goes on saying nothing after its last event."""
        return False

    async def _say_cancelled(self, answer: Answer, line: Wire) -> None:
        """The end of a stream whose answer was cancelled."""
        await line.end()

    # How it serves them

    @property
    def _gets(self) -> Iterator[Request]:
        below = f"{self.ROOT}/"
        return (one for one in self.requests if one.method == "GET" and below in one.target)

    async def _serve(self, request: Request, line: Wire) -> None:
        url = urlsplit(request.target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        name, _, verb = url.path.removeprefix(f"{self.ROOT}/").partition("/")
        match request.method, url.path.startswith(f"{self.ROOT}/"), verb:
            case "POST", False, _ if url.path == self.ROOT:
                await self._create(request.json(), line)
            case "GET", True, "":
                await self._retrieve(self._find(name), query, line)
            case "POST", True, "cancel":
                self.cancelling()
                await self._cancel(self._find(name), line)
            case "GET", False, _ if url.path == f"{self.BELOW}/models":
                await reply(line, self._models())
            case _:
                await self._refuse(line, 404, f"Invalid URL ({request.method} {url.path})")

    def _find(self, name: str) -> Answer | None:
        answer = None if self.expired else self.answers.get(unquote(name))
        return answer if answer and (answer.background or answer.store) else None

    async def _create(self, body: Fields, line: Wire) -> None:
        background, store = body.get("background") is True, body.get("store") is not False
        if background and (self.refuse_background or not store):
            await self._refuse(line, 400, "Background mode is not possible here.")
            return
        name = self._id.format(len(self.answers) + 1)
        answer = self.answers[name] = self._make(name, body)
        options = body.get("stream_options") or {}
        await self._stream(answer, 0, options.get("include_obfuscation") is not False, line)

    async def _retrieve(self, answer: Answer | None, query: dict[str, str], line: Wire) -> None:
        if answer is None:
            await self._refuse(line, 404, "Answer not found.")
        elif query.get("stream") != "true" or self.unstreamed:
            await self._poll(answer, line)
        elif not self._joinable(answer) or self.window_closed:
            await self._refuse(line, 400, self.UNJOINABLE)
        elif (start := self._start(answer, query.get(self.CURSOR, ""))) is None:
            await self._refuse(line, 400, f"Invalid {self.CURSOR}.")
        else:
            padded = query.get("include_obfuscation") != "false"
            await self._stream(answer, start, padded, line)

    async def _poll(self, answer: Answer, line: Wire) -> None:
        if self._unpolled:
            await self._refuse(line, self._unpolled.pop(0), "Not now.")
            return
        if answer.polls > 0:
            answer.polls -= 1
        else:
            _finish(answer)
        await reply(line, self._object(answer))

    async def _cancel(self, answer: Answer | None, line: Wire) -> None:
        if self._cancels:
            await self._refuse(line, self._cancels.pop(0), "Not now.")
            return
        if answer is None:
            await self._refuse(line, 404, "Answer not found.")
            return
        if self.too_late:
            _finish(answer)
        if not self._cancellable(answer):
            await self._refuse(line, 400, "Cannot cancel a synchronous response.")
            return
        if not answer.over:
            answer.cancelled.set()
        await reply(line, self._object(answer))

    async def _stream(self, answer: Answer, start: int, padded: bool, line: Wire) -> None:
        leg = self._legs.pop(0) if self._legs else Leg()
        if leg.status:
            headers = {"Retry-After": leg.retry_after} if leg.retry_after else {}
            await self._refuse(line, leg.status, "Not now.", headers)
            return
        try:
            how = leg.how
            await _pass(leg, -1)
            if not leg.headless:
                await line.open_stream()
                how = await self._events(answer, start, padded, leg, line)
            await self._then(answer, how, line)
        finally:
            if not (answer.background or answer.over or self.outlives):
                answer.cancelled.set()

    async def _events(self, answer: Answer, start: int, padded: bool, leg: Leg, line: Wire) -> How:
        """Send what the leg lets through; what comes then."""
        left = leg.bytes
        numbers = range(self.first + start, self.first + len(answer.events))
        for sent, number in enumerate(leg.order(numbers)):
            await _pass(leg, sent)
            if answer.cancelled.is_set():
                return "wait"
            if sent == leg.events:
                break
            data = self._bytes(answer, number, padded)
            data = KEEPALIVE + data if leg.chatter else data
            answer.made = max(answer.made, number - self.first + 1)
            if left is not None and len(data) > left:
                await _chunk(line, data[:left])
                break
            await line.chunk(data)
            left = None if left is None else left - len(data)
        await _chunk(line, leg.tail)
        return "hang" if self._stays_open(answer, start) and leg.how == "end" else leg.how

    def _bytes(self, answer: Answer, number: int, padded: bool) -> bytes:
        data = self._wire(answer.events[number - self.first], padded=padded)
        return data.replace(b"\n", b"\r\n") if self.crlf else data

    async def _then(self, answer: Answer, how: How, line: Wire) -> None:
        match how:
            case "end":
                await line.end()
            case "cut":
                line.cut()
            case "reset":
                line.reset()
            case "hang":
                await line.hang()
            case "wait":
                await _either(answer.cancelled, line.peer_closed)
                await self._say_cancelled(answer, line)
            case "keepalives":
                while not line.peer_closed.is_set():
                    await line.chunk(KEEPALIVE)
                    await asyncio.sleep(PACE)

    async def _refuse(
        self, line: Wire, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        if status == 204:
            await line.head(204)
            line.finished = True
            return
        await reply(line, self._error(status, message), status, headers)


async def reply(
    line: Wire, body: Fields, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    await line.reply(status, json.dumps(body), {**kind, **(headers or {})})


def _finish(answer: Answer) -> None:
    if not answer.over:
        answer.made = len(answer.events)


async def _pass(leg: Leg, sent: int) -> None:
    if leg.gate is not None and sent == leg.gate_at:
        await leg.gate.wait()


async def _chunk(line: Wire, data: bytes) -> None:
    """An empty chunk would be the body's end."""
    if data:
        await line.chunk(data)


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
