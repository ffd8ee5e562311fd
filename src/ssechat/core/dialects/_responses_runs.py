"""Where the pieces of a response belong, and what is missing of them at their end."""

from __future__ import annotations

from typing import Any

from ssechat.core.dialects._json import count, mapping, string

Place = tuple[str, int, int]
"""Where a run of text belongs: its kind, the index of its item, its index within the item."""


class Items:
    """Which output item an event is about: its `output_index` says so, or the item's id.

    llama.cpp sends no index. An event with neither belongs to the latest item.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, int] = {}
        self._latest = self._next = 0

    def index(self, event: dict[str, Any]) -> int:
        item = mapping(event, "item")
        ids = (string(event, "item_id"), string(item, "id"), string(item, "call_id"))
        names = [name for name in ids if name]
        told = count(event, "output_index")
        index = self._known(names) if told is None else told
        if item or told is None:
            self._by_id.update(dict.fromkeys(names, index))
        self._latest, self._next = index, max(self._next, index + 1)
        return index

    def _known(self, names: list[str]) -> int:
        new = self._next if names else self._latest
        return next((self._by_id[name] for name in names if name in self._by_id), new)


class Runs:
    """What has come of each run, until it is finished."""

    def __init__(self) -> None:
        self._seen: dict[Place, list[str]] = {}
        self._finished: set[Place] = set()

    def add(self, place: Place, text: str) -> None:
        self._seen.setdefault(place, []).append(text)

    def missing(self, place: Place, whole: str) -> str:
        """The run is finished and is `whole`: what lacks at its end, if all that came begins it.

        Nothing if it is finished already, unless more of it has come since.
        """
        seen = self._seen.pop(place, None)
        if seen is None and place in self._finished:
            return ""
        self._finished.add(place)
        return _rest(whole, "".join(seen or []))


def _rest(whole: str, seen: str) -> str:
    """`whole` without `seen` at its start, though `seen` may end within a surrogate pair; or ""."""
    units, known = _units(whole), _units(seen)
    if not units.startswith(known):
        return ""
    return units[len(known) :].decode("utf-16-le", "surrogatepass")


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")
