"""What a Response object of OpenAI's Responses API says of itself, and what its items hold.

Source: `Response` and `OutputItem` in OpenAI's API schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ssechat.core.deltas import (
    About,
    Citation,
    EndState,
    Kept,
    Media,
    MediaKind,
    Usage,
    Verdict,
    Whole,
)
from ssechat.core.dialects._events import ASKS_FOR_TOOL, MAX_NOTE, error_note
from ssechat.core.dialects._json import count, mapping, sequence, string
from ssechat.core.dialects._media import encoded
from ssechat.core.dialects._sources import citations
from ssechat.core.dialects._text import brief, mended
from ssechat.core.dialects._tools import MAX_NAME

MAX_ID = 512
"""The longest id of a response that is kept, in characters; proxies pack a route into theirs."""

SUMMARY, RAW = "summary", "content"
"""The fields of a reasoning item that hold its two voices."""

PAUSE = "\n\n"
"""What stands between two messages, or between two parts of the thinking."""

_ASKING = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "local_shell_call",
        "mcp_approval_request",
    }
)
"""Items that wait for the client to do something; the server runs the others itself."""

_RUN_BY_SERVER = frozenset(
    {"code_interpreter_call", "file_search_call", "mcp_call", "shell_call", "web_search_call"}
)


def about(response: dict[str, Any]) -> About:
    model, remote_id = string(response, "model"), string(response, "id")
    return About(brief(model, MAX_NOTE), brief(remote_id, MAX_NOTE))


def kept(response: dict[str, Any]) -> Kept | None:
    """What the server says it keeps; None if it keeps nothing, or under no usable name."""
    name = string(response, "id")
    if not name or name != brief(name, MAX_ID):
        return None
    if response.get("background") is True:
        return Kept(name)
    return Kept(name, streams=False) if response.get("store") is True else None


def usage(response: dict[str, Any]) -> list[Usage]:
    told = mapping(response, "usage")
    reasoning = count(mapping(told, "output_tokens_details"), "reasoning_tokens")
    counts = Usage(count(told, "input_tokens"), count(told, "output_tokens"), reasoning)
    return [] if counts == Usage() else [counts]


def whole(response: dict[str, Any], said: str, voices: Mapping[int, str]) -> list[Whole]:
    """The text of the messages and of the thinking; none where neither tells anything.

    `said` is the text that came, without what was put between messages: if that is all, the text is
    not told again, since a server may number messages otherwise in its stream than here. `voices`
    are those that the reasoning items spoke with so far, by their index.
    """
    items = list(enumerate(sequence(response, "output")))
    messages = [text for _, item in items if (text := _message(item))]
    told = mended("".join(messages)) != mended(said)
    thought = [part for index, item in items for part in _thoughts(item, voices.get(index, RAW))]
    answer = Whole(_joined(messages) if told else None, _joined(thought))
    return [] if answer == Whole() else [answer]


def _joined(pieces: list[str]) -> str | None:
    return mended(PAUSE.join(pieces)) or None


def _message(item: Any) -> str:
    parts = sequence(item, "content") if string(item, "type") == "message" else []
    return "".join(
        string(part, "text") or string(part, "refusal") or string(part, "transcript")
        for part in parts
    )


def _thoughts(item: Any, voice: str) -> list[str]:
    """The parts of one reasoning item: servers may repeat the thinking as its own summary."""
    if string(item, "type") != "reasoning":
        return []
    for field in (voice, SUMMARY, RAW):
        if parts := [text for part in sequence(item, field) if (text := string(part, "text"))]:
            return parts
    return []


def verdict(status: str, response: dict[str, Any], *, refuses: bool, asks: bool) -> Verdict:
    """How a response ended that has one of the four last statuses.

    `refuses` and `asks` (for a tool) are what the stream showed; the object may show it too.
    """
    items = sequence(response, "output")
    reason = string(mapping(response, "incomplete_details"), "reason")
    if status == "failed":
        return Verdict(EndState.FAILED, error_note(response.get("error")))
    if status == "cancelled":
        return Verdict(EndState.STOPPED, "stopped at the server")
    if reason == "content_filter":
        return Verdict(EndState.REFUSED, "content filter")
    if refuses or any(_refuses(item) for item in items):
        return Verdict(EndState.REFUSED)
    if status == "incomplete":
        note = "" if reason == "max_output_tokens" else brief(reason, MAX_NOTE)
        return Verdict(EndState.LENGTH, note)
    asks = asks or any(asking(item) for item in items)
    return Verdict(EndState.COMPLETE, ASKS_FOR_TOOL if asks else "")


def _refuses(item: Any) -> bool:
    return any(string(part, "refusal") for part in sequence(item, "content"))


def asking(item: Any) -> bool:
    """Whether the item asks the client for the result of a tool, or for its leave."""
    return string(item, "type") in _ASKING


def tool_name(item: dict[str, Any]) -> str:
    """The name of the tool that the item calls: its own, else that of its type; or ""."""
    kind = string(item, "type")
    known = kind in _ASKING or kind in _RUN_BY_SERVER
    return brief(string(item, "name") or kind, MAX_NAME) if known else ""


def call_id(item: dict[str, Any]) -> str:
    return brief(string(item, "call_id") or string(item, "id"), MAX_NAME)


def arguments(item: dict[str, Any]) -> str:
    """What a tool is called with: as the model wrote it, or what a search looks for."""
    for field in ("arguments", "input", "code"):
        if told := string(item, field):
            return told
    action = mapping(item, "action")
    queries = [query for query in sequence(item, "queries") if isinstance(query, str)]
    return string(action, "query") or string(action, "url") or "\n".join(queries)


def pictures(holder: dict[str, Any], field: str, index: str) -> list[Media]:
    """The image in `field`: of a finished item, or of an event with a first sight of it."""
    kind = string(holder, "output_format")
    mime = f"image/{kind}" if kind else ""
    return encoded(MediaKind.IMAGE, index, string(holder, field), mime)


def cited(annotation: Any) -> list[Citation]:
    """The source that an annotation names: a page by its URL, a file by its name."""
    title = string(annotation, "title") or string(annotation, "filename")
    return citations(title, string(annotation, "url"))


def citations_in(item: Any) -> Iterator[Citation]:
    """All that a finished message names."""
    for part in sequence(item, "content"):
        for annotation in sequence(part, "annotations"):
            yield from cited(annotation)
