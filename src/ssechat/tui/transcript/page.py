"""A page: what a tab shows of a conversation, and where its reader is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ssechat.core.deltas import EndState
from ssechat.core.reply import Reply
from ssechat.core.safe import clean

_ENDED = frozenset(str(state) for state in EndState)


@dataclass(frozen=True, slots=True)
class UserItem:
    """What the user wrote, at `wall` (seconds since the epoch)."""

    key: str
    text: str
    wall: float


@dataclass(frozen=True, slots=True)
class ReplyItem:
    """An answer. `reply` grows by itself; for the rest a new item of the same key is put.

    `attempt` is (this one, of how many), from 1. `state` is a word of `EndState` once the stream
    has ended, before that whatever the status bar says.
    """

    key: str
    reply: Reply
    label: str
    attempt: tuple[int, int] = (1, 1)
    state: str = "live"
    note: str = ""
    wall: float = 0.0

    @property
    def live(self) -> bool:
        return self.state not in _ENDED


@dataclass(frozen=True, slots=True)
class NoteItem:
    """A word of the app's own. `tone`: "info", "success", "warning" or "error"."""

    key: str
    text: str
    tone: str = "info"


Item = UserItem | ReplyItem | NoteItem


class Place(NamedTuple):
    """A line of an item, whatever the width: the `group` it is in (its header, a part's text), the
    block there, and which of the block's lines, `of` how many."""

    group: int
    block: int
    line: int
    of: int


class Anchor(NamedTuple):
    """What stands in the first row of the screen."""

    key: str
    place: Place


class Page:
    """The items of one path through a conversation, oldest first. `rev` rises with every change.

    `following`: the reader is at the end and stays there; else `anchor` says where.
    """

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self.items: list[Item] = list(items)
        self.rev = 0
        self.following = True
        self.anchor: Anchor | None = None
        self.toggled: dict[tuple[str, int], bool] = {}
        """Thinking parts, by item and number, that were opened or closed by hand."""

    def put(self, item: Item) -> None:
        """Add an item, or put it in the place of the one with its key."""
        for at, old in enumerate(reversed(self.items), 1):
            if old.key == item.key:
                self.items[-at] = item
                break
        else:
            self.items.append(item)
        self.rev += 1

    def drop(self, key: str) -> None:
        self.reset(item for item in self.items if item.key != key)

    def reset(self, items: Iterable[Item]) -> None:
        """Another path: what has kept its key keeps its layout."""
        self.items = list(items)
        self.rev += 1

    def toggle(self, key: str, part: int, opened: bool) -> None:
        """Open or close one thinking part, whatever the mode."""
        self.toggled[key, part] = opened
        self.rev += 1


def source_text(item: Item) -> str:
    """What a copy of the item holds: its text as it came, without what a terminal would obey."""
    return clean(item.reply.answer if isinstance(item, ReplyItem) else item.text)
