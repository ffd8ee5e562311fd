"""Packs: the frames of an ended stream, compressed, without padding; and how long they are kept."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator

import msgspec

from ssechat.core.frames import Frame, FrameKind
from ssechat.journal import frames
from ssechat.journal.rows import insert, packed_call, unreadable

FRAMES_PER_PACK = 1000
_DAY = 86400.0
_ENDED = "state NOT IN ('live', 'stopping')"
_DECODER = msgspec.msgpack.Decoder(list[Frame])
_PADDING = re.compile(r',\s*"obfuscation"\s*:\s*"[^"\\]*"|"obfuscation"\s*:\s*"[^"\\]*"\s*,\s*')


class Packed(msgspec.Struct, frozen=True):
    """What is to take the place of an ended stream's rows: packs are (first, last, frames)."""

    stream_id: str
    last_seq: int
    packs: list[tuple[int, int, bytes]]
    call: bytes | None


def build(connection: sqlite3.Connection, stream_id: str) -> Packed | None:
    """Compress what `store` is to write; None if there is nothing to pack, or not yet."""
    row = connection.execute(
        "SELECT last_seq, call FROM stream LEFT JOIN request ON stream_id = id"
        f" WHERE id = ? AND {_ENDED}",
        (stream_id,),
    ).fetchone()
    packs = list(_compressed(connection, stream_id)) if row else []
    return Packed(stream_id, row[0], packs, row[1] and packed_call(row[1])) if packs else None


def _compressed(connection: sqlite3.Connection, stream_id: str) -> Iterator[tuple[int, int, bytes]]:
    after = 0
    while rows := frames.read(connection, stream_id, after, FRAMES_PER_PACK):
        after = rows[-1][0]
        plain = msgspec.msgpack.encode([without_padding(frame) for _, frame in rows])
        yield rows[0][0], after, zlib.compress(plain)


def store(connection: sqlite3.Connection, packed: Packed) -> bool:
    """Put the packs in the place of the rows; False if the stream has changed since `build`."""
    unchanged = connection.execute(
        f"SELECT 1 FROM stream WHERE id = ? AND last_seq = ? AND {_ENDED}"
        " AND EXISTS (SELECT 1 FROM frame WHERE stream_id = stream.id)",
        (packed.stream_id, packed.last_seq),
    ).fetchone()
    if unchanged is None:
        return False
    connection.executemany(
        insert("pack", ("stream_id", "first_seq", "last_seq", "frames")),
        [(packed.stream_id, *pack) for pack in packed.packs],
    )
    connection.execute("DELETE FROM frame WHERE stream_id = ?", (packed.stream_id,))
    connection.execute(
        "UPDATE request SET call = ? WHERE stream_id = ?", (packed.call, packed.stream_id)
    )
    return True


def read(
    connection: sqlite3.Connection, stream_id: str, after: int, limit: int
) -> list[tuple[int, Frame]]:
    """Up to `limit` frames that follow number `after`, with their numbers, packed or not."""
    return frames.read(connection, stream_id, after, limit) or _read_packs(
        connection, stream_id, after, limit
    )


def _read_packs(
    connection: sqlite3.Connection, stream_id: str, after: int, limit: int
) -> list[tuple[int, Frame]]:
    found: list[tuple[int, Frame]] = []
    for first, compressed in connection.execute(
        "SELECT first_seq, frames FROM pack WHERE stream_id = ? AND last_seq > ?"
        " ORDER BY first_seq",
        (stream_id, after),
    ):
        numbered = enumerate(_decompressed(compressed), first)
        found += [(seq, frame) for seq, frame in numbered if seq > after]
        if len(found) >= limit:
            break
    return found[:limit]


def unpack(connection: sqlite3.Connection, stream_id: str) -> None:
    """Make rows of the packs again, for a stream that goes on."""
    packs = connection.execute(
        "SELECT first_seq, frames FROM pack WHERE stream_id = ? ORDER BY first_seq", (stream_id,)
    ).fetchall()
    for first, compressed in packs:
        frames.write(connection, stream_id, first, _decompressed(compressed))
    connection.execute("DELETE FROM pack WHERE stream_id = ?", (stream_id,))


def purge(connection: sqlite3.Connection, days: float, now: float) -> None:
    """Drop frames and requests of streams that ended more than `days` ago; messages stay."""
    old = f"(SELECT id FROM stream WHERE ended < ? AND {_ENDED})"
    for table in ("pack", "frame", "request"):
        connection.execute(f"DELETE FROM {table} WHERE stream_id IN {old}", (now - days * _DAY,))


def _decompressed(compressed: bytes) -> list[Frame]:
    try:
        return _DECODER.decode(zlib.decompress(compressed))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise unreadable(error) from None


def without_padding(frame: Frame) -> Frame:
    """The frame without the key `obfuscation`, which servers add to hide the length of a token.

    The rest of the data is not touched, byte for byte; data that would mean something else after
    the cut is left alone.
    """
    if frame.kind is not FrameKind.EVENT or '"obfuscation"' not in frame.data:
        return frame
    shorter = _PADDING.sub("", frame.data)
    if not _same_but_padding(frame.data, shorter):
        return frame
    return msgspec.structs.replace(frame, data=shorter)


def _same_but_padding(data: str, shorter: str) -> bool:
    try:
        whole, rest = msgspec.json.decode(data), msgspec.json.decode(shorter)
        return (
            isinstance(whole, dict)
            and whole.pop("obfuscation", None) is not None
            and bool(whole == rest)
        )
    except (msgspec.DecodeError, RecursionError):
        return False
