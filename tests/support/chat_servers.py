"""Servers of the APIs that keep no answer, which break their streams as a test tells them to.

    server = OpenAiServer(["Hel", "lo"], cuts=[Cut(events=2)])
    async with FaultServer(server) as faults:
        ... f"{faults.base_url}{server.BELOW}", server.prompts, server.after(2) ...

They are handlers for a `FaultServer`. Two of the four are in modules of their own: `gemini_server`
and `ollama_server`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple

from support.fault_server import Request, Wire

PACE = 0.02
"""Seconds between the keepalives of a stream that sends nothing else."""

CUT_OFF = "was cut off"
"""What somebody says who wants an answer to go on."""

Fields = dict[str, Any]


class Cut(NamedTuple):
    """Where a body is broken off, and how.

    After so many `events`, after so many `bytes`, or else after all of it comes `tail`, and then:
    the connection closes (`cut`, or by a `reset`); the body ends cleanly (`end`); silence (`hang`);
    `keepalives` for ever; `half` an event, or one of the server's `FAILURES`, and a clean end.
    `headless`: all that comes before the headers.
    """

    events: int | None = None
    bytes: int | None = None
    how: str = "cut"
    tail: str = ""
    headless: bool = False


class Busy(NamedTuple):
    """A refusal, with `Retry-After` if it is given."""

    status: int = 429
    retry_after: int | None = None


class Event(NamedTuple):
    """What goes over the wire at once, and what it says. `ends`: with it the answer is whole."""

    wire: str
    text: str = ""
    thinking: str = ""
    ends: bool = False


class Said(NamedTuple):
    role: str
    text: str


@dataclass
class ChatServer:
    """It answers `pieces`, after `thinking`, an event each.

    The first requests are refused as `busy` says. The n-th answer after these is broken off by
    `cuts[n]`; later ones pass whole. Asked to go on from a text of its own it does, and repeats the
    last `overlap` characters, unless it has not as many or that text begins its turn. `loading`
    keeps an answer's headers back until it is set. `crlf`: how lines end. `prompts` are the
    requests' bodies.
    """

    pieces: Sequence[str]
    thinking: Sequence[str] = ()
    cuts: Sequence[Cut] = ()
    busy: Sequence[Busy] = ()
    overlap: int = 0
    loading: asyncio.Event | None = None
    crlf: bool = False
    prompts: list[Fields] = field(default_factory=list)
    answers: int = field(default=0, init=False)

    DIALECT: ClassVar[str]
    MODEL: ClassVar[str]
    BELOW: ClassVar[str] = ""
    """The part of its paths that belongs to the base URL."""
    ASKED: ClassVar[str]
    """Where an answer is asked for."""
    LISTS: ClassVar[Mapping[str, Fields]]
    """What a GET finds, by its path."""
    CONTENT_TYPE: ClassVar[str] = "text/event-stream"
    KEEPALIVE: ClassVar[str] = ": keepalive\n\n"
    FAILURES: ClassVar[Mapping[str, str]]
    """What is sent of an error in mid-stream, by its name as a `Cut.how`."""

    async def __call__(self, request: Request, wire: Wire) -> None:
        path = request.target.partition("?")[0]
        if request.method == "GET" and path in self.LISTS:
            await _json(wire, 200, self.LISTS[path])
        elif (request.method, request.target) == ("POST", self.ASKED):
            await self._generate(request.json(), wire)
        else:
            await self._refuse(wire, 404, f"{path} is not found.")

    # What an API says.

    def script(self, asked: Fields | None = None) -> Iterator[Event]:
        """The whole answer to a request, as it goes over the wire."""
        raise NotImplementedError

    def turns(self, asked: Fields) -> list[Said]:
        """What a request tells of the conversation; an answer's role is "assistant"."""
        return [Said(turn["role"], turn["content"]) for turn in asked["messages"]]

    def error(self, status: int, message: str) -> Fields:
        return {"error": {"message": message, "code": status}}

    def refusal(self, asked: Fields) -> tuple[int, str] | None:
        """Why a request is not answered."""
        return None

    # What a test knows of it.

    def events(self, asked: Fields | None = None) -> list[str]:
        wires = [event.wire for event in self.script(asked)]
        return [wire.replace("\n", "\r\n") for wire in wires] if self.crlf else wires

    @property
    def ends(self) -> list[int]:
        """Where each event ends in the body, in bytes."""
        return list(accumulate(len(event.encode()) for event in self.events()))

    @property
    def needed(self) -> int:
        """The number of events with which an answer is whole."""
        return next(count for count, event in enumerate(self.script(), 1) if event.ends)

    def after(self, events: int) -> tuple[str, str]:
        """The text and the thinking that so many events tell."""
        came = list(self.script())[:events]
        return "".join(event.text for event in came), "".join(event.thinking for event in came)

    # How it goes on.

    def _prefilled(self, asked: Fields | None) -> bool:
        return asked is not None and self.turns(asked)[-1].role == "assistant"

    def _rest(self, asked: Fields | None) -> list[str]:
        """The pieces that a request asks for: those after a text of ours that was cut, else all."""
        whole, said = "".join(self.pieces), self._to_go_on_from(asked)
        if not said or not whole.startswith(said):
            return list(self.pieces)
        repeats = not self._prefilled(asked) and len(said) >= self.overlap
        overlap = self.overlap if repeats else 0
        rest = whole[len(said) - overlap :]
        return [rest[at : at + 7] for at in range(0, len(rest), 7)]

    def _to_go_on_from(self, asked: Fields | None) -> str:
        """The text of ours that the request says was cut off, or leaves open; else ""."""
        *_, before, last = [Said("", ""), Said("", ""), *(self.turns(asked) if asked else [])]
        if last.role == "assistant":
            return last.text
        return before.text if before.role == "assistant" and CUT_OFF in last.text else ""

    # What it does.

    async def _generate(self, asked: Fields, wire: Wire) -> None:
        number = len(self.prompts)
        self.prompts.append(asked)
        if number < len(self.busy):
            await self._busy(wire, self.busy[number])
            return
        if refusal := self.refusal(asked):
            await self._refuse(wire, *refusal)
            return
        if self.loading:
            await self.loading.wait()
        cut = self.cuts[self.answers] if self.answers < len(self.cuts) else Cut(how="end")
        self.answers += 1
        if not cut.headless:
            await wire.open_stream(content_type=self.CONTENT_TYPE)
            await self._send(wire, cut, self.events(asked))
        await self._then(wire, cut.how)

    async def _send(self, wire: Wire, cut: Cut, events: list[str]) -> None:
        """All events, a chunk each, or so many bytes in one; then what the cut adds."""
        if cut.bytes is not None:
            await _chunk(wire, "".join(events).encode()[: cut.bytes])
        else:
            for event in events[: cut.events]:
                await wire.chunk(event)
        last = _half(events[cut.events or 0]) if cut.how == "half" else self.FAILURES.get(cut.how)
        await _chunk(wire, (cut.tail + (last or "")).encode())

    async def _then(self, wire: Wire, how: str) -> None:
        match how:
            case "cut":
                wire.cut()
            case "reset":
                wire.reset()
            case "hang":
                await wire.hang()
            case "keepalives":
                while not wire.peer_closed.is_set():
                    await wire.chunk(self.KEEPALIVE)
                    await asyncio.sleep(PACE)
            case _:
                await wire.end()

    async def _busy(self, wire: Wire, busy: Busy) -> None:
        headers = {} if busy.retry_after is None else {"Retry-After": str(busy.retry_after)}
        await self._refuse(wire, busy.status, "Try again later.", headers)

    async def _refuse(
        self, wire: Wire, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        await _json(wire, status, self.error(status, message), headers)


class OpenAiServer(ChatServer):
    """Chat Completions, by PROTOCOLS.md §2; with OpenRouter's comments and errors (§6.5)."""

    DIALECT = "openai-chat"
    MODEL = "gpt-x"
    BELOW = "/v1"
    ASKED = "/v1/chat/completions"
    LISTS: ClassVar = {"/v1/models": {"data": [{"id": MODEL, "owned_by": "openai"}]}}
    KEEPALIVE = ": OPENROUTER PROCESSING\n\n"
    FAILURES: ClassVar = {
        "error": 'data: {"error": {"message": "The server had an error", "type": "server_error"}}\n'
        "\n",
        "choice": 'data: {"error": {"code": "server_error", "message": "Provider disconnected"},'
        ' "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}\n\n',
    }

    def script(self, asked: Fields | None = None) -> Iterator[Event]:
        pieces, thinking = self._rest(asked), () if self._prefilled(asked) else self.thinking
        yield _chat({"role": "assistant", "content": ""})
        for piece in thinking:
            yield _chat({"reasoning_content": piece}, thinking=piece)
        for piece in pieces:
            yield _chat({"content": piece}, text=piece)
        yield _chat({}, "stop", ends=True)
        count = len(pieces) + len(thinking)
        yield Event(data(choices=[], usage={"prompt_tokens": 5, "completion_tokens": count}))
        yield Event("data: [DONE]\n\n")


def _chat(delta: Fields, finish: str | None = None, **told: Any) -> Event:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": OpenAiServer.MODEL}
    return Event(data(**head, choices=[choice], obfuscation="r4N7"), **told)


SIGNATURE = "EqQBCkYIAxgCIkD+/w7=="
REDACTED = "EmwKAhgBEgy3va+/pQ=="

NO_PREFILL = (
    "This model does not support assistant message prefill. "
    "The conversation must end with a user message."
)


@dataclass
class MessagesServer(ChatServer):
    """Anthropic's Messages, by PROTOCOLS.md §4, for two models: `MODEL` takes a prefill, any other
    does not. It takes no thinking but its own, sealed."""

    DIALECT = "anthropic"
    MODEL = "claude-sonnet-4-5"
    ASKED = "/v1/messages"
    LISTS: ClassVar = {"/v1/models": {"data": [{"type": "model", "id": MODEL}]}}
    KEEPALIVE = 'event: ping\ndata: {"type": "ping"}\n\n'
    FAILURES: ClassVar = {
        "error": "event: error\n"
        'data: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n'
        "\n"
    }

    def script(self, asked: Fields | None = None) -> Iterator[Event]:
        pieces, thinking = self._rest(asked), () if self._prefilled(asked) else self.thinking
        counts = {"input_tokens": 25, "output_tokens": 1}
        yield _message("message_start", message={"id": "msg_1", "content": [], "usage": counts})
        if thinking:
            yield from self._thoughts(thinking)
        at = 2 if thinking else 0
        yield _message("content_block_start", index=at, content_block={"type": "text", "text": ""})
        yield Event(self.KEEPALIVE)
        for piece in pieces:
            yield _delta(at, "text_delta", text=piece)._replace(text=piece)
        yield _message("content_block_stop", index=at)
        count = {"output_tokens": len(pieces) + len(thinking)}
        yield _message("message_delta", delta={"stop_reason": "end_turn"}, usage=count)
        yield _message("message_stop")._replace(ends=True)

    def _thoughts(self, thinking: Sequence[str]) -> Iterator[Event]:
        """A sealed block, and one that is nothing but a seal."""
        yield _message("content_block_start", index=0, content_block=self.thought("", ""))
        for piece in thinking:
            yield _delta(0, "thinking_delta", thinking=piece)._replace(thinking=piece)
        yield _delta(0, "signature_delta", signature=SIGNATURE)
        yield _message("content_block_stop", index=0)
        yield _message("content_block_start", index=1, content_block=self.sealed[1])
        yield _message("content_block_stop", index=1)

    def thought(self, text: str, signature: str) -> Fields:
        return {"type": "thinking", "thinking": text, "signature": signature}

    @property
    def sealed(self) -> list[Fields]:
        """What it wants back, if anything."""
        redacted = {"type": "redacted_thinking", "data": REDACTED}
        return [self.thought("".join(self.thinking), SIGNATURE), redacted]

    def turns(self, asked: Fields) -> list[Said]:
        return [Said(turn["role"], "".join(_texts(turn["content"]))) for turn in asked["messages"]]

    def refusal(self, asked: Fields) -> tuple[int, str] | None:
        thoughts = [block for turn in asked["messages"] for block in thoughts_in(turn)]
        if any(block not in self.sealed for block in thoughts):
            return 400, "Invalid `signature` in `thinking` block"
        last = self.turns(asked)[-1]
        if last.role == "assistant" and asked["model"] != self.MODEL:
            return 400, NO_PREFILL
        if last.role == "assistant" and last.text != last.text.rstrip():
            return 400, "final assistant content cannot end with trailing whitespace"
        return None

    def error(self, status: int, message: str) -> Fields:
        kinds = {429: "rate_limit_error", 529: "overloaded_error"}
        kind = kinds.get(status, "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}}


def thoughts_in(turn: Fields) -> list[Fields]:
    """What a message of the Messages API holds beside text."""
    content = turn["content"]
    return [] if isinstance(content, str) else [one for one in content if one["type"] != "text"]


def _texts(content: str | list[Fields]) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    else:
        yield from (block["text"] for block in content if block["type"] == "text")


def _message(kind: str, **fields: Any) -> Event:
    return Event(f"event: {kind}\n{data(type=kind, **fields)}")


def _delta(index: int, kind: str, **fields: Any) -> Event:
    return _message("content_block_delta", index=index, delta={"type": kind, **fields})


def data(**fields: Any) -> str:
    """An event of JSON."""
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n"


def _half(event: str) -> str:
    return event[: len(event) * 2 // 3].rstrip("\n")


async def _chunk(wire: Wire, body: bytes) -> None:
    """An empty chunk would be the body's end."""
    if body:
        await wire.chunk(body)


async def _json(
    wire: Wire, status: int, fields: Fields, headers: Mapping[str, str] | None = None
) -> None:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    await wire.reply(status, json.dumps(fields), {**kind, **(headers or {})})
