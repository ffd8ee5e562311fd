"""All streams of a demo server: starting them, finding them again, ending them."""

from __future__ import annotations

import hashlib
import time
from typing import Protocol

from ssechat.demo.faults import Faults
from ssechat.demo.request import MODELS, Dialect
from ssechat.demo.script import Script, script
from ssechat.demo.store import Store
from ssechat.demo.stream import KEPT, Stream, new_id

_MOST_STREAMS = 256
_MOST_REFUSED = 1024
_CALLED_OFF = 600.0  # s that a key which was cancelled before it came starts nothing


class Full(Exception):
    """Too many streams are live, or they cannot be written down."""


class OtherBody(Exception):
    """This idempotency key was used for another request."""


class Listener(Protocol):
    stream: Stream

    def wake(self) -> None: ...

    def hang_up(self) -> None: ...


class Provider:
    """`rate` is in events a second."""

    def __init__(self, store: Store, rate: float) -> None:
        self._store = store
        self._rate = rate
        self._streams = {stream.id: stream for stream in store.load()}
        self._refused: dict[tuple[str, int], None] = {}
        self._called_off: dict[str, float] = {}
        self.listeners: set[Listener] = set()
        self._sweep()

    def refuses(self, digest: str, asked: Faults) -> tuple[int, int] | None:
        """The status and Retry-After with which this request is turned away for the first time."""
        for status, seconds in ((429, asked.limited), (503, asked.unavailable)):
            if seconds is not None and (digest, status) not in self._refused:
                self._refused[digest, status] = None
                if len(self._refused) > _MOST_REFUSED:
                    del self._refused[next(iter(self._refused))]
                return status, seconds
        return None

    def known(self, key: str, digest: str) -> Stream | None:
        """The stream that an idempotency key started. Raises OtherBody."""
        found = next((one for one in self._streams.values() if key and one.key == key), None)
        if found is not None and found.digest != digest:
            raise OtherBody
        return found

    def call_off(self, key: str) -> Stream | None:
        """The stream that `key` started; if there is none, it will start none for a while."""
        found = next((one for one in self._streams.values() if one.key == key), None)
        if found is None:
            now = time.time()
            self._called_off = {k: t for k, t in self._called_off.items() if t > now - _CALLED_OFF}
            self._called_off[key] = now
        return found

    def called_off(self, key: str) -> bool:
        return time.time() - self._called_off.get(key, 0.0) < _CALLED_OFF

    def start(self, dialect: Dialect, body: bytes, play: Script, key: str) -> Stream:
        """A new stream, whose clock runs from now. Raises Full. A plain one is kept nowhere."""
        stream = self._stream(dialect, play, key, digest(dialect, body))
        if not stream.plain:
            self._keep(stream, body)
        return stream

    def find(self, id: str) -> Stream | None:
        """A stream by its id; another process may have started it in the same directory."""
        found = self._streams.get(id) or self._store.find(id)
        if found is not None:
            self._streams[found.id] = found
        return found

    def script(self, stream: Stream) -> Script | None:
        """A stream's script; None if it can no longer be computed as it was."""
        body = self._store.body(stream.id)
        if body is None:
            return None
        found = script(stream.dialect, body)
        return found if found.fingerprint == stream.fingerprint else None

    def fire(self, stream: Stream, fault: str) -> bool:
        """Whether a fault that happens once is to happen now."""
        if fault in stream.fired:
            return False
        stream.fired.append(fault)
        self._store.update(stream)
        return True

    def stop(self, stream: Stream) -> bool:
        """End a generation; False if it has ended already."""
        now = time.time()
        if stream.state(now) != "live":
            return False
        stream.stopped, stream.stopped_at = stream.due_by(now), now
        self._store.update(stream)
        for listener in self.listeners:
            if listener.stream is stream:
                listener.wake()
        return True

    def close(self) -> None:
        """The server ends: its readers are hung up on, the streams stay."""
        for listener in list(self.listeners):
            listener.hang_up()

    def _keep(self, stream: Stream, body: bytes) -> None:
        self._sweep()
        if len(self._streams) >= _MOST_STREAMS:
            self._drop_oldest_ended()
        try:
            self._store.add(stream, body)
        except OSError as error:
            raise Full(f"the stream cannot be kept: {error.strerror}") from None
        self._streams[stream.id] = stream

    def _stream(self, dialect: Dialect, play: Script, key: str, digest: str) -> Stream:
        ask, asked = play.ask, play.asked
        return Stream(
            id=new_id(),
            dialect=dialect,
            model=ask.model,
            key=key,
            digest=digest,
            began=time.time(),
            rate=asked.rate or self._rate * MODELS.get(ask.model, 1.0),
            slow=asked.slow,
            stalls=asked.stall,
            total=len(play.steps),
            natural=play.state,
            fingerprint=play.fingerprint,
            plain=asked.plain,
        )

    def _sweep(self) -> None:
        old = time.time() - KEPT
        for stream in [one for one in self._streams.values() if one.ends < old]:
            self._drop(stream)

    def _drop_oldest_ended(self) -> None:
        now = time.time()
        ended = [one for one in self._streams.values() if one.state(now) != "live"]
        if not ended:
            raise Full(f"{_MOST_STREAMS} streams are live, which is the most this server serves")
        self._drop(min(ended, key=lambda one: one.ends))

    def _drop(self, stream: Stream) -> None:
        del self._streams[stream.id]
        self._store.remove(stream)


def digest(dialect: Dialect, body: bytes) -> str:
    """What two requests have in common if they are the same."""
    return hashlib.sha256(f"{dialect}\n".encode() + body).hexdigest()
