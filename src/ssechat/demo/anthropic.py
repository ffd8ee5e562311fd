"""Messages on the wire: a thinking block with its signature, then a text block.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

from ssechat.core.deltas import EndState
from ssechat.demo.answers import Answer
from ssechat.demo.wire import Head, Step, tokens

_REASONS = {
    EndState.COMPLETE: "end_turn",
    EndState.LENGTH: "max_tokens",
    EndState.REFUSED: "refusal",
}
_BLOCKS = {
    "thinking": (0, {"type": "thinking", "thinking": "", "signature": ""}),
    "text": (1, {"type": "text", "text": ""}),
}
_ERRORS = {
    400: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def body(answer: Answer) -> list[Step]:
    return [
        Step("start"),
        Step("open", "thinking"),
        Step("ping"),
        *(Step("thinking", piece) for piece in answer.thinking),
        Step("signature", _signature(answer)),
        Step("close", "thinking"),
        Step("open", "text"),
        *(Step("text", piece) for piece in answer.text),
    ]


def ending(steps: list[Step], state: EndState, usage: bool) -> list[Step]:
    """`usage` changes nothing: this API always tells."""
    blocks = [step for step in steps if step.kind in ("open", "close")]
    left = [Step("close", blocks[-1].text)] if blocks and blocks[-1].kind == "open" else []
    return [*left, Step("finish", _REASONS[state], *tokens(steps)), Step("stop")]


def event(step: Step, head: Head) -> tuple[str, str]:
    data = _data(step, head)
    return data["type"], msgspec.json.encode(data).decode()


def whole(answer: Answer, head: Head) -> dict[str, Any]:
    state = EndState.REFUSED if answer.refused else EndState.COMPLETE
    output, _ = tokens(body(answer))
    thinking = "".join(answer.thinking)
    message = _message(head, output)
    message["content"] = [
        {"type": "thinking", "thinking": thinking, "signature": _signature(answer)},
        {"type": "text", "text": "".join(answer.text)},
    ]
    message["stop_reason"] = _REASONS[state]
    return message


def error(status: int, message: str) -> dict[str, Any]:
    kind = _ERRORS.get(status, "api_error" if status >= 500 else _ERRORS[400])
    return {"type": "error", "error": {"type": kind, "message": message}}


def _data(step: Step, head: Head) -> dict[str, Any]:
    match step.kind:
        case "start":
            return {"type": "message_start", "message": _message(head, 1)}
        case "ping":
            return {"type": "ping"}
        case "open":
            index, block = _BLOCKS[step.text]
            return {"type": "content_block_start", "index": index, "content_block": block}
        case "close":
            return {"type": "content_block_stop", "index": _BLOCKS[step.text][0]}
        case "thinking":
            return _delta(0, {"type": "thinking_delta", "thinking": step.text})
        case "signature":
            return _delta(0, {"type": "signature_delta", "signature": step.text})
        case "finish":
            delta = {"stop_reason": step.text, "stop_sequence": None}
            return {"type": "message_delta", "delta": delta, "usage": _usage(head, step.output)}
        case "stop":
            return {"type": "message_stop"}
        case "error":
            return error(500, "Internal server error (asked for with #error).")
    return _delta(1, {"type": "text_delta", "text": step.text})


def _delta(index: int, delta: dict[str, str]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _message(head: Head, output: int) -> dict[str, Any]:
    return {
        "id": f"msg_{head.token}",
        "type": "message",
        "role": "assistant",
        "model": head.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(head, output),
    }


def _usage(head: Head, output: int) -> dict[str, int]:
    return {
        "input_tokens": head.input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output,
    }


def _signature(answer: Answer) -> str:
    digest = hashlib.sha256("".join(answer.thinking).encode()).digest()
    return base64.b64encode(b"demo" + digest).decode()
