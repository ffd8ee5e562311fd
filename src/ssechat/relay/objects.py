"""What upstreams keep, such as a response that can be asked for again, and whose it is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from ssechat.core.frames import Frame, FrameKind
from ssechat.journal.owned import OwnedStreams
from ssechat.relay.chores import until_written
from ssechat.relay.endpoints import KEEPING, objects_in

_FIRST = 5  # events of which one names it
_ITEMS = ("response.output_item.added", "response.output_item.done")


class Objects:
    """`spawn` runs work beside the event loop's other work."""

    def __init__(
        self, journal: OwnedStreams, spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._journal = journal
        self._spawn = spawn
        self._owners: dict[str, str] = {}
        self._new: dict[tuple[str, str], str] = {}

    def begin(self, stream_id: str, owner: str) -> None:
        """This owner's stream is about to begin."""
        self._owners[stream_id] = owner

    def end(self, stream_id: str) -> None:
        self._owners.pop(stream_id, None)

    def look(
        self, stream_id: str, upstream: str, dialect: str, events: int, frames: Iterable[Frame]
    ) -> None:
        """These frames follow `events` of the stream. What they name is its owner's, who may ask
        for it and go on from it: from now on, and once it is written down after a restart, too."""
        if dialect not in KEEPING:
            return
        for frame in frames:
            if frame.kind is FrameKind.EVENT and (events < _FIRST or frame.event in _ITEMS):
                for name in objects_in(frame.data):
                    self._named(stream_id, upstream, name)

    def _named(self, stream_id: str, upstream: str, name: str) -> None:
        if stream_id in self._owners:
            self._new[upstream, name] = self._owners[stream_id]
        keep = partial(self._keep, stream_id, upstream, name)
        self._spawn(until_written(keep))

    async def owns(self, owner: str, upstream: str, name: str) -> bool:
        """Whether what the upstream keeps under this name is this owner's."""
        if (known := self._new.get((upstream, name))) is not None:
            return known == owner
        return await self._journal.owns_object(upstream, name, owner)

    async def _keep(self, stream_id: str, upstream: str, name: str) -> None:
        owner = self._owners.get(stream_id) or await self._journal.owner_of_stream(stream_id)
        await self._journal.keep_object(upstream, name, owner)
        self._new.pop((upstream, name), None)
