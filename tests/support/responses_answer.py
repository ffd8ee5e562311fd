"""One answer of OpenAI's Responses API as it says it: its events, and its Response object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ssechat.core.deltas import Text, Thinking
from support.fault_server import sse
from support.kept_server import Fields, Piece, runs

End = Literal["completed", "incomplete", "failed", "error"]
Event = tuple[str, Fields]

FAILURE = {"code": "server_error", "message": "The model failed."}


@dataclass(frozen=True)
class Script:
    """What an answer says and how it ends; `vllm`: in that server's way, with raw reasoning."""

    pieces: Sequence[Piece]
    end: End = "completed"
    reason: str = "max_output_tokens"
    vllm: bool = False

    @property
    def text(self) -> str:
        """A blank line stands between two messages."""
        return "\n\n".join("".join(said) for kind, said in self.items if kind is Text)

    @property
    def thinking(self) -> str:
        return "\n\n".join("".join(said) for kind, said in self.items if kind is Thinking)

    @property
    def items(self) -> list[tuple[type[Piece], list[str]]]:
        """The pieces of one kind that stand together are one output item."""
        return runs(self.pieces)

    def response(self, id: str, status: str, *, background: bool, store: bool) -> Fields:
        """The Response object; it has its output and usage once it is over."""
        over = status in ("completed", "incomplete", "failed")
        fields: Fields = {"id": id, "object": "response", "created_at": 1700000000}
        fields |= {"model": "a-model", "status": status, "background": background}
        fields["incomplete_details"] = {"reason": self.reason} if status == "incomplete" else None
        fields["output"] = self.output() if over and status != "failed" else []
        fields["usage"] = self.usage() if over else None
        if not self.vllm:
            fields |= {"store": store, "error": FAILURE if status == "failed" else None}
        return fields

    def output(self) -> list[Fields]:
        return [self.item(at, "".join(said)) for at, (_, said) in enumerate(self.items)]

    def usage(self) -> Fields:
        """A token a piece."""
        thought = sum(isinstance(piece, Thinking) for piece in self.pieces)
        told: Fields = {"input_tokens": 7, "output_tokens": len(self.pieces)}
        return told | {"output_tokens_details": {"reasoning_tokens": thought}}

    def item(self, at: int, text: str) -> Fields:
        """The output item at that index, with as much text; without any while it begins."""
        if self.items[at][0] is Text:
            said = [{"type": "output_text", "text": text, "annotations": []}] if text else []
            return {"id": f"msg_{at}", "type": "message", "role": "assistant", "content": said}
        field, kind = ("content", "reasoning_text") if self.vllm else ("summary", "summary_text")
        thought = [{"type": kind, "text": text}] if text else []
        return {"id": f"rs_{at}", "type": "reasoning", "summary": [], field: thought}

    def events(self, id: str, *, background: bool, store: bool) -> list[Fields]:
        """All events, without numbers. vLLM says nothing of a failure."""

        def state(event: str, status: str) -> Event:
            kept = self.response(id, status, background=background, store=store)
            return f"response.{event}", {"response": kept}

        begun = "queued" if background and not self.vllm else "in_progress"
        told = [state("created", begun), state("in_progress", "in_progress")]
        for at, (_, said) in enumerate(self.items):
            told += self._item(at, said)
        if self.end in ("completed", "incomplete"):
            told.append(state("completed" if self.vllm else self.end, self.end))
        elif not self.vllm:
            told.append(("error", FAILURE) if self.end == "error" else state("failed", "failed"))
        return [{"type": kind, **fields} for kind, fields in told]

    def _item(self, at: int, said: list[str]) -> Iterator[Event]:
        whole, is_text = "".join(said), self.items[at][0] is Text
        item = self.item(at, "")
        kind = "output_text" if is_text else "reasoning_summary_text"
        kind = "reasoning_text" if self.vllm and not is_text else kind
        within = "summary_index" if kind == "reasoning_summary_text" else "content_index"
        place = {"item_id": item["id"], "output_index": at, within: 0}
        yield "response.output_item.added", {"output_index": at, "item": item}
        for piece in said:
            yield f"response.{kind}.delta", {**place, "delta": piece}
        yield f"response.{kind}.done", {**place, "text": whole}
        yield "response.output_item.done", {"output_index": at, "item": self.item(at, whole)}


def wire(event: Fields, *, padded: bool) -> bytes:
    """An event's bytes; `padded`: with the padding that a client can ask to be left out."""
    if padded and "delta" in event:
        event = {**event, "obfuscation": "aB3"}
    try:
        return sse(json.dumps(event, ensure_ascii=False), event=event["type"]).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return sse(json.dumps(event), event=event["type"]).encode()
