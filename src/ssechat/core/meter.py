"""The meter: TTFB, time to the first token, tokens per second. Times in seconds, monotonic."""

from __future__ import annotations

from collections import deque

WINDOW = 3.0  # s, of the live rate
SLICE = 0.25  # s, one bar of the history
BARS = 16
CATCH_UP = 0.25  # s after a resume in which what comes counts as replayed
_WORDY = 8  # characters a delta; above it, a delta is not a token


def estimate(chars: int, pieces: int, wide: int = 0) -> int:
    """Tokens in `chars` characters that came in `pieces` deltas, `wide` of them non-ASCII.

    Most servers send one token a delta; where deltas are longer, a token is about four ASCII
    characters or one other.
    """
    if pieces and chars <= pieces * _WORDY:
        return pieces
    return wide + (chars - wide + 3) // 4


class Meter:
    """Fed with arrivals; the time away from the server does not count, nor do replayed frames."""

    def __init__(self) -> None:
        self.sent: float | None = None
        self.first_byte: float | None = None
        self.first_token: float | None = None
        self.last_token: float | None = None
        self.chars = 0
        self.pieces = 0
        self._wide = 0
        self._away = 0.0
        self._left: float | None = None  # the last token before the connection was lost
        self._live_from = 0.0  # what comes earlier was waiting for us at the server
        self._last_live: float | None = None
        self._caught_up = 0  # tokens that were
        self._recent: deque[tuple[float, int]] = deque()

    def request(self, mono: float) -> None:
        """The request left. Only the first counts: a resume starts no clock again."""
        if self.sent is None or self.first_byte is None:
            self.sent = mono

    def event(self, began: float) -> None:
        """An event was dispatched whose first byte came at `began`."""
        if self.first_byte is None:
            self.first_byte = began

    def text(self, text: str, mono: float) -> None:
        """Thinking or answer text came."""
        if self.first_token is None:
            self.first_token = mono
        before = self.tokens
        self.chars += len(text)
        self.pieces += 1
        if not text.isascii():
            self._wide += sum(char > "\x7f" for char in text)
        self.last_token = mono
        if mono < self._live_from:
            self._caught_up += self.tokens - before
        else:
            self._count(self.tokens - before, mono)

    def _count(self, tokens: int, mono: float) -> None:
        if self._left is not None:
            self._away += max(0.0, mono - self._left)
            self._left = None
        self._last_live = mono
        self._recent.append((mono, max(0, tokens)))
        while self._recent[0][0] < mono - BARS * SLICE:
            self._recent.popleft()

    def away(self) -> None:
        """The connection is lost: the clock of the rate stands from the last token on."""
        if self._left is None:
            self._left = self._last_live
            self._recent.clear()

    def back(self, mono: float) -> None:
        """The stream goes on at `mono`; what was said meanwhile comes first, in a burst."""
        self._live_from = mono + CATCH_UP

    @property
    def tokens(self) -> int:
        """An estimate of the tokens shown so far."""
        return estimate(self.chars, self.pieces, self._wide)

    def ttfb(self, now: float | None = None) -> float | None:
        """Seconds from request to first byte; still running, up to `now`, while it is awaited."""
        return _span(self.sent, now if self.first_byte is None else self.first_byte)

    def ttft(self) -> float | None:
        return _span(self.sent, self.first_token)

    def rate(self, now: float) -> float | None:
        """Tokens per second over the last `WINDOW` seconds."""
        if not self._recent or self._left is not None:
            return None
        oldest = max(self._recent[0][0], now - WINDOW)
        count = sum(tokens for at, tokens in self._recent if at >= now - WINDOW)
        return count / max(now - oldest, SLICE)

    def mean(self, tokens: int | None = None) -> float | None:
        """Tokens per second from the first token to the last; `tokens` as the server counts."""
        if self.first_token is None or self._last_live is None:
            return None
        span = self._last_live - self.first_token - self._away
        count = (self.tokens if tokens is None else tokens) - self._caught_up
        return count / span if span > 0.05 and count > 1 else None

    def bars(self, now: float) -> list[int]:
        """Tokens in each of the last `BARS` slices, oldest first."""
        counts = [0] * BARS
        for at, tokens in self._recent:
            age = int((now - at) / SLICE)
            if 0 <= age < BARS:
                counts[BARS - 1 - age] += tokens
        return counts


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)
