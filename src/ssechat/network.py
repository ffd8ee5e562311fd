"""What the system tells of changes of the network: where it has sockets for it, and lets us."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from ssechat.core import routes

_SIZE = 65_536  # bytes of a datagram
_BURST = 64  # datagrams that are read before others have their turn
_ANSWERS = 1000  # datagrams of an answer; there is no machine with so many links


def listen(loop: asyncio.AbstractEventLoop, changed: Callable[[], None]) -> Callable[[], None]:
    """Call `changed` on the loop at each change, until the function that this gives is called.

    Where the system refuses, nothing is ever heard.
    """
    try:
        source, is_news = _open()
    except OSError:
        return lambda: None

    def close() -> None:
        if source.fileno() >= 0:
            loop.remove_reader(source)
            source.close()

    def read() -> None:
        try:
            for _ in range(_BURST):
                if is_news(source.recv(_SIZE)):
                    changed()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno == errno.ENOBUFS:  # more has changed than the system could keep for us
                changed()
            else:
                close()

    loop.add_reader(source, read)
    return close


def _open() -> tuple[socket.socket, Callable[[bytes], bool]]:
    """The system's socket, and what tells whether a datagram from it is news. Raises OSError."""
    if sys.platform == "linux":
        picture = routes.Picture()
        source = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        try:
            source.setblocking(False)
            source.bind((0, routes.GROUPS))
            for question in routes.QUESTIONS:
                _learn(source, picture, question)
        except OSError:
            source.close()
            raise
        return source, picture.take
    if sys.platform == "darwin":
        source = socket.socket(socket.AF_ROUTE, socket.SOCK_RAW, 0)
        source.setblocking(False)
        return source, routes.told_by_macos
    raise OSError(errno.EAFNOSUPPORT, "no such socket here")


def _learn(source: socket.socket, picture: routes.Picture, question: bytes) -> None:
    """Take in what there is already. The kernel answers at once; it is no loss if it does not."""
    source.send(question)
    with suppress(BlockingIOError):
        for _ in range(_ANSWERS):
            data = source.recv(_SIZE)
            picture.take(data)
            if routes.answered(data):
                return
