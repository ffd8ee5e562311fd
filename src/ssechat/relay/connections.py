"""Clients' connections: one that sends no whole request is not kept for it."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 20.0
"""Seconds that the lines of a request may take, and what follows one that has been answered."""


class Connection(H11Protocol):
    """uvicorn's, which by itself waits for ever as long as now and then a byte comes."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._limit is not None:
            self._limit.cancel()

    def _look(self) -> None:
        """Between two requests uvicorn's own, shorter limit holds until a byte comes."""
        waiting = self.cycle is None or self.cycle.response_complete
        if not waiting and self._limit is not None:
            self._limit.cancel()
            self._limit = None
        elif waiting and self._limit is None:
            self._limit = self.loop.call_later(PATIENCE, self.transport.close)
