"""The link: the HTTP client's edge. It opens connections and yields frames."""

from ssechat.link.client import Clients
from ssechat.link.connection import Answer, Connection, Head, Passing, connect, fetch
from ssechat.link.target import Target

__all__ = ["Answer", "Clients", "Connection", "Head", "Passing", "Target", "connect", "fetch"]
