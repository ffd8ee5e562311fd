"""Which relays live, what each owns, and what they ask of each other."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from ssechat.core.errors import JournalProblem
from ssechat.journal.redis import names, scripts
from ssechat.journal.redis.log import Entry
from ssechat.journal.redis.server import Gone, Server

BLOCK = 2.0
"""Seconds that a read waits for news."""
_ORDERS = 1000  # kept at most
_ORDERS_KEPT = 3600  # s
_RETRY = 1.0  # s
_LEFT = b"left"


class Presence:
    """This relay among the others. `lease`: seconds without a heartbeat after which one is taken
    to be dead. `asked(stream id, why)`: another one wants a stream to stop."""

    def __init__(self, server: Server, lease: float, asked: Callable[[str, str], object]) -> None:
        self.relay = f"rl_{secrets.token_hex(8)}"
        self._server = server
        self._lease = lease
        self._asked = asked
        self._steady = time.monotonic()
        self._leaving = False
        self._hearing = asyncio.create_task(self._hear())

    async def beat(self) -> None:
        """Say that this relay lives. Raises Gone."""
        client = self._server.client
        try:
            lease = round(self._lease * 1000)
            await self._server.do(client.set(names.alive(self.relay), "1", px=lease))
            await self._server.do(client.hset(names.RELAYS, self.relay, f"{self._lease:g}"))
        except Gone:
            self._steady = time.monotonic()
            raise

    async def leave(self) -> None:
        """Let others take this relay's streams at once."""
        self._leaving = True  # a client that connects just now may swallow the cancellation
        self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)
        client = self._server.client
        if await self._server.do(client.hexists(names.RELAYS, self.relay)):
            await self._server.do(client.hset(names.RELAYS, self.relay, _LEFT.decode()))
        await self._server.do(client.delete(names.alive(self.relay)))

    async def lives(self, relay: str) -> bool:
        """Whether another relay may still write. After an outage of Redis, all of them get the
        time to say so."""
        if relay in ("", names.NOBODY):
            return False
        if await self._server.do(self._server.client.exists(names.alive(relay))):
            return True
        said = await self._server.do(self._server.client.hget(names.RELAYS, relay)) or b"0"
        if said == _LEFT:
            return False
        longest = max(self._lease, float(said))
        return time.monotonic() - self._steady < longest

    async def own(self, stream_id: str) -> None:
        """The stream is this relay's."""
        client = self._server.client
        await self._server.do(client.hsetnx(names.RELAYS, self.relay, f"{self._lease:g}"))
        await self._server.do(client.sadd(names.streams(self.relay), stream_id))

    async def owned(self) -> list[str]:
        """The streams that are this relay's, as Redis has it."""
        client = self._server.client
        found = await self._server.do(client.smembers(names.streams(self.relay)))
        return [stream.decode() for stream in found]

    async def disown(self, stream_id: str, relay: str = "") -> None:
        """It has ended, or is another's."""
        key = names.streams(relay or self.relay)
        await self._server.do(self._server.client.srem(key, stream_id))

    async def left_behind(self) -> list[str]:
        """The streams that dead relays owned."""
        client, found = self._server.client, list[str]()
        for relay in [names.NOBODY.encode(), *await self._server.do(client.hkeys(names.RELAYS))]:
            other = relay.decode()
            if other == self.relay or await self.lives(other):
                continue
            streams = await self._server.do(client.smembers(names.streams(other)))
            found += [stream.decode() for stream in streams]
            if not streams and other != names.NOBODY:
                await self._server.do(client.hdel(names.RELAYS, other))
        return found

    async def order(self, relay: str, stream_id: str, why: str) -> None:
        """Ask another relay to stop a stream of its."""
        key, order = names.orders(relay), ("stream", stream_id, "why", why)
        asked = (scripts.ORDER.text, 1, key, _ORDERS_KEPT, _ORDERS, *order)
        await self._server.do(self._server.client.eval(*asked))

    async def _hear(self) -> None:
        """Until cancelled: what others ask of this relay."""
        key, last = names.orders(self.relay), "0-0"
        while not self._leaving:
            try:
                read = self._server.waiting.xread({key: last}, block=round(BLOCK * 1000))
                found = await self._server.do(read)
            except JournalProblem:
                await asyncio.sleep(_RETRY)
                continue
            for number, order in entries_of(found):
                last = number.decode()
                why = order.get(b"why", b"").decode("utf-8", "replace")
                self._asked(order.get(b"stream", b"").decode("utf-8", "replace"), why)


def entries_of(found: list[tuple[bytes, list[Entry]]]) -> list[Entry]:
    """The entries that `XREAD` of one key has found."""
    return found[0][1] if found else []
