"""Finding out how one gets back to a stream at its server, from what the server shows."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from ssechat import link
from ssechat.core.schemes import HOPED, NOTHING, Handle, proven
from ssechat.hub.asking import keeps_streams, named_by_us
from ssechat.hub.keeper import Keeper
from ssechat.hub.live import Live
from ssechat.hub.outgoing import Outgoing
from ssechat.hub.slots import ResumeSlots
from ssechat.link import Clients

_IMPROVABLE = ("", "nothing", "again", HOPED)
"""Schemes for which what an API says in an event is better."""


class Ways:
    """Sets a stream's handle, and has it written down.

    `spawn` runs work beside the event loop's other work; `withdrawn` is called when the server
    turns out not to keep the stream after all.
    """

    def __init__(
        self,
        live: Live,
        out: Outgoing,
        clients: Clients,
        slots: ResumeSlots,
        keeper: Keeper,
        *,
        spawn: Callable[[Coroutine[Any, Any, Any]], object],
        withdrawn: Callable[[], None],
    ) -> None:
        self._live = live
        self._out = out
        self._clients = clients
        self._slots = slots
        self._keeper = keeper
        self._spawn = spawn
        self._withdrawn = withdrawn

    def opened(self, connection: link.Connection) -> None:
        """The headers of an answer came."""
        if not self._live.handle.known:
            self._live.handle = self._out.promised(connection)
            if self._out.lookup(self._live) is not None:
                self._spawn(self._confirm())
        if self._keeper.behind:
            self._spawn(self._keeper.handle())

    def look(self) -> None:
        """Events were folded. Some APIs say in one, not in a header, that they keep the answer; ids
        may be of use; and what was hoped for may have worked. The journal can hold the event, and
        not what follows from it."""
        live = self._live
        found = self._out.kept(live) if live.handle.scheme in _IMPROVABLE else Handle()
        if not found.known and self._out.target.where not in self._slots.barren:
            found = self._out.hoped(live)
        if live.handle.scheme == HOPED and live.fold.resumes:
            found = proven(live.handle)
        if found.known:
            self._set(found)

    def none(self) -> None:
        """The server does not keep the stream."""
        self._slots.barren.add(self._out.target.where)
        self._set(NOTHING)

    async def by_name(self) -> bool:
        """Look for an answer whose server has not shown what it is; whether it can be found."""
        known = self._out.target.where in self._slots.confirmed
        found = self._out.by_name if known else await named_by_us(self._clients, self._out)
        if found.known:
            self._set(found)
        return found.known

    def _set(self, handle: Handle) -> None:
        self._live.handle = handle
        self._spawn(self._keeper.handle())

    async def _confirm(self) -> None:
        """A llama.cpp server may be too old to keep streams: then there is no way back."""
        where = self._out.target.where
        if where in self._slots.confirmed:
            return
        found = await keeps_streams(self._clients, self._out, self._live)
        if found:
            self._slots.confirmed.add(where)
        elif found is not None:
            self._withdrawn()
