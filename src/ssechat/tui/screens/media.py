"""The images and audio of a conversation; one is opened or saved."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from ssechat.tui.saving import Thing
from ssechat.tui.screens.picker import Choice, Picker
from ssechat.tui.transcript import wording


class What(StrEnum):
    OPEN = "open"
    SAVE = "save"


class MediaPicker(Picker[tuple[What, Thing]]):
    """Gives what is to be done with which; the newest come first."""

    def __init__(self, things: Sequence[Thing]) -> None:
        super().__init__(
            "Images and audio", "enter does it · escape closes", "open or save which", "no such one"
        )
        self._all = [
            Choice((what, thing), f"{what} {_label(thing)}", wording.media_facts(thing.blob))
            for thing in reversed(things)
            for what in What
            if what is What.SAVE or thing.blob.type.kind is not None
        ]

    async def find(self, query: str) -> Sequence[Choice[tuple[What, Thing]]]:
        words = query.lower().split()
        return [
            one
            for one in self._all
            if all(word in f"{one.text} {one.aside}".lower() for word in words)
        ]


def _label(thing: Thing) -> str:
    return f"{wording.media_label(thing.part, thing.blob)} {thing.number}"
