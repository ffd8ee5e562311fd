"""Collections of garbage look at what is new, and at everything only while nothing streams."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from ssechat.tui import collecting
from ssechat.tui.collecting import Collecting


class Thing:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Collecting]]:
    """Begin to collect so, where at least so many objects are worth a pause."""
    begun: list[Collecting] = []

    def begin(least: int = 1) -> Collecting:
        monkeypatch.setattr(collecting, "_LEAST", least)
        begun.append(Collecting())
        return begun[-1]

    gc.unfreeze()
    gc.collect()
    yield begin
    for one in begun:
        one.close()
    gc.unfreeze()


Begin = Callable[..., Collecting]


def set_aside() -> weakref.ref[Thing]:
    """Something that was set aside, and has died since."""
    thing = Thing()
    gc.collect()
    return weakref.ref(thing)


def test_what_a_full_collection_found_alive_is_set_aside(begin: Begin) -> None:
    begin()
    kept: list[list[int]] = [[] for _ in range(1000)]
    gc.collect()
    assert gc.get_freeze_count() > len(kept)
    assert not any(one is kept[0] for one in gc.get_objects())


def test_what_dies_there_is_found_when_nothing_streams(begin: Begin) -> None:
    collecting = begin()
    gone = set_aside()
    gc.collect()
    assert gone() is not None
    collecting.idle()
    assert gone() is None


def test_nothing_is_looked_at_again_unless_much_was_set_aside(begin: Begin) -> None:
    collecting = begin(10**9)
    gone = set_aside()
    collecting.idle()
    assert gone() is not None
