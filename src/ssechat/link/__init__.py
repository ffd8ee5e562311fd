"""The link: the HTTP client's edge. It opens connections and yields frames."""

from ssechat.link.client import Clients
from ssechat.link.connection import Connection, Target, connect, fetch

__all__ = ["Clients", "Connection", "Target", "connect", "fetch"]
