"""OpenAI's Responses API, by PROTOCOLS.md §3, on a server that breaks where a test tells it to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from support.fault_server import Wire
from support.kept_server import Answer, Fields, KeptServer, Piece
from support.responses_answer import End, Script, wire


class ResponsesServer(KeptServer):
    """`end`: how the answer ends; "incomplete" for `reason`, "error" by an event without an object.
    `first`: the number of the first event; None: events have no numbers. `step`: how far numbers
    are apart.

    `vllm`: an answer is `queued` until it is finished, only `response.completed` ends a stream, a
    failure is never told, nothing is stored but what is made in the background, and what is
    finished cannot be cancelled.
    """

    ROOT = "/v1/responses"
    BELOW = "/v1"
    CURSOR = "starting_after"
    UNJOINABLE = "This response can no longer be streamed because it is more than 5 minutes old"

    def __init__(
        self,
        pieces: Sequence[Piece],
        *,
        end: End = "completed",
        reason: str = "max_output_tokens",
        first: int | None = 0,
        step: int = 1,
        vllm: bool = False,
        **knobs: Any,
    ) -> None:
        super().__init__(pieces, **knobs)
        self.script = Script(pieces, end, reason, vllm)
        self.first = first or 0
        self._numbered = first is not None
        self._step = step
        self._vllm = vllm

    @property
    def text(self) -> str:
        return self.script.text

    @property
    def thinking(self) -> str:
        return self.script.thinking

    def _make(self, name: str, asked: Fields) -> Answer:
        background, store = asked.get("background") is True, asked.get("store") is not False
        made = self.script.events(name, background=background, store=store)
        if self._numbered:
            numbers = count(self.first, self._step)
            made = [{**one, "sequence_number": n} for n, one in zip(numbers, made, strict=False)]
        store = store and not self._vllm
        return Answer(name, background, store, made, self.polls, len(made), asked)

    def _wire(self, event: Fields, *, padded: bool) -> bytes:
        return wire(event, padded=padded)

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

    def _error(self, status: int, message: str) -> Fields:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        return {"error": error}

    def _models(self) -> Fields:
        return {"data": [{"id": "a-model", "owned_by": "vllm" if self._vllm else "openai"}]}

    def _start(self, answer: Answer, cursor: str) -> int | None:
        if cursor and not cursor.isdecimal():
            return None
        return max(0, (int(cursor) - self.first) // self._step + 1) if cursor else 0

    def _cancellable(self, answer: Answer) -> bool:
        return answer.background and not (self._vllm and answer.over)

    def _stays_open(self, answer: Answer, start: int) -> bool:
        told = start < len(answer.events) and answer.events[-1]["type"] == "response.completed"
        return self._vllm and not told

    async def _say_cancelled(self, answer: Answer, line: Wire) -> None:
        await (line.hang() if self._vllm else line.end())
