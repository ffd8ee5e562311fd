"""Gemini's two APIs with one model, which break their streams as a test tells them to.

    gemini = GeminiServer(["Hel", "lo"], cuts=[Cut(events=1)])
    async with FaultServer(gemini) as server:
        ... f"{server.base_url}/v1beta", gemini.prompts ...

Each is the handler for a `FaultServer`. Nothing depends on time: what is generated is known from
the start, and an interaction is further on with every event that is served and every poll.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from support.fault_server import Request, Wire

MODEL = "gemini-x"
OVERLOADED = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
TIMED_OUT = {"code": "gateway_timeout", "message": "Deadline expired."}

How = Literal["cut", "end", "hang", "error", "stray", "half", "garbled", "done", "timeout"]


class Cut(NamedTuple):
    """Where a body is broken off, and how.

    After so many `events`, or after so many `bytes`, by closing the connection (`cut`); ending the
    body cleanly (`end`); silence (`hang`); an `error` event; an error between the lines (`stray`);
    `half` an event, as after 600 s; a whole event that is not JSON (`garbled`); `done`, an end mark
    without a status; a `timeout`, an error that is only the connection's. The body ends cleanly
    after the last six.
    """

    events: int | None = None
    bytes: int | None = None
    how: How = "cut"


class Busy(NamedTuple):
    """A refusal, with `Retry-After` if it is given."""

    status: int = 429
    retry_after: int | None = None


@dataclass
class GeminiServer:
    """`streamGenerateContent`: it answers `pieces`, after `thinking`, a chunk each; the last one
    has the reason `finish`, or none if that is "".

    The first requests are refused as `busy` says. The n-th answer after these is broken off by
    `cuts[n]`; later ones pass whole. Asked to go on from a text of its own, it does, and repeats
    the last `overlap` characters. `prompts` are the requests' bodies.
    """

    pieces: Sequence[str]
    thinking: Sequence[str] = ()
    finish: str = "STOP"
    cuts: Sequence[Cut] = ()
    busy: Sequence[Busy] = ()
    overlap: int = 0
    prompts: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, request: Request, wire: Wire) -> None:
        url = urlsplit(request.target)
        if (request.method, url.path) == ("GET", "/v1beta/models"):
            await _models(wire)
        elif (request.method, unquote(url.path)) != ("POST", _path()) or url.query != "alt=sse":
            await _refuse(wire, 404, f"{url.path} is not found.")
        else:
            await self._generate(request.json(), wire)

    async def _generate(self, prompt: dict[str, Any], wire: Wire) -> None:
        number = len(self.prompts)
        self.prompts.append(prompt)
        if number < len(self.busy):
            await _busy(wire, self.busy[number])
            return
        number -= len(self.busy)
        cut = self.cuts[number] if number < len(self.cuts) else None
        await _stream(wire, self.events(prompt["contents"]), cut)

    def events(self, contents: Sequence[dict[str, Any]] = ()) -> list[str]:
        """The whole answer, as it goes over the wire."""
        said = [content["parts"][0]["text"] for content in contents if content["role"] == "model"]
        pieces = _after(self.pieces, said[-1] if said else "", self.overlap)
        thoughts = [{"text": piece, "thought": True} for piece in self.thinking]
        parts = [*thoughts, *({"text": piece} for piece in pieces)]
        return [self._chunk(part, at, len(parts)) for at, part in enumerate(parts, 1)]

    def _chunk(self, part: dict[str, Any], at: int, count: int) -> str:
        candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}, "index": 0}
        if at == count and self.finish:
            candidate["finishReason"] = self.finish
        thoughts = min(at, len(self.thinking))
        counts = {"promptTokenCount": 5, "candidatesTokenCount": at - thoughts}
        usage = {**counts, "thoughtsTokenCount": thoughts, "totalTokenCount": 5 + at}
        return _data(candidates=[candidate], usageMetadata=usage, modelVersion=MODEL)


@dataclass
class Interaction:
    """What the server keeps of one answer."""

    name: str
    question: list[Any]
    events: list[tuple[str, str]]
    answer: list[dict[str, Any]]
    status: str = "in_progress"


@dataclass
class InteractionsServer:
    """Interactions: POST, GET as a stream and as an object, cancel. It answers `pieces` after
    `thinking`, and ends with `status`.

    The n-th stream, joined again or not, is broken off by `cuts[n]`; later ones pass whole. A poll
    finds the answer under way `polls` times. Joined again, a stream begins `again` events before
    its cursor. `usage`: the last event counts tokens (the object always does). `no_resume` is the
    status that refuses to join again, and `expired` forgets what was kept. `no_background`: such a
    request is refused. The first requests are refused as `busy` says.

    `prompts` are the bodies that were posted, `cursors` those at which a stream was joined again,
    `polled` the polls, `cancelled` the names of what was to be cancelled.
    """

    pieces: Sequence[str]
    thinking: Sequence[str] = ()
    status: str = "completed"
    cuts: Sequence[Cut] = ()
    polls: int = 0
    again: int = 0
    usage: bool = True
    no_resume: int = 0
    expired: bool = False
    no_background: bool = False
    busy: Sequence[Busy] = ()
    prompts: list[dict[str, Any]] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)
    polled: int = 0
    cancelled: list[str] = field(default_factory=list)
    kept: dict[str, Interaction] = field(default_factory=dict)
    _streams: int = 0

    async def __call__(self, request: Request, wire: Wire) -> None:
        url = urlsplit(request.target)
        match request.method, url.path.removeprefix("/v1beta/").split("/"):
            case "GET", ["models"]:
                await _models(wire)
            case "POST", ["interactions"]:
                await self._create(request.json(), wire)
            case "GET", ["interactions", name] if kept := self._found(name):
                await self._get(kept, parse_qs(url.query), wire)
            case "POST", ["interactions", name, "cancel"] if kept := self._found(name):
                await self._cancel(kept, wire)
            case _:
                await _refuse(wire, 404, "The interaction is not found.")

    def _found(self, name: str) -> Interaction | None:
        return None if self.expired else self.kept.get(unquote(name))

    async def _create(self, prompt: dict[str, Any], wire: Wire) -> None:
        number = len(self.prompts)
        self.prompts.append(prompt)
        if number < len(self.busy):
            await _busy(wire, self.busy[number])
        elif prompt.get("background") and (self.no_background or not prompt.get("store", True)):
            await _refuse(wire, 400, "Background execution is not possible.")
        else:
            kept = self.make(prompt["input"], store=prompt.get("store", True))
            if kept.name:
                self.kept[kept.name] = kept
            await self._serve(kept, 0, wire)

    async def _get(self, kept: Interaction, query: dict[str, list[str]], wire: Wire) -> None:
        if query.get("stream") != ["true"]:
            await self._poll(kept, wire)
            return
        cursor = query.get("last_event_id", [""])[0]
        self.cursors.append(cursor)
        names = [name for name, _ in kept.events]
        if self.no_resume:
            await _refuse(wire, self.no_resume, "The interaction can no longer be streamed.")
        elif cursor and cursor not in names:
            await _refuse(wire, 400, "The event is not found.")
        else:
            start = names.index(cursor) + 1 if cursor else 0
            await self._serve(kept, max(0, start - self.again), wire)

    async def _serve(self, kept: Interaction, start: int, wire: Wire) -> None:
        number, self._streams = self._streams, self._streams + 1
        cut = self.cuts[number] if number < len(self.cuts) else None
        await _stream(wire, self._served(kept, start), cut)

    def _served(self, kept: Interaction, start: int) -> Iterator[str]:
        for _, event in kept.events[start:]:
            if kept.status == "cancelled":
                fields = {"interaction_id": kept.name, "status": "cancelled"}
                yield _event("interaction.status_update", fields)
                break
            yield event
        else:
            kept.status = self.status
        yield END

    async def _poll(self, kept: Interaction, wire: Wire) -> None:
        self.polled += 1
        if kept.status == "in_progress" and self.polled > self.polls:
            kept.status = self.status
        await _json(wire, 200, self._object(kept))

    async def _cancel(self, kept: Interaction, wire: Wire) -> None:
        self.cancelled.append(kept.name)
        if kept.status == "in_progress":
            kept.status = "cancelled"
        await _json(wire, 200, self._object(kept))

    def _object(self, kept: Interaction) -> dict[str, Any]:
        known = {"id": kept.name, "status": kept.status, "model": MODEL, "object": "interaction"}
        done = kept.status not in ("in_progress", "cancelled")
        steps = [*kept.question, *(kept.answer if done else [])]
        why = {"errors": [{"message": "It broke."}]} if kept.status == "failed" else {}
        return {**known, **why, "steps": steps, **(self._counts() if done else {})}

    def _counts(self) -> dict[str, Any]:
        counts = {"total_input_tokens": 5, "total_output_tokens": len(self.pieces)}
        return {"usage": {**counts, "total_thought_tokens": len(self.thinking)}}

    def make(self, question: list[Any] | None = None, *, store: bool = True) -> Interaction:
        """The next interaction, with all its events as they go over the wire."""
        name = f"v1_{len(self.prompts)}:Chd=" if store else ""
        thought = {"type": "thought", "summary": [_text(piece) for piece in self.thinking]}
        output = {"type": "model_output", "content": [_text("".join(self.pieces))]}
        answer = [{**thought, "signature": "EpoG+/=="}, output]
        told = [(f"{at * 7919 % 10007}/+=", *one) for at, one in enumerate(self._told(name), 1)]
        events = [(id, _event(kind, {**fields, "event_id": id})) for id, kind, fields in told]
        return Interaction(name, question or [], events, answer)

    def _told(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        about = {"id": name, "model": MODEL, "object": "interaction"}
        yield "interaction.created", {"interaction": {**about, "status": "in_progress"}}
        yield "interaction.status_update", {"interaction_id": name, "status": "in_progress"}
        yield "step.start", {"index": 0, "step": {"type": "thought"}}
        for piece in self.thinking:
            yield _delta(0, type="thought_summary", content=_text(piece))
        yield _delta(0, type="thought_signature", signature="EpoG+/==")
        yield "step.stop", {"index": 0}
        yield "step.start", {"index": 1, "step": {"type": "model_output"}}
        for piece in self.pieces:
            yield _delta(1, **_text(piece))
        yield "step.stop", {"index": 1}
        last = {**about, "status": self.status, **(self._counts() if self.usage else {})}
        yield "interaction.completed", {"interaction": last}


async def _stream(wire: Wire, events: Sequence[str] | Iterator[str], cut: Cut | None) -> None:
    """All events, a chunk each, as far as `cut` lets them."""
    await wire.open_stream()
    left = None if cut is None else cut.bytes
    for number, event in enumerate(events):
        data = event.encode()
        if cut and (cut.events == number or (left is not None and len(data) > left)):
            if left:
                await wire.chunk(data[:left])
            await _break(wire, cut, event)
            return
        await wire.chunk(data)
        left = None if left is None else left - len(data)
    await wire.end()


async def _break(wire: Wire, cut: Cut, event: str) -> None:
    match cut.how:
        case "cut":
            wire.cut()
            return
        case "hang":
            await wire.hang()
            return
        case "error":
            await wire.chunk(_data(error=OVERLOADED))
        case "stray":
            await wire.chunk(json.dumps({"error": OVERLOADED}, indent=2) + "\n")
        case "half":
            await wire.chunk(event[: len(event) * 2 // 3].rstrip("\n"))
        case "garbled":
            await wire.chunk(event[: len(event) * 2 // 3].rstrip("\n") + "\n\n")
        case "done":
            await wire.chunk(END)
        case "timeout":
            await wire.chunk(_event("error", {"error": TIMED_OUT}))
    await wire.end()


END = "event: done\ndata: [DONE]\n\n"


def _path() -> str:
    return f"/v1beta/models/{MODEL}:streamGenerateContent"


def _after(pieces: Sequence[str], said: str, overlap: int) -> list[str]:
    """What comes after `said` and the `overlap` before it, or all if that is another text."""
    whole = "".join(pieces)
    if not said or not whole.startswith(said):
        return list(pieces)
    return [whole[max(0, len(said) - overlap) :]]


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def _delta(index: int, **delta: Any) -> tuple[str, dict[str, Any]]:
    return "step.delta", {"index": index, "delta": delta}


def _event(kind: str, fields: dict[str, Any]) -> str:
    return f"event: {kind}\n" + _data(**fields, event_type=kind)


def _data(**fields: Any) -> str:
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n"


async def _models(wire: Wire) -> None:
    embeds = {"name": "models/embeds", "supportedGenerationMethods": ["embedContent"]}
    answers = {"name": f"models/{MODEL}", "supportedGenerationMethods": ["generateContent"]}
    await _json(wire, 200, {"models": [embeds, answers]})


async def _busy(wire: Wire, busy: Busy) -> None:
    headers = {} if busy.retry_after is None else {"Retry-After": str(busy.retry_after)}
    await _refuse(wire, busy.status, "Try again later.", **headers)


async def _refuse(wire: Wire, status: int, message: str, **headers: str) -> None:
    await _json(wire, status, {"error": {"code": status, "message": message}}, **headers)


async def _json(wire: Wire, status: int, fields: dict[str, Any], **headers: str) -> None:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    await wire.reply(status, json.dumps(fields), {**kind, **headers})
