"""Streams in Redis, each owned by one relay at a time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Unpack

from ssechat.core.frames import Frame
from ssechat.journal import ownership
from ssechat.journal.codec import encoded
from ssechat.journal.problems import Damaged, LeaseLost, NotFound, not_found
from ssechat.journal.records import UNFINISHED, Begun, NewStream, Outcome, StreamChange, StreamRow
from ssechat.journal.redis import names, rows, scripts
from ssechat.journal.redis.log import Position, Tail, entries, read, taken
from ssechat.journal.redis.presence import BLOCK, Presence, entries_of
from ssechat.journal.redis.scripts import BEHIND, OK
from ssechat.journal.redis.server import Gone, Server
from ssechat.journal.redis.writer import Value, Writer
from ssechat.journal.rows import call_to_blob

_CALLS = 32 * 2**20  # bytes of requests held in memory
_CALL_KEPT = 7 * 86_400  # s that a request is kept of a stream that does not end
_PLACES = 4096  # streams of which it is known how far they were read
_BROKEN = 5  # streams that cannot be read, until Redis itself is taken to be broken
_BEATS = 5  # in a lease
_PAGE = 100  # entries read at once


class RedisStreams:
    """The streams alone, as `StreamJournal` has them. `retention`: so many seconds a stream is kept
    after its end; `lease`: so many may pass without a word of its owner before another process
    takes it."""

    shared = True

    def __init__(self, server: Server, retention: float, lease: float) -> None:
        self._server = server
        self._client = server.client
        self._do = server.do
        self._retention = retention
        self._writer = Writer(server)
        self.heartbeat = lease / _BEATS
        self._presence = Presence(server, lease, lambda stream, why: self.stop_asked(stream, why))
        self._ours: dict[str, Position] = {}
        self._adopting: set[str] = set()
        self._beginning: set[str] = set()
        self._stray: set[str] = set()  # at the last heartbeat
        self._cursors: dict[str, str] = {}
        self._tails: dict[str, Tail] = {}
        self._places: OrderedDict[str, Position] = OrderedDict()  # behind what was read last
        self._ahead: dict[str, tuple[int, list[Frame]]] = {}
        self._calls: OrderedDict[str, bytes] = OrderedDict()
        self._calls_size = 0
        self.last_event: Callable[[str, Outcome], Frame | None] = lambda stream_id, outcome: None
        self.written: Callable[[str, Frame], object] = lambda stream_id, frame: None
        self.stop_asked: Callable[[str, str], object] = lambda stream_id, why: None

    @property
    def owner(self) -> str:
        return self._presence.relay

    # Writing what is ours.

    async def begin(self, new: NewStream) -> Begun:
        stream_id = new.stream_id
        call = call_to_blob(new.call)
        self._beginning.add(stream_id)
        try:
            await self._presence.own(stream_id)
            fields = rows.fresh(new, self.owner, time.time())
            await self._do(self._client.hset(names.row(stream_id), mapping=fields))  # type: ignore[arg-type]
            await self._do(self._client.set(names.call(stream_id), call, ex=_CALL_KEPT))
            self._hold_call(stream_id, call)
            self._ours[stream_id] = Position(1, 0)
        finally:
            self._beginning.discard(stream_id)
        return Begun(stream_id, "", stream_id, stream_id)

    async def append(self, stream_id: str, batch: Sequence[Frame], cursor: str) -> int:
        """Frames that Redis has lost since, with the last second of its own log, are written again
        as long as they are held."""
        frames = list(batch)
        while True:
            known = self._place_of(stream_id)
            new = known.seq + len(frames)
            code, last = await self._writer.run(
                scripts.APPEND,
                (names.row(stream_id), names.log(stream_id)),
                *(self.owner, known.epoch, known.seq, new, rows.text(cursor)),
                *entries(frames, known.epoch, known.seq + 1),
            )
            if code == OK:
                break
            if code != BEHIND:
                raise self._lose(stream_id)
            frames = await self._since(stream_id, known, last, frames)
            self._ours[stream_id] = Position(known.epoch, last)
        self._tails.setdefault(stream_id, Tail()).add(known.seq + 1, frames)
        self._ours[stream_id] = Position(known.epoch, new)
        self._cursors[stream_id] = cursor
        return new

    async def _since(
        self, stream_id: str, known: Position, last: int, frames: list[Frame]
    ) -> list[Frame]:
        """What is to follow number `last` in the log, which ends there and not where we left it. It
        is ahead where an earlier try arrived that seemed to fail."""
        tail = self._tails.setdefault(stream_id, Tail())
        if known.seq < last <= known.seq + len(frames):
            arrived = last - known.seq
            tail.add(known.seq + 1, frames[:arrived])
            return frames[arrived:]
        lost = tail.since(last) if last < known.seq else None
        if lost is None:
            await self.abandon(stream_id)
            raise ownership.lost()
        return lost + frames

    async def update_stream(self, stream_id: str, **change: Unpack[StreamChange]) -> None:
        if change.get("scheme") == "relay":
            profile = await self._do(self._client.hget(names.row(stream_id), "profile"))
            await self._do(self._client.sadd(names.RELAYED, profile or b""))
        await self._change(scripts.UPDATE, stream_id, *rows.changed(change))

    async def settle(self, stream_id: str, outcome: Outcome) -> None:
        last = self.last_event(stream_id, outcome)
        keys = (names.row(stream_id), names.log(stream_id), names.call(stream_id))
        code = BEHIND
        while code == BEHIND:
            place = self._place_of(stream_id)
            code = await self._writer.run(
                scripts.SETTLE,
                keys,
                *(self.owner, place.epoch, self._kept_ms, encoded([last]) if last else b""),
                place.seq,
                *rows.ended(outcome, time.time()),
            )
            if code == BEHIND:  # the log has lost its last frames
                await self.append(stream_id, [], self._cursors.get(stream_id, ""))
        if code not in (OK, scripts.OVER):
            raise self._lose(stream_id)
        await self._settled(stream_id)
        await self._presence.disown(stream_id)
        self._let_go(stream_id)
        if last is not None:
            self.written(stream_id, last)

    async def _settled(self, stream_id: str) -> None:
        """What else is to be written at an end; it may be done more than once."""

    async def _change(self, script: scripts.Script, stream_id: str, *values: Value) -> None:
        place = self._place_of(stream_id)
        keys = (names.row(stream_id),)
        if await self._writer.run(script, keys, self.owner, place.epoch, *values) != OK:
            raise self._lose(stream_id)

    async def pack(self, stream_id: str) -> bool:
        return False

    async def delete(self, conversation_id: str) -> bool:
        stream = conversation_id
        keys = (names.row(stream), names.log(stream), names.call(stream), names.read(stream))
        gone = await self._do(self._client.delete(*keys))
        await self._presence.disown(stream)
        self._let_go(stream)
        return bool(gone)

    # Reading.

    async def stream(self, stream_id: str) -> StreamRow:
        found = await self._do(self._client.hgetall(names.row(stream_id)))
        if not found:
            raise not_found("stream", stream_id)
        return rows.stream_row(stream_id, found, await self._call(stream_id))

    async def _call(self, stream_id: str) -> bytes | None:
        """A request, which never changes and may be large."""
        known = self._calls.get(stream_id)
        if known is None:
            known = await self._do(self._client.get(names.call(stream_id)))
            if known is not None:
                self._hold_call(stream_id, known)
        return known

    def _hold_call(self, stream_id: str, call: bytes) -> None:
        self._calls[stream_id] = call
        self._calls_size += len(call)
        while self._calls_size > _CALLS and len(self._calls) > 1:
            self._calls_size -= len(self._calls.popitem(last=False)[1])

    async def frames(
        self, stream_id: str, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, Frame]]:
        ahead = self._ahead.pop(stream_id, None)
        if ahead is not None and ahead[0] == after and len(ahead[1]) <= limit:
            return list(enumerate(ahead[1], after + 1))
        found: list[tuple[int, Frame]] = []
        start = self._position(stream_id, after)
        while len(found) < limit:
            page = await self._do(
                self._client.xrange(names.log(stream_id), f"({start}", "+", count=_PAGE)
            )
            for entry in page:
                start, frames = read(entry)
                found += [
                    (seq, frame)
                    for seq, frame in enumerate(frames, start.seq - len(frames) + 1)
                    if seq > after
                ]
                self._note_place(stream_id, start if frames else None)
            if len(page) < _PAGE:
                break
        return found[:limit]

    def _position(self, stream_id: str, after: int) -> Position:
        """From where to read on behind number `after`: no later than there."""
        place = self._places.get(stream_id)
        return Position(place.epoch if place and place.seq <= after else 1, after)

    def _note_place(self, stream_id: str, place: Position | None) -> None:
        if place is not None:
            self._places[stream_id] = place
            self._places.move_to_end(stream_id)
            while len(self._places) > _PLACES:
                self._places.popitem(last=False)

    async def news(self, stream_id: str, after: int) -> None:
        """What comes is held for whoever reads on from there."""
        at = self._places.get(stream_id)
        start = at if at and at.seq == after else self._position(stream_id, after)
        key = names.log(stream_id)
        asked = self._server.waiting.xread({key: str(start)}, block=round(BLOCK * 1000))
        came = [read(entry) for entry in entries_of(await self._do(asked))]
        frames = [frame for _, batch in came for frame in batch]
        if frames and came[0][0].seq - len(came[0][1]) == after:
            while len(self._ahead) >= _PLACES:
                del self._ahead[next(iter(self._ahead))]
            self._ahead[stream_id] = (after, frames)
            self._note_place(stream_id, came[-1][0] if came[-1][1] else None)

    # Owners that die.

    async def orphans(self) -> list[StreamRow]:
        found: list[StreamRow] = []
        failed = 0
        for stream_id in await self._presence.left_behind():
            try:
                row = await self.stream(stream_id)
            except NotFound:
                row = None
            except (Damaged, Gone):
                failed += 1
                if failed > _BROKEN:
                    raise
                continue  # a broken one must not keep us from the others; it expires
            if row is not None and row.state in UNFINISHED and not await self.lives(row):
                found.append(row)
            elif row is None or row.state not in UNFINISHED:
                await self._forget_left(stream_id)
        return found

    async def _forget_left(self, stream_id: str) -> None:
        for relay in [names.NOBODY.encode(), *await self._do(self._client.hkeys(names.RELAYS))]:
            await self._presence.disown(stream_id, relay.decode())

    async def foreign(self) -> list[StreamRow]:
        """Those of which we believe that they are ours; there is no need to know the others."""
        ours = list(self._ours)
        leases = await self._server.field("lease", [names.row(stream_id) for stream_id in ours])
        found = []
        for stream_id, lease in zip(ours, leases, strict=True):
            if lease not in (None, self.owner.encode()) and stream_id in self._ours:
                found.append(await self.stream(stream_id))
        return [row for row in found if row.state in UNFINISHED]

    async def lives(self, row: StreamRow) -> bool:
        return row.lease == self.owner or await self._presence.lives(row.lease)

    async def adopt(self, stream_id: str, old_lease: str) -> bool:
        if stream_id in self._adopting or stream_id in self._ours:
            return False
        self._adopting.add(stream_id)
        try:
            await self._presence.own(stream_id)
            epoch, last = await self._writer.run(
                scripts.ADOPT,
                (names.row(stream_id), names.log(stream_id)),
                *(old_lease, self.owner, taken()),
            )
            if epoch:
                self._tails.pop(stream_id, None)
                self._ours[stream_id] = Position(epoch, last)
        finally:
            self._adopting.discard(stream_id)
        with suppress(Gone):  # whoever looks finds out by itself
            await self._presence.disown(stream_id, (old_lease or names.NOBODY) if epoch else "")
        return bool(epoch)

    async def abandon(self, stream_id: str) -> None:
        """Leave a stream of ours to whoever takes it first, from what the log holds."""
        keys = (names.row(stream_id),)
        if await self._writer.run(scripts.ABANDON, keys, self.owner, names.NOBODY):
            await self._do(self._client.sadd(names.streams(names.NOBODY), stream_id))
        await self._presence.disown(stream_id)
        self._let_go(stream_id)

    async def beat(self) -> None:
        await self._presence.beat()
        await self._give_up_stray()

    async def _give_up_stray(self) -> None:
        """What Redis takes for ours and nobody here runs goes to whoever takes it. It comes of
        answers that were lost on their way, and of a log that is older than what we know."""
        known = {*self._ours, *self._beginning, *self._adopting}
        stray = set(await self._presence.owned()) - known
        for stream_id in stray & self._stray:
            if stream_id not in self._ours and stream_id not in self._adopting:
                await self.abandon(stream_id)
        self._stray = stray

    async def release(self) -> None:
        await self._presence.leave()

    async def met_relay(self, profile: str) -> bool:
        return bool(await self._do(self._client.sismember(names.RELAYED, profile)))

    # What the others use.

    @property
    def _kept_ms(self) -> int:
        return max(1, round(self._retention * 1000))

    def _place_of(self, stream_id: str) -> Position:
        """Where our stream's log ends. Raises LeaseLost if it is not ours."""
        place = self._ours.get(stream_id)
        if place is None:
            raise ownership.lost()
        return place

    def _lose(self, stream_id: str) -> LeaseLost:
        self._let_go(stream_id)
        return ownership.lost()

    def _let_go(self, stream_id: str) -> None:
        for held in (self._ours, self._tails, self._cursors):
            held.pop(stream_id, None)
