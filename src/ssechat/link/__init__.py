"""The link: the HTTP client's edge. It opens connections and yields frames."""

from ssechat.link.client import Clients
from ssechat.link.connection import Answer, Connection, Passing, connect, fetch
from ssechat.link.target import Target

__all__ = ["Answer", "Clients", "Connection", "Passing", "Target", "connect", "fetch"]
