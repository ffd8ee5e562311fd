"""A page laid out from top to bottom, as far as anybody looks.

Only items near the screen are read and wrapped; the heights of the others are guesses. So line
numbers change whenever a guess turns out wrong, and what holds still is the anchor: the line in
the first row, or, while the reader follows, the end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple

from ssechat.tui.markdown import Line
from ssechat.tui.markdown.spans import line_text
from ssechat.tui.transcript.page import Anchor, Item, Page, Place, ReplyItem, source_text
from ssechat.tui.transcript.parts import thinking_opened
from ssechat.tui.transcript.reading import Allowance
from ssechat.tui.transcript.slices import Look, Stack
from ssechat.tui.transcript.views import CARET, ItemView, view_of

KEEP = 400_000
"""Characters whose lines are kept for items that are not near the screen."""


_Near = Callable[[Stack], tuple[int, int]]
"""From which to before which line of an item it is near the screen."""


class Shown(NamedTuple):
    """An item and its lines, of which the first one has the number `first` on the page."""

    item: Item
    stack: Stack
    first: int


class Grip(NamedTuple):
    """Holds on to a line, whatever becomes of what is above it: `at` is its number in the item, and
    `text` what it begins with."""

    key: str
    place: Place
    at: int
    text: str


class Column:
    """The layout of one page. Lines are numbered from 0 at the top of the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.top = 0
        """The line in the first row of the screen."""
        self.height = 0
        """Rows of the screen."""
        self._look = Look(80)
        self._views: list[ItemView] = []
        self._tops = [0]
        self._index: dict[str, int] = {}
        self._built: dict[ItemView, None] = {}
        self._near = range(0)
        self._sought: ItemView | None = None  # kept, though it is not near: looked for
        self._first = 0  # the item in the first row
        self._read_on = False
        self._rev = -1
        self._seen: object = None

    @property
    def total(self) -> int:
        """How many lines the page has, partly guessed."""
        return self._tops[-1]

    @property
    def fed(self) -> int:
        """Characters that have been read for what is kept."""
        return sum(view.fed for view in self._built)

    @property
    def at_end(self) -> bool:
        return self.top + self.height >= self.total

    @property
    def unread(self) -> bool:
        """Whether something near the screen has not been read to its end."""
        return any(self._views[index].unread for index in self._near)

    @property
    def pending(self) -> bool:
        """Whether something near the screen will change without anything having come."""
        return self._read_on or any(self._views[index].pending for index in self._near)

    def read_on(self, look: Look) -> None:
        """Read more, as far as time allows; the next `arrange` lays it out."""
        self._read_on = True
        for index in reversed(self._near):
            self._views[index].read_on(look)

    def stale(self, look: Look) -> bool:
        """Whether `arrange` would change anything that can be seen."""
        return self._rev != self.page.rev or self._seen != self._state(look)

    def arrange(self, look: Look, height: int) -> None:
        """Lay out what the screen of `height` rows shows, and a screen above and below it."""
        anchor = self._reading(look)
        self.height = height
        resized = look.width != self._look.width
        self._look = look
        self._update(resized)
        if not self._views:
            self.top, self._near = 0, range(0)
        elif self.page.following or anchor is None:
            self._from_end()
        else:
            self._from_anchor(anchor)
        self.forget(KEEP)
        self._read_on = False
        self._seen = self._state(look)

    def scroll(self, top: int, allowance: Allowance | None = None) -> None:
        """The reader moves: `top` is in the numbering of the last `arrange`. `allowance`: for
        reading where nobody has been yet."""
        self._look.allowance = allowance or Allowance()
        top = max(0, min(top, self.total - self.height))
        self.page.following = top + self.height >= self.total
        if self._views:
            self.page.anchor = self._anchor(top)

    def rows(self) -> list[Line]:
        """What the screen shows, from its first row; fewer lines than rows if the page is short."""
        return self.lines(self.top, self.top + self.height)

    def lines(self, start: int, stop: int) -> list[Line]:
        """Lines by number, laid out if they are not yet."""
        lines: list[Line] = []
        index, at = self._locate(start)
        while index < len(self._views) and start + len(lines) < stop:
            lines += self._stack(index).lines(at, at + stop - start - len(lines))
            index, at = index + 1, 0
        return lines

    def thinking_at(self, line: int) -> tuple[str, int, bool] | None:
        """The thinking part whose header is in this line: item, number, and whether it is open."""
        if not 0 <= line < self.total:
            return None
        index, at = self._locate(line)
        stack, view = self._stack(index), self._views[index]
        part = stack.part(at) if at < len(stack) else None
        return None if part is None else (view.item.key, part, view.shows(part))

    @property
    def look(self) -> Look:
        """How the last `arrange` laid things out."""
        return self._look

    @property
    def anchor(self) -> Anchor | None:
        """What stands in the first row."""
        return self._anchor(self.top) if self._views else None

    def shown(self, start: int, stop: int) -> Iterator[Shown]:
        """The items that have lines from `start` to before `stop`."""
        index, at = self._locate(start)
        first = start - at
        while index < len(self._views) and first < stop:
            stack = self._stack(index)
            yield Shown(self._views[index].item, stack, first)
            first += len(stack)
            index += 1

    def grip(self, line: int, characters: int) -> Grip | None:
        """Hold on to a line by so many of its first characters."""
        if not self._views:
            return None
        index, at = self._locate(line)
        stack = self._stack(index)
        at = min(at, len(stack) - 1)
        text = line_text(stack.line(at))[:characters].rstrip(CARET.text + " ")
        return Grip(self._views[index].item.key, stack.place(at), at, text)

    def regrip(self, grip: Grip) -> int | None:
        """Where that line is now; None if it does not read as it did."""
        index = self._index.get(grip.key)
        if index is None:
            return None
        stack = self._views[index].stack
        if stack is None:  # far away, and so as it was
            return self._tops[index] + grip.at
        at = stack.find(grip.place)
        same = line_text(stack.line(at)).startswith(grip.text)
        return self._tops[index] + at if same else None

    def opens(self, item: ReplyItem, part: int) -> bool:
        """Whether this thinking part is shown where it is, or would be near the screen."""
        index = self._index.get(item.key)
        if index is not None and index in self._near:
            return self._views[index].shows(part)
        toggled = self.page.toggled.get((item.key, part))
        thinking = item.reply.parts[part]
        growing = item.live and thinking is item.reply.last and thinking.ended is None
        return thinking_opened(self._look.thinking, toggled, held=growing)

    @property
    def shifted(self) -> bool:
        """Whether lines have other numbers than `arrange` gave them."""
        return self._seen is None

    def read(self, key: str, allowance: Allowance, start: int, stop: int) -> Stack | None:
        """An item's lines, wherever it is, those from `start` to before `stop` measured; None if
        there is more to read than time allows."""
        index = self._index.get(key)
        if index is None:
            return None
        view = self._views[index]
        if index not in self._near:
            self._look.allowance = allowance
            self._build(index)
            self._sought = view
        if view.unread:
            return None
        stack = self._stack(index)
        while stack.measure(start, stop):
            stack, self._seen = self._build(index), None
        return stack

    def reveal(self, key: str, line: int, allowance: Allowance) -> None:
        """Let a line of an item that has been read be on the screen, a third from the top if it is
        not there yet; the reader stays there. `allowance`: for reading what is around it."""
        self._look.allowance = allowance
        index = self._index[key]
        number = self._tops[index] + line
        if index not in self._near or not self.top <= number < self.top + self.height:
            self.page.following = False
            self.page.anchor = Anchor(key, self._stack(index).place(line))
            self.arrange(self._look, self.height)
            self.scroll(self._tops[index] + line - self.height // 3, allowance)
        else:
            self.scroll(self.top, allowance)
        self.page.following = False

    def source(self) -> str:
        """The whole page's text, for a copy."""
        return "\n\n".join(source_text(item) for item in self.page.items)

    def _state(self, look: Look) -> object:
        """What the lines near the screen depend on, but for the page's `rev`."""
        near = [self._views[index] for index in self._near]
        if any(view.pending for view in near):
            return object()
        replies = [view.item.reply.rev for view in near if isinstance(view.item, ReplyItem)]
        clock = int(look.now) if any(view.ticking for view in near) else 0
        return replies, look.width, look.thinking, look.hint, clock

    def _reading(self, look: Look) -> Anchor | None:
        """Where the reader is; thinking does not collapse under their eyes."""
        anchor = None if self.page.following else self.page.anchor
        look.reading = anchor and (anchor.key, (anchor.place.group - 1) // 2)
        return anchor

    def _update(self, resized: bool) -> None:
        """Take over the page's items, and guess the heights that are not known."""
        width = self._look.text_width
        if resized:
            for index, view in enumerate(self._views):
                if index not in self._near:  # those near keep their blocks and only wrap again
                    view.drop()
                    view.estimate(width)
        if self._rev == self.page.rev:
            return
        old = {view.item.key: view for view in self._views}
        keys = {item.key for item in self.page.items}
        gone = [view for view in self._built if view.item.key not in keys]
        self._views = []
        for item in self.page.items:
            known = [old[item.key]] if item.key in old else gone
            found = next((one for one in known if one.fits(item)), None)
            view = found or view_of(item)
            if found is None:
                view.estimate(width)
            elif known is gone:  # a message is another item once it is written down
                gone.remove(view)
            view.item = item
            self._views.append(view)
        kept = set(self._views)
        self._built = {view: None for view in self._built if view in kept}
        self._index = {item.key: index for index, item in enumerate(self.page.items)}
        self._near = range(0)
        self._rev = self.page.rev

    def _from_end(self) -> None:
        first, wanted = len(self._views), 2 * self.height
        while first > 0 and wanted > 0:
            first -= 1
            wanted -= len(self._build(first, _last(wanted)))
        self._near = range(first, len(self._views))
        self._count()
        self.top = max(0, self.total - self.height)

    def _from_anchor(self, anchor: Anchor) -> None:
        index = self._index.get(anchor.key)
        if index is None:
            index, line = min(self._first, len(self._views) - 1), 0
            height = len(self._build(index, _first(2 * self.height)))
            above, below = self.height, 2 * self.height - height
        else:
            stack = self._build(index, _around(anchor.place, self.height))
            line = stack.find(anchor.place)
            above, below = self.height - line, 2 * self.height + line - len(stack)
        self._first, start, stop = index, index, index + 1
        while stop < len(self._views) and below > 0:
            below -= len(self._build(stop, _first(below)))
            stop += 1
        while start > 0 and (above > 0 or below > 0):
            start -= 1
            height = len(self._build(start, _last(max(above, below))))
            above, below = above - height, below - height
        self._near = range(start, stop)
        self._count()
        self.top = max(0, min(self._tops[index] + line, self.total - self.height))

    def _anchor(self, top: int) -> Anchor:
        index, at = self._locate(top)
        guessed = self._views[index].height
        stack = self._stack(index)
        if len(stack) != guessed:  # somebody jumped into what nobody had measured
            at = at * len(stack) // max(1, guessed)
        return Anchor(self._views[index].item.key, stack.place(min(at, len(stack) - 1)))

    def _locate(self, line: int) -> tuple[int, int]:
        """The item that a line is in, and the line's number there."""
        index = max(0, min(bisect_right(self._tops, line), len(self._views)) - 1)
        return index, line - self._tops[index]

    def _stack(self, index: int) -> Stack:
        """The item's lines as the last `arrange` laid them out, if it did."""
        stack = self._views[index].stack
        return self._build(index) if stack is None or index not in self._near else stack

    def _build(self, index: int, near: _Near | None = None) -> Stack:
        """An item's lines; `near` says which of them are to be measured."""
        view = self._views[index]
        self._built[view] = None
        stack = view.build(self._look, self.page.toggled, self.page.rev)
        while near is not None and stack.measure(*near(stack)):
            stack = view.build(self._look, self.page.toggled, self.page.rev)
        return stack

    def _count(self) -> None:
        self._tops = [0, *accumulate(view.height for view in self._views)]

    def forget(self, most: int = 0) -> None:
        """Let go of what is far from the screen, if it is more than so many characters."""
        near = {self._sought, *(self._views[index] for index in self._near)}
        far = [view for view in self._built if view not in near]
        if sum(view.fed for view in far) > most:
            for view in far:
                view.drop()
                del self._built[view]


def _first(count: int) -> _Near:
    return lambda stack: (0, count)


def _last(count: int) -> _Near:
    return lambda stack: (len(stack) - count, len(stack))


def _around(place: Place, height: int) -> _Near:
    """A screen above the line at that place, and two from there on."""

    def near(stack: Stack) -> tuple[int, int]:
        line = stack.find(place)
        return line - height, line + 2 * height

    return near
