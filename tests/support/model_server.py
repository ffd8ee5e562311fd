"""A server of the mind: one answer, made by its own clock or only while somebody listens, kept or
not, and what it says to each request. No sockets, no time: a test says what happens when."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ssechat.core.conversation import Call
from ssechat.core.deltas import Text
from support.responses_answer import Script

CHAT = ("none", "location", "replay", "relay", "llama")
RESUMED = ("location", "replay", "relay", "llama", "responses")
KINDS = (*CHAT, "responses", "kept")
"""How a server lets its stream be continued: not at all; after an `id:` line (`location`, `relay`);
by sending all of it again; after a byte; after a number; by its final object alone."""


@dataclass(frozen=True)
class Terms:
    """What a server is. `alone`: it goes on without a listener (a llama.cpp server may be too old
    for that). `named`: which of its events carry an id, where `id:` lines name them. `back`: about
    how many events before the cursor it sends again. `noise` stands before each event.
    """

    kind: str
    pieces: tuple[str, ...]
    alone: bool = True
    named: tuple[bool, ...] = ()
    back: int = 0
    noise: bytes = b""
    grants: bool = True
    """Whether it takes the request as it is first asked; else only the humbler one."""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass
class Line:
    """One connection: the number of the event that it sends next, what it sends before that (the
    rest of one, or events by their numbers), and what its headers say, as a `link.Connection` has
    them."""

    at: int
    rest: bytes = b""
    first: list[int] = field(default_factory=list)
    location: str = ""
    remote_id: str = ""
    server: str = ""


class ModelServer:
    """`made` events of the answer exist. `holes` are events that it has lost for good."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.generations = 0
        self.made = 0
        self.generating = False
        self.stopped = self.expired = self.window_closed = False
        self.holes: set[int] = set()
        self.line: Line | None = None
        self.keeps = terms.kind in ("responses", "kept")
        self._say()

    def _say(self) -> None:
        self.events = _events(self.terms, self.keeps)
        self.ends: list[int] = []
        total = 0
        for event in self.events:
            total += len(event)
            self.ends.append(total)

    def regenerate(self, terms: Terms) -> None:
        """From now on it has another answer."""
        self.terms = terms
        self._say()
        self.made = len(self.events)
        self.generating = False

    # Requests

    def post(self, call: Call, *, wish: bool) -> Line | int:
        """The request for an answer; `wish`: as it was first asked."""
        if wish and not self.terms.grants:
            return 400
        if not (self.generations and "Idempotency-Key" in call.headers):
            self.generations += 1
            self.generating = True
            if not wish and self.keeps:
                self.keeps = False
                self._say()
        return self._open(0)

    def get(self, call: Call, last_event_id: str) -> Line | int | str:
        """A request for the stream, from a place on, or for the final object."""
        there = urlsplit(call.path)
        asked = {name: values[0] for name, values in parse_qs(there.query).items()}
        if self.expired or not self.generations:
            return 404
        if self.terms.kind in ("responses", "kept"):
            assert there.path == "responses/resp_1"
            if "stream" not in asked:
                return self._object()
            if self.terms.kind == "kept" or self.window_closed:
                return 400
            return self._open(int(asked.get("starting_after", -1)) + 1)
        if self.terms.kind == "llama":
            if not self.terms.alone:
                return 404
            assert (there.path, asked["conv_id"]) == ("stream", "c1")
            place = int(asked["from"])
            if self.window_closed and place:
                return 400
            number = bisect_right(self.ends, place)
            begun = place - (self.ends[number - 1] if number else 0)
            line = self._open(number + bool(begun))
            line.rest = self.events[number][begun:] if begun else b""
            return line
        if self.window_closed and last_event_id:
            return 400
        place = self._after(last_event_id)
        over = not self.generating and place >= self.made
        return 204 if over else self._open(self._before(place))

    def cancel(self) -> None:
        self.generating, self.stopped = False, True

    def hang_up(self) -> None:
        """The connection is gone, as seen from here."""
        self.line = None
        if not self.terms.alone:
            self.generating = False

    # The answer

    def make(self, count: int) -> None:
        if self.generating and (self.terms.alone or self.line):
            self.made = min(len(self.events), self.made + count)
            self.generating = self.made < len(self.events)

    def send(self, count: int) -> bytes:
        """The next events of the connection, as far as they exist."""
        line = self.line
        sent = line.rest if line is not None else b""
        if line is not None:
            line.rest = b""
        while line is not None and count:
            if line.first:
                number = line.first.pop(0)
            elif line.at < self.made:
                number = line.at
                line.at += 1
            else:
                break
            if number not in self.holes:
                sent += self.events[number]
            count -= 1
        return sent

    def _open(self, at: int) -> Line:
        line = Line(at)
        if self.terms.kind in ("location", "replay"):
            line.location = "/streams/1"
        elif self.terms.kind == "relay":
            line.location, line.remote_id = "/v1/streams/st_a/events", "st_a"
        elif self.terms.kind == "llama":
            line.server = "llama.cpp"
        self.line = line
        return line

    def _after(self, event_id: str) -> int:
        """The place after the last event with this id."""
        wanted = f"id: {event_id}\n".encode()
        places = [n for n, event in enumerate(self.events) if wanted in event]
        return places[-1] + 1 if event_id and places else 0

    def _before(self, place: int) -> int:
        """Where it begins: not between events that have no names, or nobody could tell where."""
        at = max(0, place - self.terms.back)
        while 0 < at < place and b"id: " not in self.events[at]:
            at -= 1
        return at

    def _object(self) -> str:
        script = Script([Text(piece) for piece in self.terms.pieces])
        status = "in_progress" if self.generating else "completed"
        if self.made < len(self.events) and not self.generating:
            status = "cancelled"
        background = self.terms.kind == "responses"
        return json.dumps(script.response("resp_1", status, background=background, store=True))


def _events(terms: Terms, keeps: bool) -> list[bytes]:
    """The answer on the wire, an item for each event."""
    if terms.kind in CHAT:
        data = [_chunk({"content": piece}) for piece in terms.pieces]
        data += [_chunk({}, finish_reason="stop"), "[DONE]"]
        named = [*terms.named, *[True] * len(data)]
        return [
            terms.noise + _wire(one, _id(terms.kind, number) if named[number] else "")
            for number, one in enumerate(data)
        ]
    script = Script([Text(piece) for piece in terms.pieces])
    background = keeps and terms.kind == "responses"
    told = script.events("resp_1", background=background, store=keeps)
    data = [json.dumps({**one, "sequence_number": number}) for number, one in enumerate(told)]
    return [terms.noise + _wire(one, "") for one in data]


def _chunk(delta: dict[str, Any], **more: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, **more}]})


def _id(kind: str, number: int) -> str:
    return {"location": f"e{number}", "relay": f"st_a.1-{number + 1}"}.get(kind, "")


def _wire(data: str, event_id: str) -> bytes:
    return (f"id: {event_id}\n" if event_id else "").encode() + f"data: {data}\n\n".encode()
