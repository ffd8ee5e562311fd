"""What the kernel says about addresses, links and routes, and whether it is news.

Linux repeats itself: an IPv6 router prolongs its addresses every few minutes, a Wi-Fi driver tells
of each scan. So we remember what there is, and only what differs counts.
Formats: linux/rtnetlink.h, if_link.h, if_addr.h (native byte order); macOS: net/route.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""To be told of links, and of IPv4 and IPv6 addresses and routes."""

LIMIT = 4096
"""Things remembered; beyond it memory begins anew."""

_HEADER = struct.Struct("=IHHII")  # length with itself, kind, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length with itself, kind
_LINK = struct.Struct("=BBHiI")  # family, -, kind, index, flags
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, link
_ROUTE = struct.Struct("=8BI")  # family, prefix length, -, -, table, -, -, kind; flags
_GET = struct.Struct("=IHHIIB3x")

_DONE, _FAILED = 3, 2
_MULTI, _REQUEST_DUMP = 0x2, 0x301
_NEW_LINK, _NEW_ADDRESS, _NEW_ROUTE = 16, 20, 24  # one more: it is gone; two more: ask for them
_UP = 0x1 | 0x40 | 0x10000  # up, running, with a carrier
_TENTATIVE = 0x40
_CLONED, _DEAD, _UNICAST = 0x200, 0x1 | 0x10, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_TARGET, _LINK_OUT, _GATEWAY, _PRIORITY, _TABLE = 1, 4, 5, 6, 15

QUESTIONS = [
    _GET.pack(_GET.size, kind + 2, _REQUEST_DUMP, 0, 0, 0) for kind in (_NEW_LINK, _NEW_ADDRESS)
]
"""Sent one by one, the answers fill a new `Picture`. Routes may be too many to ask for."""

Thing = tuple[object, ...]


class Picture:
    """What there is, as far as it was told."""

    def __init__(self) -> None:
        self._states: dict[Thing, int] = {}

    def take(self, data: bytes) -> bool:
        """Whether a datagram brings news. An answer to a question never does."""
        news = False
        for kind, flags, body in _messages(data):
            news |= self._changed(kind, body) and not flags & _MULTI
        return news

    def _changed(self, kind: int, body: bytes) -> bool:
        thing, state = _thing(kind & ~1, body)
        if not thing:
            return False
        if kind & 1:
            self._states.pop(thing, None)
            return True
        if self._states.get(thing) == state:
            return False
        if len(self._states) >= LIMIT:
            self._states.clear()
        self._states[thing] = state
        return True


def answered(data: bytes) -> bool:
    """Whether a datagram is the last one of an answer."""
    return any(kind in (_DONE, _FAILED) for kind, _, _ in _messages(data))


def told_by_macos(data: bytes) -> bool:
    """Whether a message of a macOS routing socket says that an address came or went."""
    return len(data) > 3 and data[3] in (0xC, 0xD)


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield kind, flags, data[at + _HEADER.size : at + length]
        at += length + 3 & ~3


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
    return found


def _thing(kind: int, body: bytes) -> tuple[Thing, int]:
    """What a message is about, () if it does not matter to us; and how that is now."""
    if kind == _NEW_LINK and len(body) >= _LINK.size:
        family, _, _, index, flags = _LINK.unpack_from(body)
        return (kind, family, index), flags & _UP
    if kind == _NEW_ADDRESS and len(body) >= _ADDRESS.size:
        _, prefix, flags, _, index = _ADDRESS.unpack_from(body)
        given = _attributes(body[_ADDRESS.size :])
        address = given.get(_IFA_LOCAL, given.get(_IFA_ADDRESS))
        return () if flags & _TENTATIVE else (kind, index, prefix, address), 0
    if kind == _NEW_ROUTE and len(body) >= _ROUTE.size:
        return _route(body)
    return (), 0


def _route(body: bytes) -> tuple[Thing, int]:
    """Routes to this machine itself come and go with its addresses; cached ones say nothing."""
    family, prefix, _, _, table, _, _, kind, flags = _ROUTE.unpack_from(body)
    if kind != _UNICAST or flags & _CLONED:
        return (), 0
    given = _attributes(body[_ROUTE.size :])
    names = (_TARGET, _LINK_OUT, _GATEWAY, _PRIORITY, _TABLE)
    return (_NEW_ROUTE, family, prefix, table, *map(given.get, names)), flags & _DEAD
