"""The names of keys in Redis.

All keys of one stream share a hash tag, and so do all of one owner: so scripts can change them
together, in a cluster, too. What a client chose becomes part of a name only as a digest.
"""

from __future__ import annotations

import hashlib

PREFIX = "ssechat"
TOKENS = f"{PREFIX}:tokens"
"""Hash: owner → hexadecimal hash of the token, a space, and when it was made."""
RELAYS = f"{PREFIX}:relays"
"""Hash: the relays that are here, or whose streams nobody has taken yet → their lease in seconds,
or that they have left."""
RELAYED = f"{PREFIX}:relayed"
"""Set: profiles whose server is a relay of ours itself."""
PROBE = f"{PREFIX}:probe"
"""String: written to see whether Redis takes anything."""
NOBODY = "-"
"""A relay that is always dead: what it owns waits for somebody."""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def row(stream_id: str) -> str:
    """Hash: what is known of the stream."""
    return f"{PREFIX}:{{{stream_id}}}:row"


def call(stream_id: str) -> str:
    """String: the request."""
    return f"{PREFIX}:{{{stream_id}}}:call"


def log(stream_id: str) -> str:
    """Stream: its frames, an entry for each commit, `<epoch>-<number of its last frame>`."""
    return f"{PREFIX}:{{{stream_id}}}:log"


def read(stream_id: str) -> str:
    """Hash: the relays at which somebody reads the stream that is another's → until when."""
    return f"{PREFIX}:{{{stream_id}}}:read"


def alive(relay: str) -> str:
    """String, for as long as the relay's lease lasts."""
    return f"{PREFIX}:{{{relay}}}:alive"


def streams(relay: str) -> str:
    """Set: the unfinished streams that the relay owns."""
    return f"{PREFIX}:{{{relay}}}:streams"


def orders(relay: str) -> str:
    """Stream: what other relays ask of this one."""
    return f"{PREFIX}:{{{relay}}}:orders"


def token(hashed: str) -> str:
    """String: whose token it is."""
    return f"{PREFIX}:token:{hashed}"


def owned(owner: str) -> str:
    """Sorted set: the owner's streams by the time of their beginning."""
    return f"{PREFIX}:{{o{digest(owner)}}}:streams"


def live(owner: str) -> str:
    """Sorted set: those of them that have not ended."""
    return f"{PREFIX}:{{o{digest(owner)}}}:live"


def key(owner: str, idempotency_key: str) -> str:
    """String: the stream that a request with this key has started."""
    return f"{PREFIX}:{{o{digest(owner)}}}:key:{digest(idempotency_key)}"


def past(owner: str, name: str) -> str:
    """String, while the owner is told that this is gone: a stream's id, or "key:" and a key."""
    return f"{PREFIX}:{{o{digest(owner)}}}:past:{digest(name)}"


def kept(upstream: str, id: str) -> str:
    """String: the owner of what an upstream keeps."""
    return f"{PREFIX}:kept:{digest(f'{upstream}/{id}')}"
