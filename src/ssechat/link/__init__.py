"""The link: the HTTP client's edge. It opens connections and yields frames.

Loading httpx takes a tenth of a start: whoever connects first waits for it (`Clients.prepare` does,
in a thread).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssechat.link.client import Clients
from ssechat.link.target import Target

if TYPE_CHECKING:
    from ssechat.link.connection import Answer, Connection, Head, Passing, connect, fetch

__all__ = [
    "Answer",
    "Clients",
    "Connection",
    "Head",
    "Passing",
    "Target",
    "connect",
    "fetch",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    from ssechat.link import connection

    return getattr(connection, name)
