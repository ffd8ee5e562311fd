"""What a journal of streams can do, wherever it keeps them: in a file, or in Redis."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol, Unpack

from ssechat.core.frames import Frame
from ssechat.journal.records import Begun, NewStream, Outcome, StreamChange, StreamRow


class StreamJournal(Protocol):
    """The truth about streams, of which each unfinished one is owned by one process at most.

    What is awaited is safe on return. Everything may raise JournalProblem or, where it says so, one
    of its kinds; the journal is then as before, and the same may be tried again.
    """

    shared: bool
    """Whether processes that are configured otherwise write to it, too."""

    @property
    def heartbeat(self) -> float:
        """Seconds between two `beat`s."""
        ...

    @property
    def owner(self) -> str:
        """What `StreamRow.lease` says of this process' streams."""
        ...

    async def begin(self, new: NewStream) -> Begun:
        """Write down a request before it is sent, and the stream that is to answer it; ours."""
        ...

    def append(self, stream_id: str, batch: Sequence[Frame], cursor: str) -> Awaitable[int]:
        """Append frames and move the cursor, as one. The last number. May be LeaseLost. It may be
        under way before it is awaited."""
        ...

    async def update_stream(self, stream_id: str, **change: Unpack[StreamChange]) -> None:
        """Note what became known of a live stream. May be LeaseLost."""
        ...

    async def settle(self, stream_id: str, outcome: Outcome) -> None:
        """End a stream; done once, it changes no more. May be LeaseLost."""
        ...

    async def pack(self, stream_id: str) -> bool:
        """Keep an ended stream's frames in less space; False if there was nothing to do."""
        ...

    async def delete(self, conversation_id: str) -> bool:
        """Remove what `begin` made, with all that belongs to it; whether it was there."""
        ...

    async def stream(self, stream_id: str) -> StreamRow:
        """May be NotFound."""
        ...

    async def frames(
        self, stream_id: str, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, Frame]]:
        """Up to `limit` frames that follow number `after`, with their numbers."""
        ...

    async def orphans(self) -> list[StreamRow]:
        """Unfinished streams whose process is dead."""
        ...

    async def foreign(self) -> list[StreamRow]:
        """Unfinished streams of other, living processes."""
        ...

    async def lives(self, row: StreamRow) -> bool:
        """Whether the process that owns the stream lives."""
        ...

    async def news(self, stream_id: str, after: int) -> None:
        """Return once there may be more of a stream that another process reads than the frames up
        to number `after`, or it is time to look whether that process lives."""
        ...

    async def adopt(self, stream_id: str, old_lease: str) -> bool:
        """Take an unfinished stream over from `old_lease`; False if somebody else was faster."""
        ...

    async def beat(self) -> None:
        """Say that this process lives."""
        ...

    async def release(self) -> None:
        """Leave this process' streams to whoever comes next."""
        ...

    async def met_relay(self, profile: str) -> bool:
        """Whether a relay of ours has answered for this profile."""
        ...
