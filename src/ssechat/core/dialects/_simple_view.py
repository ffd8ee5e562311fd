"""Events of our own relay's simple view (`relay.simple`), in which it serves what was asked on its
page or by `POST /api/chat`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ssechat.core.deltas import Delta, EndState, MediaKind, Text, Thinking, Usage, Verdict, Whole
from ssechat.core.dialects._events import MAX_NOTE
from ssechat.core.dialects._json import count, mapping, parse, string
from ssechat.core.dialects._media import encoded, located
from ssechat.core.dialects._text import Mender, brief, mended
from ssechat.core.frames import Frame, FrameKind

_STATES = {state.value: state for state in EndState}


class SimpleViewDecoder:
    """One answer. Its last event says how it ended; without that it is cut."""

    def __init__(self) -> None:
        self._mender = Mender()

    def decode(self, frame: Frame) -> list[Delta]:
        if frame.kind is not FrameKind.EVENT:
            return []
        try:
            return self._mender.mend(list(_deltas(parse(frame.data))))
        except ValueError:
            return []

    def is_piece(self, frame: Frame) -> bool:
        return False

    def close(self) -> list[Delta]:
        return self._mender.close()

    def fetched(self, body: str) -> list[Delta]:
        """There is no final object."""
        return []


def _deltas(event: Any) -> Iterator[Delta]:
    kind, text = string(event, "type"), string(event, "content")
    match kind:
        case "thinking":
            yield Thinking(text)
        case "text" if event.get("replaces") is True:
            yield Whole(mended(text))
        case "text":
            yield Text(text)
        case "image" | "audio":
            yield from _thing(MediaKind(kind), event)
        case "usage":
            counts = mapping(event, "content")
            yield Usage(*(count(counts, name) for name in ("input", "output", "reasoning")))
        case "end":
            yield Verdict(_STATES.get(string(event, "state"), EndState.CUT), brief(text, MAX_NOTE))


def _thing(kind: MediaKind, event: dict[str, Any]) -> Iterator[Delta]:
    index = str(count(event, "number"))
    if url := string(event, "url"):
        yield from located(kind, index, url)
    else:
        yield from encoded(kind, index, string(event, "content"), string(event, "mime"))
