"""What the decoders of server-sent JSON events share."""

from __future__ import annotations

from typing import Any

from ssechat.core.deltas import Delta, EndState, Text, Thinking, Verdict
from ssechat.core.dialects._bodies import message_in
from ssechat.core.dialects._json import count, parse, string
from ssechat.core.dialects._pieces import Piece, Pieces
from ssechat.core.dialects._text import Mender, brief
from ssechat.core.frames import Frame, FrameKind

ASKS_FOR_TOOL = "asks for a tool"
MAX_NOTE = 80
_MAX_KIND = 60
_AN_ERROR = "the server reports an error"
RELAYED, UPSTREAM_CUT = "ssechat", "upstream_interrupted"
"""A member of an error event, and its value, by which our relay says that its upstream was cut."""


class EventDecoder:
    """Reads events until a last verdict; after that nothing means anything.

    A dialect says what an event's JSON means (`_meaning`), what it still holds back (`_rest`)
    and which event names it knows: data that is not JSON ends the stream under one of these, and
    means nothing under another.
    """

    KNOWN: frozenset[str] = frozenset()
    PIECE: type[Piece] | None = None
    """The shape of the API's commonest event."""

    def __init__(self) -> None:
        self._mender = Mender()
        self._over = False
        self._speaks = False
        self._pieces = Pieces(self.PIECE) if self.PIECE else None

    def decode(self, frame: Frame) -> list[Delta]:
        if self._over or frame.kind is not FrameKind.EVENT:
            return []
        data = frame.data.strip()
        if not data:
            return []
        deltas = self._mender.mend(self._event(frame.event, data))
        self._over = any(isinstance(delta, Verdict) and delta.last for delta in deltas)
        self._speaks = self._speaks or any(isinstance(delta, Text | Thinking) for delta in deltas)
        return deltas

    def is_piece(self, frame: Frame) -> bool:
        """Whether the event surely is one more piece of text and nothing else."""
        if self._pieces is None or not self._speaks or self._over or frame.event == "error":
            return False
        return self._pieces.match(frame.data)

    def close(self) -> list[Delta]:
        return [*self._mender.mend(self._rest()), *self._mender.close()]

    def fetched(self, body: str) -> list[Delta]:
        """Most APIs keep nothing that could be fetched."""
        return []

    def _event(self, name: str, data: str) -> list[Delta]:
        try:
            value = parse(data)
        except ValueError:
            return self._unreadable(name, data)
        if isinstance(value, dict) and value.get(RELAYED) == UPSTREAM_CUT:
            return [*self._rest(), Verdict(EndState.CUT, error_note(value.get("error", value)))]
        if isinstance(value, dict):
            return self._meaning(name, value)
        return self._failed(error_note(value)) if name == "error" else []

    def _unreadable(self, name: str, data: str) -> list[Delta]:
        excerpt = brief(data, MAX_NOTE)
        if name == "error":
            return self._failed(excerpt)
        if name == "message" or name in self.KNOWN:
            return self._failed(f"the server sent an event that is not JSON: {excerpt}")
        return []

    def _failed(self, note: str) -> list[Delta]:
        return [*self._rest(), Verdict(EndState.FAILED, note)]

    def _meaning(self, name: str, event: dict[str, Any]) -> list[Delta]:
        raise NotImplementedError

    def _rest(self) -> list[Delta]:
        return []


def error_note(error: Any, *, typed: bool = False) -> str:
    """What to tell the user of `error`; with `typed`, its type stands before the message."""
    kind = brief(string(error, "type") or string(error, "code"), _MAX_KIND)
    if message := message_in(error):
        return f"{kind}: {message}" if typed and kind else message
    number = count(error, "code")
    return kind or (f"the server reports error {number}" if number else _AN_ERROR)
