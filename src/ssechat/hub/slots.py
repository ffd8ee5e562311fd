"""No reconnect storms: at most a few resumes of one server's streams at once."""

from __future__ import annotations

import asyncio

AT_ONCE = 4
_HELD = 5.0  # s; a server that takes longer to answer does not hold up its other streams


class ResumeSlots:
    """One semaphore for each origin. Who holds a slot gives it back once its stream is open.

    `confirmed` are the origins that have shown that they keep streams, where that had to be asked;
    `barren` those that turned out not to.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self.confirmed: set[str] = set()
        self.barren: set[str] = set()
        self._slots: dict[str, asyncio.Semaphore] = {}

    def of(self, origin: str) -> asyncio.Semaphore:
        return self._slots.setdefault(origin, asyncio.Semaphore(self._at_once))


class Slot:
    """A place among those that resume now; empty for a first request, which nobody else repeats."""

    def __init__(self, semaphore: asyncio.Semaphore | None) -> None:
        self._semaphore = semaphore
        self._held = False

    async def take(self) -> None:
        if self._semaphore is not None:
            await self._semaphore.acquire()
            self._held = True
            asyncio.get_running_loop().call_later(_HELD, self.give)

    def give(self) -> None:
        if self._held and self._semaphore is not None:
            self._held = False
            self._semaphore.release()
