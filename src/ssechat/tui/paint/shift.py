"""Whether a frame shows rows that stand on the screen already, further down or up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ssechat.tui.paint.cells import Row

LEAST = 4
"""Rows that must come out right by scrolling which would else be drawn."""
_EDGE = 2
"""Cells at the right that do not count: a scrollbar may stand there."""


class Shift(NamedTuple):
    """Rows `top` to `bottom` move up by `by` rows, or down if it is negative."""

    top: int
    bottom: int
    by: int


def shift_of(old: Sequence[Row | None], new: Mapping[int, Row]) -> Shift | None:
    """The shift that spares the most, if one spares enough. `new`: the rows that are told."""
    changed = {y: text for y, row in new.items() if old[y] != row and (text := _text(row))}
    if len(changed) < LEAST:
        return None
    places: dict[str, list[int]] = {}
    for y, row in enumerate(old):
        if row is not None and (text := _text(row)):
            places.setdefault(text, []).append(y)
    votes = Counter(
        at - y
        for y, text in changed.items()
        if len(found := places.get(text, ())) == 1
        for at in found
        if at != y
    )
    if not votes:
        return None
    by = votes.most_common(1)[0][0]
    right = [y for y, text in changed.items() if y + by in places.get(text, ())]
    if len(right) < LEAST:
        return None
    top, bottom = min(right) + min(0, by), max(right) + max(0, by)
    still = sum(1 for y in range(top, bottom + 1) if y not in changed and _told(old[y]))
    return Shift(top, bottom, by) if len(right) - still >= LEAST else None


def _told(row: Row | None) -> bool:
    return row is not None and bool(_text(row))


def _text(row: Row) -> str:
    return "".join([text for text, _ in row[:-_EDGE]]).strip()
