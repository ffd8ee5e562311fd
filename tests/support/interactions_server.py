"""Gemini's Interactions, by PROTOCOLS.md §5.2, on a server that breaks where a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ssechat.core.deltas import Text, Thinking
from support.fault_server import Wire
from support.gemini_server import MODEL, MODELS
from support.kept_server import Answer, Fields, KeptServer, Piece, runs

DONE = b"event: done\ndata: [DONE]\n\n"
SIGNATURE = "EpoG+/=="


def event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({**fields, "event_type": kind}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


OVERLOADED = event("error", error={"code": 503, "message": "Busy.", "status": "UNAVAILABLE"})
TIMED_OUT = event("error", error={"code": "gateway_timeout", "message": "Deadline expired."})


def unordered(at: int) -> str:
    """An event's name: nothing can be counted with it, and a URL has to quote it."""
    return f"{(at + 1) * 7919 % 10007}/+="


class InteractionsServer(KeptServer):
    """Interactions: it ends with `status`. Joined again, a stream begins `again` events before its
    cursor. `usage`: the last event counts tokens (the object always does). Every `named`-th event
    has a name, as `name` says from its number; with 0 none has."""

    ROOT = "/v1beta/interactions"
    BELOW = "/v1beta"
    CURSOR = "last_event_id"

    def __init__(
        self,
        pieces: Sequence[Piece],
        *,
        status: str = "completed",
        again: int = 0,
        usage: bool = True,
        id: str = "v1_{}:Chd=",
        named: int = 1,
        name: Callable[[int], str] = unordered,
        **knobs: Any,
    ) -> None:
        super().__init__(pieces, id=id, **knobs)
        self.status = status
        self.again = again
        self.usage = usage
        self._named = named
        self._name = name

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Text))

    @property
    def thinking(self) -> str:
        return "\n\n".join("".join(said) for kind, said in runs(self.pieces) if kind is Thinking)

    def _make(self, name: str, asked: Fields) -> Answer:
        background, store = asked.get("background") is True, asked.get("store") is not False
        told = enumerate(self._told(name if store else ""))
        made = [event(kind, **fields, **self._event_id(at)) for at, (kind, fields) in told]
        return Answer(name, background, store, [*made, DONE], self.polls, len(made), asked)

    def _event_id(self, at: int) -> Fields:
        named = self._named and at % self._named == 0
        return {"event_id": self._name(at)} if named else {}

    def _told(self, name: str) -> Iterator[tuple[str, Fields]]:
        about = {"id": name, "model": MODEL, "object": "interaction"}
        yield "interaction.created", {"interaction": {**about, "status": "in_progress"}}
        yield "interaction.status_update", {"interaction_id": name, "status": "in_progress"}
        for at, (kind, said) in enumerate(runs(self.pieces)):
            is_text = kind is Text
            yield "step.start", {"index": at, "step": {"type": _STEPS[is_text]}}
            for piece in said:
                thought = {"type": "thought_summary", "content": _text(piece)}
                yield "step.delta", {"index": at, "delta": _text(piece) if is_text else thought}
            if not is_text:
                sealed = {"type": "thought_signature", "signature": SIGNATURE}
                yield "step.delta", {"index": at, "delta": sealed}
            yield "step.stop", {"index": at}
        last = {**about, "status": self.status, **(self._counts() if self.usage else {})}
        yield "interaction.completed", {"interaction": {**last, **self._why(self.status)}}

    def _wire(self, event: bytes, *, padded: bool) -> bytes:
        return event

    def _object(self, answer: Answer) -> Fields:
        status = "cancelled" if answer.cancelled.is_set() else "in_progress"
        done = answer.over and status != "cancelled"
        status = self.status if done else status
        steps = [*answer.question["input"], *(self._steps() if done else [])]
        known = {"id": answer.id, "status": status, "model": MODEL, "object": "interaction"}
        told = {**self._why(status), **(self._counts() if done else {})}
        return {**known, **told, "steps": steps}

    def _steps(self) -> Iterator[Fields]:
        for kind, said in runs(self.pieces):
            words = [_text("".join(said))]
            if kind is Text:
                yield {"type": "model_output", "content": words}
            else:
                yield {"type": "thought", "summary": words, "signature": SIGNATURE}

    def _why(self, status: str) -> Fields:
        return {"errors": [{"message": "It broke."}]} if status == "failed" else {}

    def _counts(self) -> Fields:
        thought = sum(isinstance(piece, Thinking) for piece in self.pieces)
        said = {"total_output_tokens": len(self.pieces) - thought}
        return {"usage": {"total_input_tokens": 5, "total_thought_tokens": thought, **said}}

    def _error(self, status: int, message: str) -> Fields:
        return {"error": {"code": status, "message": message}}

    def _models(self) -> Fields:
        return MODELS

    def _start(self, answer: Answer, cursor: str) -> int | None:
        names = [self._event_id(at).get("event_id") for at in range(answer.last)]
        if cursor and cursor not in names:
            return None
        return max(0, names.index(cursor) + 1 - self.again) if cursor else 0

    def _joinable(self, answer: Answer) -> bool:
        return answer.store

    async def _say_cancelled(self, answer: Answer, line: Wire) -> None:
        told = {"interaction_id": answer.id, "status": "cancelled"}
        await line.chunk(event("interaction.status_update", **told))
        await line.chunk(DONE)
        await line.end()


_STEPS = {True: "model_output", False: "thought"}


def _text(words: str) -> Fields:
    return {"type": "text", "text": words}
