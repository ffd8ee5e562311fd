"""Streams with owners, as the relay keeps them, wherever its journal is."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from ssechat.core.frames import Frame
from ssechat.journal.contract import StreamJournal
from ssechat.journal.records import Outcome

TOKEN_PREFIX = "sst_"


class Owned(msgspec.Struct, frozen=True):
    """A stream, as its owner may know of it."""

    stream_id: str
    owner: str
    upstream: str
    idempotency_key: str | None
    digest: bytes
    dialect: str
    state: str
    note: str
    created: float
    ended: float | None
    conversation_id: str
    profile: str = ""

    @property
    def view(self) -> str:
        """In which view of the relay's own it is served; "" for the upstream's events."""
        return view_of(self.profile)


def view_of(profile: str) -> str:
    """What stands behind the dialect in a profile's name, `UPSTREAM/DIALECT/VIEW`."""
    return "".join(profile.split("/")[2:])


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


class OwnedStreams(StreamJournal, Protocol):
    """Beside the streams: whose they are, tokens, keys, and what upstreams keep.

    `last_event(stream id, outcome)` is an event to be written behind all others of a stream that
    ends, if it needs one; `written` is told once it has been. `stop_asked(stream id, why)` is told
    that another process wants one of our streams to end. Times are seconds since the epoch.
    """

    last_event: Callable[[str, Outcome], Frame | None]
    written: Callable[[str, Frame], object]
    stop_asked: Callable[[str, str], object]

    async def close(self) -> None: ...

    def hurry(self) -> None:
        """The process is about to end: nothing is waited for longer than a moment."""
        ...

    async def ready(self) -> None:
        """Raises JournalProblem if nothing can be written now."""
        ...

    # Tokens.

    async def add_token(self, name: str) -> str | None:
        """A new owner's token, of which only a hash is kept; None if the name is taken."""
        ...

    async def tokens(self) -> list[tuple[str, float]]:
        """Owners, and since when."""
        ...

    async def revoke_token(self, name: str) -> bool:
        """Whether there was one."""
        ...

    async def owner_of(self, token: str) -> str | None:
        """Whose token it is. What is compared is a hash, so time tells nothing of the token."""
        ...

    # Streams and their owners.

    async def register(self, owned: Owned) -> bool:
        """Note whose a stream is, before its request is sent; False if another request of this
        owner has its key."""
        ...

    async def confirm(self, stream_id: str) -> None:
        """The upstream has answered the request with a stream. May be LeaseLost."""
        ...

    async def begun(self, stream_id: str) -> bool:
        """Whether that is so, as far as another process may know."""
        ...

    async def owned(self, owner: str, stream_id: str) -> Owned | None:
        """The stream, if it is this owner's."""
        ...

    async def owner_of_stream(self, stream_id: str) -> str:
        """Whose a stream is; "" if it is nobody's (any more)."""
        ...

    async def by_key(self, owner: str, key: str) -> Owned | None:
        """The stream that a request with this key has started."""
        ...

    async def all_of(self, owner: str, states: tuple[str, ...], limit: int) -> list[Owned]:
        """The newest first; of all states if none is named."""
        ...

    async def live_of(self, owner: str, most: int) -> int:
        """How many of an owner's streams have not ended; exact below `most`, and not less above."""
        ...

    async def forget(self, owned: Owned, until: float) -> None:
        """Delete a stream; its owner is told until then that it is gone."""
        ...

    async def old(self, before: float) -> list[Owned]:
        """Streams that ended before this time and are still kept."""
        ...

    async def call_off(self, owner: str, key: str, until: float) -> None:
        """A request with this key is to start nothing, should it come yet."""
        ...

    async def past(self, owner: str, name: str) -> bool:
        """Whether a stream by this id was forgotten, or "key:" and a key called off."""
        ...

    async def tidy(self) -> None:
        """Drop what need not be remembered any longer."""
        ...

    # Between the processes that share the journal.

    async def ask_stop(self, stream_id: str, why: str) -> bool:
        """Have the process that owns an unfinished stream stop it; False if it has ended."""
        ...

    async def note_read(self, stream_ids: Iterable[str]) -> None:
        """Somebody reads these streams here, which other processes own."""
        ...

    async def read_elsewhere(self, stream_ids: Iterable[str]) -> set[str]:
        """Those of our streams that somebody reads at other processes."""
        ...

    # What upstreams keep.

    async def keep_object(self, upstream: str, id: str, owner: str) -> None: ...

    async def owns_object(self, upstream: str, id: str, owner: str) -> bool: ...
