"""What llama.cpp's server streams in each of its dialects, event by event, as the real one does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from support.fault_server import sse

Fields = dict[str, Any]
Pieces = Sequence[str]

PING = b":\n\n"
"""What it sends while a token takes long."""


def chat(number: int, thinking: Pieces, pieces: Pieces) -> list[bytes]:
    """/v1/chat/completions"""

    def chunk(choices: list[Fields], **more: Any) -> bytes:
        head = {"created": 1795631928, "id": f"chatcmpl-{number:04}", "model": "a-model"}
        kind = {"object": "chat.completion.chunk"}
        return sse(_json({"choices": choices, **head, **kind, **more})).encode()

    def said(reason: str | None = None, **delta: Any) -> bytes:
        return chunk([{"finish_reason": reason, "index": 0, "delta": delta}])

    count = len(thinking) + len(pieces)
    usage = {"completion_tokens": count, "prompt_tokens": 11, "total_tokens": 11 + count}
    return [
        said(role="assistant", content=None),
        *(said(reasoning_content=piece) for piece in thinking),
        *(said(content=piece) for piece in pieces),
        said("stop"),
        chunk([], usage=usage, timings={"cache_n": 1, "prompt_n": 10, "predicted_n": count}),
        b"data: [DONE]\n\n",
    ]


def responses(number: int, thinking: Pieces, pieces: Pieces) -> list[bytes]:
    """/v1/responses: without numbers, and without indices."""
    thought, text = "".join(thinking), "".join(pieces)
    head = {"id": f"resp_{number:04}", "object": "response"}
    about, within = {"item_id": f"rs_{number:04}"}, {"item_id": f"msg_{number:04}"}
    part = {"type": "output_text", "text": ""}
    whole = {**part, "annotations": [], "logprobs": [], "text": text}
    reasoning = {
        "id": f"rs_{number:04}",
        "type": "reasoning",
        "summary": [],
        "encrypted_content": "",
    }
    message = {"id": f"msg_{number:04}", "type": "message", "role": "assistant"}
    thoughts = {**reasoning, "content": [{"text": thought, "type": "reasoning_text"}]}
    answer = {**message, "status": "completed", "content": [whole]}
    running = {"status": "in_progress", "content": []}
    count = len(thinking) + len(pieces)
    usage = {"input_tokens": 11, "output_tokens": count, "total_tokens": 11 + count}
    output = [thoughts, answer] if thinking else [answer]
    done = {**head, "status": "completed", "model": "a-model", "output": output, "usage": usage}
    events = [
        ("created", {"response": {**head, "status": "in_progress"}}),
        ("in_progress", {"response": {**head, "status": "in_progress"}}),
        ("output_item.added", {"item": {**reasoning, **running}}) if thinking else None,
        *(("reasoning_text.delta", {"delta": piece, **about}) for piece in thinking),
        ("output_item.added", {"item": {**message, **running}}),
        ("content_part.added", {**within, "part": part}),
        *(("output_text.delta", {**within, "delta": piece}) for piece in pieces),
        ("output_item.done", {"item": thoughts}) if thinking else None,
        ("output_text.done", {**within, "text": text}),
        ("content_part.done", {**within, "part": whole}),
        ("output_item.done", {"item": answer}),
        ("completed", {"response": done}),
    ]
    return [_named(f"response.{name}", fields) for name, fields in filter(None, events)]


def messages(number: int, thinking: Pieces, pieces: Pieces) -> list[bytes]:
    """/v1/messages: all blocks are closed at the end."""
    empty = {"type": "message", "role": "assistant", "content": [], "stop_reason": None}
    usage = {"cache_read_input_tokens": 1, "input_tokens": 10, "output_tokens": 0}
    begun = {"id": f"chatcmpl-{number:04}", **empty, "model": "a-model", "usage": usage}
    count = len(thinking) + len(pieces)
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    text = 1 if thinking else 0

    def block(index: int, kind: str) -> tuple[str, Fields]:
        return "content_block_start", {"index": index, "content_block": {"type": kind, kind: ""}}

    def delta(index: int, kind: str, piece: str) -> tuple[str, Fields]:
        said = {"type": f"{kind}_delta", kind: piece}
        return "content_block_delta", {"index": index, "delta": said}

    events = [
        ("message_start", {"message": begun}),
        block(0, "thinking") if thinking else None,
        *(delta(0, "thinking", piece) for piece in thinking),
        block(text, "text"),
        *(delta(text, "text", piece) for piece in pieces),
        delta(0, "signature", "") if thinking else None,
        *(("content_block_stop", {"index": index}) for index in range(text + 1)),
        ("message_delta", {"delta": stop, "usage": {"output_tokens": count}}),
        ("message_stop", {}),
    ]
    return [_named(name, fields) for name, fields in filter(None, events)]


ANSWERS: dict[str, Callable[[int, Pieces, Pieces], list[bytes]]] = {
    "/v1/chat/completions": chat,
    "/v1/responses": responses,
    "/v1/messages": messages,
}
"""The events of the answer with this number, by the path that is asked."""


def _named(name: str, fields: Fields) -> bytes:
    return sse(_json({"type": name, **fields}), event=name).encode()


def _json(fields: Fields) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
