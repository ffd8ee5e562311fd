"""Whether a frame shows rows that stand on the screen already, further down or up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ssechat.tui.paint.row import Row

LEAST = 4
"""Rows that scrolling must spare, else it is not worth it."""


class Shift(NamedTuple):
    """Rows `top` to `bottom` move up by `by` rows, or down if it is negative."""

    top: int
    bottom: int
    by: int


def shift_of(old: Sequence[Row], new: Mapping[int, Row]) -> Shift | None:
    """The shift that spares the most rows, if it spares enough. `new`: the rows that may change."""
    changed = {y: row for y, row in new.items() if row.cells != old[y].cells}
    if len(changed) < LEAST or not (by := _distance(old, changed)):
        return None
    first, last, spared = _best_run([_gain(old, changed, y, by) for y in range(len(old))])
    top, bottom = (first, last + by) if by > 0 else (first + by, last)
    fresh = range(last + 1, bottom + 1) if by > 0 else range(top, first)
    spared -= sum(1 for y in fresh if y not in changed)
    return Shift(top, bottom, by) if spared >= LEAST else None


def _distance(old: Sequence[Row], changed: Mapping[int, Row]) -> int:
    """By how many rows most of the changed rows have moved up; 0 if none has."""
    places: dict[str, list[int]] = {}
    for y, row in enumerate(old):
        places.setdefault(row.label, []).append(y)
    found = ((y, places.get(row.label, ())) for y, row in changed.items() if row.label)
    votes = Counter(at[0] - y for y, at in found if len(at) == 1)
    del votes[0]
    return votes.most_common(1)[0][0] if votes else 0


def _gain(old: Sequence[Row], changed: Mapping[int, Row], y: int, by: int) -> int:
    """1 if the shift brings row `y` what it is to show, -1 if it takes that away, else 0."""
    if not 0 <= y + by < len(old):
        return -len(old)
    right = old[y + by].label == (changed[y] if y in changed else old[y]).label
    return int(right) - (y not in changed)


def _best_run(gains: Sequence[int]) -> tuple[int, int, int]:
    """The first and the last of those neighbours that gain the most together, and how much."""
    best = (0, 0, 0)
    start, total = 0, 0
    for at, gain in enumerate(gains):
        if total <= 0:
            start, total = at, 0
        total += gain
        if total > best[2]:
            best = (start, at, total)
    return best
