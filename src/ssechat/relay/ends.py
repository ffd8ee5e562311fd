"""How streams end that their upstream did not end: why, and with which last event."""

from __future__ import annotations

from ssechat.core.fold import mark_note
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.hub import Live
from ssechat.journal import Outcome
from ssechat.relay import errors
from ssechat.relay.feed import Feed
from ssechat.relay.simple import end_mark
from ssechat.relay.simple_feed import SimpleFeed


class Ends:
    """What is known of streams that go on, until they have ended."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}
        self._fetched: dict[str, str] = {}

    def because(self, stream_id: str, why: str) -> None:
        """The stream is to end for this reason; the first one counts."""
        self._why.setdefault(stream_id, why)

    def why(self, stream_id: str) -> str:
        """For which reason the stream is to end, or ""."""
        return self._why.get(stream_id, "")

    def look(self, stream_id: str, frames: list[Frame]) -> None:
        """These frames follow: the final object may be among them."""
        for frame in frames:
            if frame.kind is FrameKind.MARK and frame.event == MarkName.FETCHED:
                self._fetched[stream_id] = str(mark_note(frame).get("body", ""))

    def forget(self, stream_id: str) -> None:
        self._why.pop(stream_id, None)
        self._fetched.pop(stream_id, None)

    def last_event(self, feed: Feed, live: Live | None, outcome: Outcome) -> Frame | None:
        """What readers are told at the end; None if the upstream has told them."""
        why = self._why.get(feed.stream_id, "") or outcome.note
        if isinstance(feed, SimpleFeed):
            return end_mark(outcome.state, why)
        if live is None:
            return None
        fetched = self._fetched.get(feed.stream_id, "")
        if live.fold.reply.verdict is not None and not fetched:
            return None
        if fetched and live.dialect == "openai-responses":
            return errors.final_object(fetched, feed.events)
        message = f"the upstream's stream ended early: {why or 'the connection to it was lost'}"
        return errors.last_event(live.dialect, message, feed.events)
