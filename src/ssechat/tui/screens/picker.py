"""A picker: a line to type in, and below it what matches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from ssechat.core.errors import Problem
from ssechat.core.safe import clean_line
from ssechat.tui.screens.overlay import Overlay
from ssechat.tui.widgets.in_order import run_binding, settled

Value = TypeVar("Value")
_WIDTH = 78  # cells, before the list is laid out
_SCROLLBAR = 1
_LEAST = 16  # cells for the text, if a word is to stand beside it
_MOST = 300  # choices that are listed: Textual lays out all of them before it shows one


class Choice(NamedTuple, Generic[Value]):
    """One line: what it means, its clean text, and a dim word on the right."""

    value: Value
    text: str
    aside: str = ""


class Query(Input):
    """Where the search is typed."""

    async def on_key(self, event: events.Key) -> None:
        await run_binding(self, event)


class Picker(Overlay[Value | None], Generic[Value]):
    """Gives the chosen value, or None. Up and down work while the typing goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "", priority=True),
        Binding("up", "move(-1)", "", priority=True),
        Binding("down", "move(1)", "", priority=True),
        Binding("pageup", "move(-10)", "", priority=True),
        Binding("pagedown", "move(10)", "", priority=True),
    ]

    def __init__(self, title: str, hint: str, placeholder: str, empty: str) -> None:
        super().__init__()
        self._title = title
        self._hint = hint
        self._placeholder = placeholder
        self._empty = empty
        self._choices: list[Choice[Value]] = []
        self._more = 0  # that match and are not listed
        self._room = 0  # cells for which they are laid out
        self._moved = False
        self._finding = asyncio.Lock()
        self._found: str | None = None  # the query that the choices are for

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._title), classes="title")
            yield Query(placeholder=self._placeholder)
            yield OptionList()
            yield Static(Content(self._hint), classes="hint")

    async def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        await self.renew()

    async def find(self, query: str) -> Sequence[Choice[Value]]:
        """What matches `query`, a text without blanks around it. May raise Problem."""
        raise NotImplementedError

    def line(self, choice: Choice[Value], width: int) -> Content:
        """How a choice looks in a list of so many cells."""
        return _line(choice, width)

    async def renew(self) -> None:
        """Look again for what matches, and show it; the highlight stays where the user put it."""
        async with self._finding:
            await self._find_again()

    async def _catch_up(self) -> None:
        """Take in what was typed before this key; some of it may still wait in the line's queue."""
        await settled(self.query_one(Query))
        await self._keep_up()

    async def _keep_up(self) -> None:
        """Show what matches what was typed until now, if that is not shown already."""
        async with self._finding:
            if self._found != self.typed:
                await self._find_again()

    async def _find_again(self) -> None:
        query = self.typed
        same = query == self._found
        self._moved &= same
        self._found = query
        marked = self._marked if self._moved else None
        old = self._choices, self._more
        found: Sequence[Choice[Value]] = ()
        try:
            found = await self.find(query)
        except Problem as problem:
            self.complain(problem)
        self._choices, self._more = list(found[:_MOST]), max(0, len(found) - _MOST)
        if same and found and old == (self._choices, self._more):
            return
        values = [choice.value for choice in self._choices]
        self._fill(values.index(marked.value) if marked and marked.value in values else 0)

    @property
    def typed(self) -> str:
        return self.query_one(Input).value.strip()

    def complain(self, problem: Problem) -> None:
        """Say what went wrong, without markup."""
        said = clean_line(" — ".join(str(problem).splitlines()), 400)
        self.notify(said, severity="warning", markup=False)

    @property
    def _marked(self) -> Choice[Value] | None:
        at = self.query_one(OptionList).highlighted
        return self._choices[at] if at is not None and at < len(self._choices) else None

    def _fill(self, highlighted: int) -> None:
        listing = self.query_one(OptionList)
        self._room = self._width
        listing.clear_options()
        listing.add_options([Option(self.line(choice, self._room)) for choice in self._choices])
        if self._choices:
            listing.highlighted = highlighted
        else:
            listing.add_option(Option(Content(self._empty), disabled=True))
        more = f"  … {self._more:,} more: type to narrow" if self._more else ""
        title = Content.assemble(self._title, (more, "not bold $text-muted"))
        self.query_one(".title", Static).update(title)

    @property
    def _width(self) -> int:
        """Cells for a line of the list."""
        return (self.query_one(Vertical).content_size.width or _WIDTH) - _SCROLLBAR

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        if self._room != self._width:
            self._fill(self.query_one(OptionList).highlighted or 0)

    @on(Input.Changed)
    async def _typed(self) -> None:
        await self._keep_up()

    async def action_choose(self) -> None:
        await self._catch_up()
        if (marked := self._marked) is not None:
            self.dismiss(marked.value)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        if event.option_index < len(self._choices):
            self.dismiss(self._choices[event.option_index].value)

    async def action_move(self, by: int) -> None:
        await self._catch_up()
        listing = self.query_one(OptionList)
        if self._choices:
            self._moved = True
            at = 0 if listing.highlighted is None else listing.highlighted
            listing.highlighted = max(0, min(len(self._choices) - 1, at + by))


def _line(choice: Choice[Value], width: int) -> Content:
    """The text on the left, the word on the right; that yields where both do not fit."""
    room = width - cell_len(choice.aside) - 2
    if not choice.aside or room < _LEAST:
        return Content(choice.text).truncate(width, ellipsis=True)
    text = Content(choice.text).truncate(room, ellipsis=True, pad=True)
    return Content.assemble(text, "  ", (choice.aside, "$text-muted"))
