"""The relay's journal in Redis: streams with owners, shared by all relays that use it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence

from ssechat.core.errors import JournalProblem
from ssechat.journal.owned import Owned, hash_of, new_token
from ssechat.journal.records import UNFINISHED
from ssechat.journal.redis import names, rows, scripts
from ssechat.journal.redis.presence import BLOCK
from ssechat.journal.redis.server import Server
from ssechat.journal.redis.streams import RedisStreams

_PAGE = 100  # streams read at once
_READ = 30  # s that a reader counts after it was noted
_REMEMBERED = 86_400.0  # s for which owners are told that a stream is gone
_KEPT = 30 * 86_400  # s; how long the owner of what an upstream keeps is known
_CLOSE_TIME = 2.0  # s


class RedisJournal(RedisStreams):
    """`OwnedStreams` in one Redis."""

    @classmethod
    async def open(cls, url: str, retention: float, lease: float) -> RedisJournal:
        """Raises ConfigProblem if the address or the server is unfit, JournalProblem if it cannot
        be reached."""
        server = Server(url, block=BLOCK)
        try:
            await server.check()
            journal = cls(server, retention, lease)
            await journal.beat()
        except BaseException:
            await server.close()
            raise
        return journal

    async def close(self) -> None:
        try:
            await asyncio.wait_for(self.release(), _CLOSE_TIME)
        except (JournalProblem, TimeoutError):
            pass  # the lease ends by itself
        await self._server.close()

    def hurry(self) -> None:
        """Commands have a time limit of their own."""

    async def ready(self) -> None:
        await self._do(self._client.set(names.PROBE, "1", ex=60))

    # Tokens.

    async def add_token(self, name: str) -> str | None:
        token = new_token()
        hashed = hash_of(token).hex()
        kept = f"{hashed} {time.time()}"
        if not await self._do(self._client.hsetnx(names.TOKENS, name, kept)):
            return None
        await self._do(self._client.set(names.token(hashed), rows.text(name)))
        return token

    async def tokens(self) -> list[tuple[str, float]]:
        kept = await self._do(self._client.hgetall(names.TOKENS))
        found = [
            (name.decode("utf-8", "replace"), float(value.split()[1]))
            for name, value in kept.items()
        ]
        return sorted(found, key=lambda one: one[1])

    async def revoke_token(self, name: str) -> bool:
        kept = await self._do(self._client.hget(names.TOKENS, name))
        if kept is None:
            return False
        hashed = kept.split()[0].decode()
        await self._do(self._client.delete(names.token(hashed)))
        return bool(await self._do(self._client.hdel(names.TOKENS, name)))

    async def owner_of(self, token: str) -> str | None:
        found = await self._do(self._client.get(names.token(hash_of(token).hex())))
        return found.decode("utf-8", "replace") if found else None

    # Streams and their owners.

    async def register(self, owned: Owned) -> bool:
        now, told = time.time(), self._retention + _REMEMBERED
        fields = rows.owner_fields(owned)
        await self._do(self._client.hset(names.row(owned.stream_id), mapping=fields))  # type: ignore[arg-type]
        owner, key = owned.owner, owned.idempotency_key
        code = await self._writer.run(
            scripts.REGISTER,
            (
                *(names.key(owner, key or ""), names.past(owner, f"key:{key or ''}")),
                *(names.owned(owner), names.live(owner), names.past(owner, owned.stream_id)),
            ),
            *(owned.stream_id, now, int(key is not None), round(1000 * told), now - told),
        )
        return bool(code)

    async def confirm(self, stream_id: str) -> None:
        await self._change(scripts.UPDATE, stream_id, "begun", 1)

    async def begun(self, stream_id: str) -> bool:
        begun, epoch = await self._do(self._client.hmget(names.row(stream_id), "begun", "epoch"))
        return begun is not None or (epoch is not None and int(epoch) > 1)

    async def owned(self, owner: str, stream_id: str) -> Owned | None:
        found = await self._owned(stream_id)
        return found if found is not None and found.owner == owner else None

    async def _owned(self, stream_id: str) -> Owned | None:
        found = await self._do(self._client.hgetall(names.row(stream_id)))
        return rows.owned_row(stream_id, found)

    async def owner_of_stream(self, stream_id: str) -> str:
        found = await self._do(self._client.hget(names.row(stream_id), "owner"))
        return found.decode("utf-8", "replace") if found else ""

    async def by_key(self, owner: str, key: str) -> Owned | None:
        name = names.key(owner, key)
        stream = await self._do(self._client.get(name))
        if stream is None:
            return None
        found = await self.owned(owner, stream.decode())
        if found is None:  # it has been forgotten, or whoever began it died at once
            await self._writer.run(scripts.DROP, (name,), stream)
        return found

    async def all_of(self, owner: str, states: tuple[str, ...], limit: int) -> list[Owned]:
        unfinished = bool(states) and set(states) <= set(UNFINISHED)
        index = names.live(owner) if unfinished else names.owned(owner)
        found: list[Owned] = []
        at = 0
        while len(found) < limit:
            page = await self._do(self._client.zrevrange(index, at, at + _PAGE - 1))
            streams = [stream.decode() for stream in page]
            at += len(streams)
            for stream, row in zip(streams, await self._rows(streams), strict=True):
                if row is None or (unfinished and row.state not in UNFINISHED):
                    await self._do(self._client.zrem(index, stream))
                    at -= 1
                elif row.owner == owner and (not states or row.state in states):
                    found.append(row)
            if len(streams) < _PAGE:
                break
        return found[:limit]

    async def _rows(self, streams: Sequence[str]) -> list[Owned | None]:
        hashes = await self._server.hashes([names.row(stream) for stream in streams])
        return [
            rows.owned_row(stream, found) for stream, found in zip(streams, hashes, strict=True)
        ]

    async def live_of(self, owner: str, most: int) -> int:
        count = await self._do(self._client.zcard(names.live(owner)))
        if count < most:
            return int(count)
        return len(await self.all_of(owner, UNFINISHED, most + 1))

    async def _settled(self, stream_id: str) -> None:
        owned = await self._owned(stream_id)
        if owned is None:
            return
        await self._do(self._client.zrem(names.live(owned.owner), stream_id))
        await self._remember(owned.owner, stream_id, self._retention + _REMEMBERED)
        if owned.idempotency_key is not None:
            key = names.key(owned.owner, owned.idempotency_key)
            await self._do(self._client.pexpire(key, self._kept_ms))

    async def delete(self, conversation_id: str) -> bool:
        owned = await self._owned(conversation_id)
        gone = await super().delete(conversation_id)
        if owned is not None:
            for index in (names.owned(owned.owner), names.live(owned.owner)):
                await self._do(self._client.zrem(index, conversation_id))
            if owned.idempotency_key is not None:
                key = names.key(owned.owner, owned.idempotency_key)
                await self._writer.run(scripts.DROP, (key,), conversation_id)
        return gone

    async def forget(self, owned: Owned, until: float) -> None:
        await self._remember(owned.owner, owned.stream_id, until - time.time())
        await self.delete(owned.stream_id)

    async def old(self, before: float) -> list[Owned]:
        """Redis drops them by itself."""
        return []

    async def call_off(self, owner: str, key: str, until: float) -> None:
        await self._remember(owner, f"key:{key}", until - time.time())

    async def past(self, owner: str, name: str) -> bool:
        return bool(await self._do(self._client.exists(names.past(owner, name))))

    async def _remember(self, owner: str, name: str, seconds: float) -> None:
        milliseconds = max(1, round(seconds * 1000))
        await self._do(self._client.set(names.past(owner, name), "1", px=milliseconds))

    async def tidy(self) -> None:
        """Redis drops by itself what has a time."""

    # Between relays.

    async def ask_stop(self, stream_id: str, why: str) -> bool:
        lease = await self._writer.run(scripts.ASK_STOP, (names.row(stream_id),))
        if not lease:
            return False
        relay = lease.decode()
        if relay == self.owner:
            self.stop_asked(stream_id, why)
        elif relay != names.NOBODY:
            await self._presence.order(relay, stream_id, why)
        return True

    async def note_read(self, stream_ids: Iterable[str]) -> None:
        for stream in stream_ids:
            key = names.read(stream)
            until = str(time.time() + _READ)
            await self._writer.run(scripts.NOTE, (key,), _READ, self.owner, until)

    async def read_elsewhere(self, stream_ids: Iterable[str]) -> set[str]:
        streams, now, ours = list(stream_ids), time.time(), self.owner.encode()
        noted = await self._server.hashes([names.read(stream) for stream in streams])
        return {
            stream
            for stream, readers in zip(streams, noted, strict=True)
            if any(relay != ours and float(until) > now for relay, until in readers.items())
        }

    # What upstreams keep.

    async def keep_object(self, upstream: str, id: str, owner: str) -> None:
        kept = self._client.set(names.kept(upstream, id), rows.text(owner), ex=_KEPT, nx=True)
        await self._do(kept)

    async def owns_object(self, upstream: str, id: str, owner: str) -> bool:
        return bool(await self._do(self._client.get(names.kept(upstream, id))) == rows.text(owner))
