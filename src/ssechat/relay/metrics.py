"""What the relay counts, as Prometheus reads it (text format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator

from ssechat.core.frames import Frame, FrameKind
from ssechat.hub import Live

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds until an upstream's first event."""


class Metrics:
    """Counters since the start of the process. Labels are upstreams' names, states and statuses:
    nothing that a client chooses."""

    def __init__(self) -> None:
        self.events = 0
        self.event_bytes = 0
        self.resumes: Counter[str] = Counter()
        self._ended: Counter[tuple[str, str]] = Counter()
        self._requests: Counter[int] = Counter()
        self._waits: dict[str, list[int]] = {}
        self._waited: dict[str, float] = {}

    def request(self, status: int) -> None:
        self._requests[status] += 1

    def count(self, frames: Iterable[Frame]) -> None:
        """These frames came from an upstream."""
        for frame in frames:
            if frame.kind is FrameKind.EVENT:
                self.events += 1
                self.event_bytes += len(frame.data)

    def live_ended(self, live: Live) -> None:
        upstream = live.profile.partition("/")[0]
        self._ended[upstream, str(live.end)] += 1
        self.resumes[upstream] += live.fold.resumes
        ttfb = live.fold.meter.ttfb()
        if ttfb is not None:
            waits = self._waits.setdefault(upstream, [0] * (len(_BUCKETS) + 1))
            waits[bisect_left(_BUCKETS, ttfb)] += 1
            self._waited[upstream] = self._waited.get(upstream, 0.0) + ttfb

    def text(self, *, live: int, readers: int, draining: bool) -> str:
        return "\n".join(self._lines(live, readers, draining)) + "\n"

    def _lines(self, live: int, readers: int, draining: bool) -> Iterator[str]:
        yield from _family("streams_live", "gauge", "Streams that go on.", {"": live})
        yield from _family("readers", "gauge", "Connections that read streams.", {"": readers})
        yield from _family("draining", "gauge", "1 while it is about to end.", {"": int(draining)})
        yield from _family("events_total", "counter", "Events journalled.", {"": self.events})
        yield from _family(
            "event_bytes_total", "counter", "Bytes of their data.", {"": self.event_bytes}
        )
        yield from _family(
            "requests_total",
            "counter",
            "Requests answered.",
            {f'status="{status}"': count for status, count in sorted(self._requests.items())},
        )
        yield from _family(
            "streams_ended_total",
            "counter",
            "Streams that ended.",
            {
                f'upstream="{upstream}",state="{state}"': count
                for (upstream, state), count in sorted(self._ended.items())
            },
        )
        yield from _family(
            "resumes_total",
            "counter",
            "Times that an upstream's stream was resumed.",
            {f'upstream="{upstream}"': count for upstream, count in sorted(self.resumes.items())},
        )
        yield from self._histogram()

    def _histogram(self) -> Iterator[str]:
        name = "ssechat_relay_upstream_first_event_seconds"
        yield f"# HELP {name} Seconds from the request to an upstream's first event."
        yield f"# TYPE {name} histogram"
        for upstream, waits in sorted(self._waits.items()):
            label, total = f'upstream="{upstream}"', 0
            for bound, count in zip((*_BUCKETS, "+Inf"), waits, strict=True):
                total += count
                yield f'{name}_bucket{{{label},le="{bound}"}} {total}'
            yield f"{name}_sum{{{label}}} {self._waited[upstream]:.3f}"
            yield f"{name}_count{{{label}}} {total}"


def _family(name: str, kind: str, about: str, values: dict[str, int]) -> Iterator[str]:
    name = f"ssechat_relay_{name}"
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values.items():
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"
