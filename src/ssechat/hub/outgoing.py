"""What a stream sends, and what it can ask of its server."""

from __future__ import annotations

import msgspec

from ssechat import link
from ssechat.core.conversation import Call
from ssechat.core.dialects import Dialect
from ssechat.core.resume import Connect, Step, submit
from ssechat.core.schemes import (
    CONVERSATION_HEADER,
    LLAMA,
    NOTHING,
    SCHEMES,
    Handle,
    again,
    by_conversation,
    cancel_by_key,
    hoped,
    kept,
    located,
)
from ssechat.core.splice import Ordering
from ssechat.hub.live import Live
from ssechat.link import Target


class _Asked(msgspec.Struct):
    background: object = None


def _in_background(body: bytes) -> bool:
    """Whether a request says so, as the APIs do that keep an answer."""
    try:
        return msgspec.json.decode(body, type=_Asked).background is True
    except msgspec.DecodeError:
        return False


class Outgoing(msgspec.Struct, frozen=True):
    """The request of one stream, and where it goes. `may_resume` is False where the user switched
    it off; `relay`: the server de-duplicates by key, and can be told to stop by it; `passing` is
    told of the first answer as it is."""

    target: Target
    call: Call
    dialect: Dialect
    idempotency_key: str = ""
    relay: bool = False
    may_resume: bool = True
    passing: link.Passing | None = None

    @property
    def stoppable(self) -> bool:
        """Whether it can be stopped before the server has answered."""
        return self.relay and bool(self.idempotency_key)

    @property
    def promises(self) -> bool:
        """Whether it asks for an answer that goes on without us."""
        return bool(self.dialect.SCHEME) and _in_background(self.call.body)

    def submitted(self) -> Step:
        """The first step of a new stream."""
        return submit(
            idempotent=bool(self.idempotency_key),
            stoppable=self.stoppable,
            promised=self.promises,
            fallback=bool(self.call.fallback),
        )

    def request(self, live: Live, how: Connect, cursor: str) -> Call:
        """What opens the connection that the machine asks for."""
        if how.resume:
            resume = SCHEMES[live.handle.scheme].resume
            assert resume is not None, "the machine resumes only what can be"
            return resume(live.handle, cursor)
        body = self.call.fallback if how.fallback else self.call.body
        headers = self.call.headers
        if self.idempotency_key:
            headers = headers | {"Idempotency-Key": self.idempotency_key}
        return Call(self.call.method, self.call.path, headers, body)

    def ordering(self, live: Live) -> Ordering:
        """What this stream's ids say of each other."""
        scheme = live.handle.scheme or self.dialect.SCHEME
        return SCHEMES[scheme].ordering if scheme in SCHEMES else Ordering.OPAQUE

    def promised(self, connection: link.Connection) -> Handle:
        """How the server says, in the headers of its answer, that one gets back to it."""
        if not self.may_resume:
            return NOTHING
        if connection.location:
            return located(connection.location, connection.remote_id)
        by_name, by_url = by_conversation(self.call, connection.server), again(self.call)
        return by_name if by_name.known else by_url if by_url.known else NOTHING

    def hoped(self, live: Live) -> Handle:
        """How a server may let us get back to it that gave its events ids, and no way to use them.
        An API that has a way of its own numbers events for that alone."""
        if live.handle == NOTHING and live.cursor and self.may_resume and not self.dialect.SCHEME:
            return hoped(self.call)
        return Handle()

    def kept(self, live: Live) -> Handle:
        """How the API's own words say it."""
        said = live.fold.kept
        if said is None or not self.may_resume:
            return Handle()
        return kept(self.dialect.SCHEME, said.id, streams=said.streams)

    def cancel(self, live: Live) -> Call | None:
        """How the server is told to stop; None if only closing the connection tells it."""
        if live.handle == Handle() and self.relay and self.idempotency_key:
            return cancel_by_key(self.idempotency_key)
        scheme = SCHEMES.get(live.handle.scheme)
        return scheme.cancel(live.handle) if scheme and scheme.cancel else None

    def may_be_llama(self, live: Live) -> bool:
        """Whether its server, which has not shown what it is, may go on with it under our name."""
        return live.handle == Handle() and CONVERSATION_HEADER in self.call.headers

    @property
    def by_name(self) -> Handle:
        """How to get back to it at a llama.cpp server."""
        return by_conversation(self.call, LLAMA)

    def lookup(self, live: Live) -> Call | None:
        """How the server is asked whether it keeps the stream at all, where its name alone says so
        too early."""
        scheme = SCHEMES.get(live.handle.scheme)
        return scheme.lookup(live.handle) if scheme and scheme.lookup else None

    def poll(self, live: Live) -> Call | None:
        """How the final object is asked for."""
        scheme = SCHEMES.get(live.handle.scheme)
        return scheme.poll(live.handle) if scheme and scheme.poll else None
