"""The links of what is on the screen; one is opened or copied."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from ssechat.tui.links import LONGEST, Link
from ssechat.tui.screens.picker import Choice, Picker

_INDENT = "  "


class Use(StrEnum):
    OPEN = "open"
    COPY = "copy"


class LinkPicker(Picker[tuple[Use, Link]]):
    """Gives which link is to be opened or copied. Each is shown in full before it is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "copy", "", priority=True)]

    def __init__(self, links: Sequence[Link], unseen: str) -> None:
        """`unseen`: why none of them is opened; "" if they are."""
        hint = f"enter copies: {unseen}" if unseen else "enter opens · ctrl+c copies"
        typed = "copy which" if unseen else "open which (ctrl+c copies)"
        super().__init__("Links", f"{hint} · escape closes", typed, "no such link")
        self._all = [_choice(link, unseen) for link in links]

    async def find(self, query: str) -> Sequence[Choice[tuple[Use, Link]]]:
        words = query.lower().split()
        return [one for one in self._all if all(word in _text(one).lower() for word in words)]

    def line(self, choice: Choice[tuple[Use, Link]], width: int) -> Content:
        """To whom it leads, then where, in as many lines as that takes."""
        first = super().line(choice, width)
        use, link = choice.value
        target, room = link.target[:LONGEST], max(8, width - len(_INDENT))
        pieces = [target[at : at + room] for at in range(0, len(target), room)]
        if len(link.target) > LONGEST:
            pieces.append(f"… {len(link.target):,} characters")
        style = "$text-muted" if use is Use.COPY else ""
        return Content("\n").join([first, *(Content.styled(_INDENT + p, style) for p in pieces)])

    async def action_copy(self) -> None:
        await self._catch_up()
        if (marked := self._marked) is not None:
            self.dismiss((Use.COPY, marked.value[1]))


def _choice(link: Link, unseen: str) -> Choice[tuple[Use, Link]]:
    opens = link.opens and len(link.target) <= LONGEST
    text = "  ".join(filter(None, (link.host, link.label))) or "link"
    use = Use.OPEN if opens and not unseen else Use.COPY
    return Choice((use, link), text, "" if opens else "copy only")


def _text(choice: Choice[tuple[Use, Link]]) -> str:
    return f"{choice.text} {choice.value[1].target}"
