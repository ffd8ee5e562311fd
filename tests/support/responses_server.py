"""OpenAI's Responses API, by PROTOCOLS.md §3, on a server that breaks where a test tells it to.

    pieces = [Thinking("Hm."), Text("Hel"), Text("lo")]
    legs = [Leg(events=3, how="cut"), Leg(bytes=90, how="reset")]
    async with ResponsesServer(pieces, legs=legs) as server:
        ... server.base_url, server.posts, server.script.text ...

Each POST begins an answer of the same pieces. An answer has no clock: it is as far as the events
that were served of it, on whichever connection; a poll or a cancel moves it as the knobs say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from support.fault_server import FaultServer, Request, Wire
from support.responses_answer import End, Fields, Piece, Script, wire

ROOT = "/v1/responses"
TOO_OLD = "This response can no longer be streamed because it is more than 5 minutes old"
NOT_BACKGROUND = "This response cannot be streamed because it was not created with background=true."
SYNCHRONOUS = "Cannot cancel a synchronous response."
NO_BACKGROUND = "Background mode is not supported here."
NEEDS_STORE = "background can only be used when `store` is true"
KEEPALIVE = b": keepalive\n\n"
PACE = 0.02
"""Seconds between the comments of a stream that sends nothing else."""

How = Literal["end", "cut", "reset", "hang", "wait", "keepalives"]


@dataclass(frozen=True)
class Leg:
    """One event stream: that of a POST, or of a GET that resumes. Faultless if nothing is set.

    After `events` of its events or `bytes` of its body, or else after all there are, comes `how`:
    "end" (the body is complete, whether or not the answer is), "cut" (FIN), "reset" (RST), "hang"
    (nothing more, ever), "wait" (nothing more until the answer is cancelled), "keepalives"
    (comments for ever). `headless`: that comes before the headers. `status`: the request is refused
    instead. The events with the numbers in `twice` are sent twice, those in `without` not at all,
    those in `swapped` change places with the next one. `chatter`: a comment before each event.
    """

    events: int | None = None
    bytes: int | None = None
    how: How = "end"
    headless: bool = False
    status: int = 0
    retry_after: str = ""
    twice: frozenset[int] = frozenset()
    without: frozenset[int] = frozenset()
    swapped: frozenset[int] = frozenset()
    chatter: bool = False

    def order(self, numbers: Sequence[int]) -> list[int]:
        """The numbers of the events in the order in which they go over the wire."""
        sent = [n for n in numbers if n not in self.without for _ in range(1 + (n in self.twice))]
        for at in range(len(sent) - 1):
            if sent[at] in self.swapped and sent[at + 1] == sent[at] + 1:
                sent[at], sent[at + 1] = sent[at + 1], sent[at]
        return sent


@dataclass
class Answer:
    """One response. `events` are all that it will ever have; `made` of them exist by now."""

    id: str
    background: bool
    store: bool
    events: list[Fields]
    polls: int
    made: int = 0
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        return self.cancelled.is_set() or self.made == len(self.events)


class ResponsesServer(FaultServer):
    """`legs` are the event streams in the order in which they are asked for; more are faultless.

    `end`: how the answer ends; "incomplete" for `reason`, "error" by an event without an object.
    `polls`: so many GETs find the answer unfinished, the next one finished. `window_closed`: no
    stream can be resumed. `expired`: nothing is found. `refuse_background`: 400. `outlives`: an
    answer that was not made in the background goes on when nobody listens. `cancels`: the statuses
    that the first cancels get. `too_late`: the answer is complete when a cancel comes. `id`: what
    answers are called, `{}` being their number from 1. `first`: the number of the first event;
    None: events have no numbers. All but `legs`, `cancels` and what makes up the events may be
    changed while the server runs.

    `vllm`: an answer is `queued` until it is finished, only `response.completed` ends a stream, a
    failure is never told, nothing is stored but what is made in the background, and what is
    finished cannot be cancelled.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        *,
        legs: Sequence[Leg] = (),
        end: End = "completed",
        reason: str = "max_output_tokens",
        polls: int = 0,
        window_closed: bool = False,
        expired: bool = False,
        refuse_background: bool = False,
        outlives: bool = False,
        cancels: Sequence[int] = (),
        too_late: bool = False,
        id: str = "resp_{}",
        first: int | None = 0,
        vllm: bool = False,
    ) -> None:
        super().__init__(self._serve)
        self.script = Script(pieces, end, reason, vllm)
        self.answers: dict[str, Answer] = {}
        self.polls = polls
        self.window_closed = window_closed
        self.expired = expired
        self.refuse_background = refuse_background
        self.outlives = outlives
        self.too_late = too_late
        self._id = id
        self._first = first
        self._vllm = vllm
        self._legs = list(legs)
        self._cancels = list(cancels)

    @property
    def base_url(self) -> str:
        return f"{super().base_url}/v1"

    @property
    def posts(self) -> list[Request]:
        """The requests that asked for an answer."""
        return [one for one in self.requests if (one.method, one.target) == ("POST", ROOT)]

    @property
    def resumes(self) -> list[Request]:
        return [one for one in self._gets if "stream=true" in one.target]

    @property
    def polled(self) -> list[Request]:
        return [one for one in self._gets if "stream=true" not in one.target]

    @property
    def cancelled(self) -> list[Request]:
        return [one for one in self.requests if one.target.endswith("/cancel")]

    @property
    def _gets(self) -> Iterator[Request]:
        below = f"{ROOT}/"
        return (one for one in self.requests if one.method == "GET" and below in one.target)

    async def _serve(self, request: Request, line: Wire) -> None:
        url = urlsplit(request.target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        name, _, verb = url.path.removeprefix(f"{ROOT}/").partition("/")
        match request.method, url.path.startswith(f"{ROOT}/"), verb:
            case "POST", False, _ if url.path == ROOT:
                await self._create(request.json(), line)
            case "GET", True, "":
                await self._retrieve(self._find(name), query, line)
            case "POST", True, "cancel":
                await self._cancel(self._find(name), line)
            case "GET", False, _ if url.path == "/v1/models":
                owner = "vllm" if self._vllm else "openai"
                await _reply(line, {"data": [{"id": "a-model", "owned_by": owner}]})
            case _:
                await _refuse(line, 404, f"Invalid URL ({request.method} {url.path})")

    def _find(self, name: str) -> Answer | None:
        answer = None if self.expired else self.answers.get(unquote(name))
        if answer and not answer.background and (self._vllm or not answer.store):
            return None
        return answer

    async def _create(self, body: Fields, line: Wire) -> None:
        background, store = body.get("background") is True, body.get("store") is not False
        if background and (self.refuse_background or not store):
            await _refuse(line, 400, NO_BACKGROUND if store else NEEDS_STORE, "background")
            return
        name = self._id.format(len(self.answers) + 1)
        made = self.script.events(name, background=background, store=store)
        if self._first is not None:
            made = [{**one, "sequence_number": n} for n, one in enumerate(made, self._first)]
        answer = self.answers[name] = Answer(name, background, store, made, self.polls)
        options = body.get("stream_options") or {}
        await self._stream(answer, 0, options.get("include_obfuscation") is not False, line)

    async def _retrieve(self, answer: Answer | None, query: dict[str, str], line: Wire) -> None:
        after = query.get("starting_after", "")
        if answer is None:
            await _refuse(line, 404, "Response not found.")
        elif query.get("stream") != "true":
            await self._poll(answer, line)
        elif not answer.background:
            await _refuse(line, 400, NOT_BACKGROUND)
        elif self.window_closed:
            await _refuse(line, 400, TOO_OLD)
        elif after and not after.isdecimal():
            await _refuse(line, 400, "Invalid type for 'starting_after'.", "starting_after")
        else:
            start = int(after) + 1 - (self._first or 0) if after else 0
            padded = query.get("include_obfuscation") != "false"
            await self._stream(answer, max(0, start), padded, line)

    async def _poll(self, answer: Answer, line: Wire) -> None:
        if answer.polls > 0:
            answer.polls -= 1
        else:
            self._finish(answer)
        await _reply(line, self._object(answer))

    async def _cancel(self, answer: Answer | None, line: Wire) -> None:
        if self._cancels:
            await _refuse(line, self._cancels.pop(0), "Not now.")
            return
        if answer is None:
            await _refuse(line, 404, "Response not found.")
            return
        if self.too_late:
            self._finish(answer)
        if not answer.background or (self._vllm and answer.over):
            await _refuse(line, 400, SYNCHRONOUS)
            return
        if not answer.over:
            answer.cancelled.set()
        await _reply(line, self._object(answer))

    def _finish(self, answer: Answer) -> None:
        if not answer.over:
            answer.made = len(answer.events)

    def _object(self, answer: Answer) -> Fields:
        end = "failed" if self.script.end == "error" else self.script.end
        untold = self._vllm and end == "failed"
        if answer.cancelled.is_set():
            status = "cancelled"
        elif answer.over and not untold:
            status = end
        else:
            status = "in_progress" if answer.made and not self._vllm else "queued"
        return self.script.response(
            answer.id, status, background=answer.background, store=answer.store
        )

    async def _stream(self, answer: Answer, start: int, padded: bool, line: Wire) -> None:
        leg = self._legs.pop(0) if self._legs else Leg()
        if leg.status:
            headers = {"Retry-After": leg.retry_after} if leg.retry_after else {}
            await _refuse(line, leg.status, "Not now.", headers=headers)
            return
        try:
            how = leg.how
            if not leg.headless:
                await line.open_stream()
                how = await self._events(answer, start, padded, leg, line)
            await self._then(answer, how, line)
        finally:
            if not (answer.background or answer.over or self.outlives):
                answer.cancelled.set()

    async def _events(self, answer: Answer, start: int, padded: bool, leg: Leg, line: Wire) -> How:
        """Send what the leg lets through; what comes then."""
        first = self._first or 0
        left = leg.bytes
        numbers = range(first + start, first + len(answer.events))
        for sent, number in enumerate(leg.order(numbers)):
            if sent == leg.events or answer.cancelled.is_set():
                return leg.how
            answer.made = max(answer.made, number - first + 1)
            data = wire(answer.events[number - first], padded=padded)
            data = KEEPALIVE + data if leg.chatter else data
            if left is not None and len(data) > left:
                if left:
                    await line.chunk(data[:left])
                return leg.how
            await line.chunk(data)
            left = None if left is None else left - len(data)
        told = start < len(answer.events) and answer.events[-1]["type"] == "response.completed"
        return "hang" if self._vllm and not told and leg.how == "end" else leg.how

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
                await (line.hang() if self._vllm else line.end())
            case "keepalives":
                while not line.peer_closed.is_set():
                    await line.chunk(KEEPALIVE)
                    await asyncio.sleep(PACE)


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def _reply(
    line: Wire, body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    await line.reply(
        status, json.dumps(body), {"Content-Type": "application/json", **(headers or {})}
    )


async def _refuse(
    line: Wire,
    status: int,
    message: str,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    await _reply(line, {"error": error}, status, headers)
