"""A picker: a line to type in, and below it what matches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from ssechat.tui.screens.overlay import Overlay

Value = TypeVar("Value")


class Choice(NamedTuple, Generic[Value]):
    """One line: what it means, its clean text, and a dim word on the right."""

    value: Value
    text: str
    aside: str = ""


class Picker(Overlay[Value | None], Generic[Value]):
    """Gives the chosen value, or None. Up and down work while the typing goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("up", "move(-1)", ""),
        ("down", "move(1)", ""),
        ("pageup", "move(-10)", ""),
        ("pagedown", "move(10)", ""),
    ]

    def __init__(self, title: str, hint: str, placeholder: str, empty: str) -> None:
        super().__init__()
        self._title = title
        self._hint = hint
        self._placeholder = placeholder
        self._empty = empty
        self._choices: list[Choice[Value]] = []

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._title), classes="title")
            yield Input(placeholder=self._placeholder)
            yield OptionList()
            yield Static(Content(self._hint), classes="hint")

    async def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        await self.refill("")

    async def find(self, query: str) -> Sequence[Choice[Value]]:
        """What matches `query`; subclasses say."""
        raise NotImplementedError

    async def refill(self, query: str) -> None:
        """Show what matches now."""
        self._choices = list(await self.find(query))
        listing = self.query_one(OptionList)
        width = max(20, self.query_one(Vertical).content_size.width or 78)
        listing.clear_options()
        listing.add_options([Option(_line(choice, width)) for choice in self._choices])
        if not self._choices:
            listing.add_option(Option(Content(self._empty), disabled=True))
        elif listing.option_count:
            listing.highlighted = 0

    @on(Input.Changed)
    async def _typed(self, event: Input.Changed) -> None:
        await self.refill(event.value)

    @on(Input.Submitted)
    def _entered(self) -> None:
        at = self.query_one(OptionList).highlighted
        if at is not None and at < len(self._choices):
            self.dismiss(self._choices[at].value)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        if event.option_index < len(self._choices):
            self.dismiss(self._choices[event.option_index].value)

    def action_move(self, by: int) -> None:
        listing = self.query_one(OptionList)
        if self._choices:
            at = 0 if listing.highlighted is None else listing.highlighted
            listing.highlighted = max(0, min(len(self._choices) - 1, at + by))


def _line(choice: Choice[Value], width: int) -> Content:
    room = max(10, width - len(choice.aside) - 3)
    text = Content(choice.text).truncate(room, ellipsis=True, pad=True)
    return Content.assemble(text, "  ", (choice.aside, "$text-muted"))
