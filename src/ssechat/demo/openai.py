"""Chat Completions on the wire, with thinking as `reasoning_content`.

Source: OpenAI's schema `CreateChatCompletionStreamResponse`; the thinking follows DeepSeek.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ssechat.core.deltas import EndState
from ssechat.demo.answers import Answer
from ssechat.demo.wire import Head, Step, tokens

_REASONS = {
    EndState.COMPLETE: "stop",
    EndState.LENGTH: "length",
    EndState.REFUSED: "content_filter",
}
_FIELDS = {"thinking": "reasoning_content", "text": "content", "refusal": "refusal"}
_ERRORS = {
    400: "invalid_request_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def body(answer: Answer) -> list[Step]:
    kind = "refusal" if answer.refused else "text"
    return [
        Step("start"),
        *(Step("thinking", piece) for piece in answer.thinking),
        *(Step(kind, piece) for piece in answer.text),
    ]


def ending(steps: list[Step], state: EndState, usage: bool) -> list[Step]:
    counts = [Step("usage", "", *tokens(steps))] if usage else []
    return [Step("finish", _REASONS[state]), *counts, Step("done")]


def event(step: Step, head: Head) -> tuple[str, str]:
    match step.kind:
        case "done":
            return "", "[DONE]"
        case "error":
            return "", _json(error(500, "The server had an error (asked for with #error)."))
        case "start":
            return "", _json(_chunk(head, {"role": "assistant", "content": ""}))
        case "finish":
            return "", _json(_chunk(head, {}, step.text))
        case "usage":
            counts = _usage(head.input, step.output, step.reasoning)
            return "", _json(_envelope(head) | {"choices": [], "usage": counts})
    return "", _json(_chunk(head, {_FIELDS[step.kind]: step.text}))


def whole(answer: Answer, head: Head) -> dict[str, Any]:
    text = "".join(answer.text)
    state = EndState.REFUSED if answer.refused else EndState.COMPLETE
    message = {
        "role": "assistant",
        "content": None if answer.refused else text,
        "refusal": text if answer.refused else None,
        "reasoning_content": "".join(answer.thinking),
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _REASONS[state]}
    return _envelope(head) | {
        "object": "chat.completion",
        "choices": [choice],
        "usage": _usage(head.input, *tokens(body(answer))),
    }


def error(status: int, message: str) -> dict[str, Any]:
    kind = _ERRORS.get(status, "server_error" if status >= 500 else _ERRORS[400])
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def _envelope(head: Head) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{head.token}",
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": head.model,
        "system_fingerprint": "fp_ssechat_demo",
    }


def _chunk(head: Head, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    usage = {"usage": None} if head.usage else {}
    return _envelope(head) | {"choices": [choice]} | usage


def _usage(prompt: int, output: int, reasoning: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
