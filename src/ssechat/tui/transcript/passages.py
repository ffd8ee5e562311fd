"""The texts of a page that can be searched, and how often a needle is in each."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator

from ssechat.core.reply import Part, PartKind
from ssechat.tui.transcript.column import Column
from ssechat.tui.transcript.needle import Needle
from ssechat.tui.transcript.page import Anchor, Item, ReplyItem, UserItem
from ssechat.tui.transcript.parts import body_group

USER_TEXT = 2
"""The group of what the user wrote, in its item's stack."""


class Passage:
    """What the user wrote, or one part of an answer: `group` is its place in the item's stack.

    Its matches are counted in the text as it came, a slice at a time. Where some of that is shown
    otherwise, `shown` has the last word: how many there are on the screen.
    """

    def __init__(self, key: str, group: int, pieces: list[str], *, markdown: bool) -> None:
        self.key = key
        self.group = group
        self.pieces = pieces
        self._markdown = markdown
        self.begin()

    def begin(self) -> None:
        """Nothing of it has been searched."""
        self._found = 0
        self._shown: tuple[int, int] | None = None
        self._taken = 0  # pieces
        self._text, self._at = "", 0
        self._through = True  # `_text` has been searched

    @property
    def behind(self) -> bool:
        """Whether some of the text has not been searched."""
        return not self._through or self._taken < len(self.pieces)

    @property
    def matches(self) -> int:
        if self._shown is not None and self._shown[0] == self._taken:
            return self._shown[1]
        return self._found

    @property
    def taken(self) -> int:
        """How many pieces have been searched: it rises as the text grows."""
        return self._taken

    def shown(self, taken: int, matches: int) -> None:
        """There are so many where it is laid out, until it has more than `taken` pieces."""
        self._shown = taken, matches

    def search(self, needle: Needle, most: int) -> int:
        """Go on with at most so many characters: how many it were."""
        if self._through:
            self._text += "".join(self.pieces[self._taken :])
            self._taken, self._through = len(self.pieces), False
        start, stop = self._at, min(len(self._text), self._at + most)
        found, end = needle.count(self._text, start, stop, markdown=self._markdown)
        self._found += found
        self._at = max(end, stop)
        if stop == len(self._text):  # one may begin here and end in what is yet to come
            kept = max(end, stop - needle.reach)
            self._text, self._at, self._through = self._text[kept:], 0, True
        return stop - start


def passages(item: Item, opened: Callable[[ReplyItem, int], bool]) -> Iterator[Passage]:
    """Those of an item, in the order in which they are shown. `opened` says whether the thinking
    in a part is."""
    if isinstance(item, UserItem):
        yield Passage(item.key, USER_TEXT, [item.text], markdown=False)
    elif isinstance(item, ReplyItem):
        for number, part in _shown_parts(item):
            if part.kind is not PartKind.THINKING or opened(item, number):
                markdown = part.kind is PartKind.TEXT
                yield Passage(item.key, body_group(part, number), part.pieces, markdown=markdown)


def _shown_parts(item: ReplyItem) -> list[tuple[int, Part]]:
    """With their numbers; the sources last, and not before the answer has ended."""
    parts = [pair for pair in enumerate(item.reply.parts) if pair[1].media is None]
    sources = [pair for pair in parts if pair[1].kind is PartKind.SOURCES]
    others = [pair for pair in parts if pair[1].kind is not PartKind.SOURCES]
    return others if item.live else others + sources


class Passages:
    """All passages of a column's page, in its order and in step with it."""

    def __init__(self, column: Column, needle: Needle) -> None:
        self.all: list[Passage] = []
        self._column = column
        self._needle = needle
        self._numbers: dict[tuple[str, int], int] = {}
        self._of: dict[str, tuple[Item, list[Passage]]] = {}
        self._live: list[ReplyItem] = []
        self._growing: list[Passage] = []
        self._queue: deque[Passage] = deque()
        self._rev = -1
        self._opened: object = None

    @property
    def behind(self) -> bool:
        """Whether something is to be searched yet."""
        return bool(self._queue) or any(one.behind for one in self._growing)

    def number(self, key: str, group: int) -> int | None:
        """The number of this passage, if it is one."""
        return self._numbers.get((key, group))

    def around(self, anchor: Anchor) -> tuple[int, bool]:
        """The number of the first passage that does not end above this place, and whether the place
        is in it."""
        items = {item.key: number for number, item in enumerate(self._column.page.items)}
        here = items.get(anchor.key, 0), anchor.place.group
        places = [(items.get(one.key, 0), one.group) for one in self.all]
        number = bisect_left(places, here)
        return number, places[number : number + 1] == [here]

    def look_for(self, needle: Needle) -> None:
        """Begin anew: another needle is sought in the same texts."""
        self._needle = needle
        for passage in self.all:
            passage.begin()
        self._queue = deque(self.all)

    def begin(self, number: int) -> None:
        """Search from this passage to the last one, and then back from it to the first one."""
        self._queue = deque([*self.all[number:], *reversed(self.all[:number])])

    def search(self, most: int) -> None:
        """Search on, through about so many characters."""
        for passage in self._growing:
            if passage.behind:
                most -= passage.search(self._needle, most)
        while self._queue and most > 0:
            passage = self._queue[0]
            most -= passage.search(self._needle, most) if passage.behind else 0
            if not passage.behind:
                self._queue.popleft()

    def update(self) -> None:
        """Take over what the page has become."""
        page = self._column.page
        opened = self._column.look.thinking, page.toggled.copy()
        if self._rev == page.rev and self._opened == opened and not self._regrouped():
            return
        old = self._of if self._opened == opened else {}
        known = {(one.key, one.group): one for one in self.all}
        self._live = [item for item in page.items if isinstance(item, ReplyItem) and item.live]
        self._of = {}
        for item in page.items:
            kept = old.get(item.key)
            if kept is None or kept[0] is not item or kept[0] in self._live:
                kept = item, [_kept(known, one) for one in self._passages(item)]
            self._of[item.key] = kept
        self.all = [one for _, found in self._of.values() for one in found]
        self._numbers = {(one.key, one.group): number for number, one in enumerate(self.all)}
        self._growing = [one for item in self._live for one in self._of[item.key][1]]
        self._queue = deque(one for one in self.all if one.behind)
        self._rev, self._opened = page.rev, opened

    def _regrouped(self) -> bool:
        """Whether live answers have other passages than they had."""
        groups = [one.group for item in self._live for one in self._passages(item)]
        return groups != [one.group for one in self._growing]

    def _passages(self, item: Item) -> Iterator[Passage]:
        return passages(item, self._column.opens)


def _kept(known: dict[tuple[str, int], Passage], new: Passage) -> Passage:
    """The passage as it was, if it is still of the same text."""
    old = known.get((new.key, new.group))
    return old if old is not None and old.pieces == new.pieces else new
