"""The status bar: how the answer on screen is doing."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len

from ssechat.tui.status import Piece, fit
from ssechat.tui.widgets.bar import Bar

_HELP = "F1 help "


class StatusBar(Bar):
    """`show` the pieces of the answer; those of a `hint` take the bar over, for a pending key."""

    def __init__(self) -> None:
        super().__init__(id="status")
        self._pieces: list[Piece] = []
        self._hint: list[Piece] = []

    def show(self, pieces: list[Piece], hint: list[Piece]) -> None:
        self._pieces, self._hint = pieces, hint
        self.set(tuple(pieces), tuple(hint))

    def line(self, width: int) -> Iterable[tuple[str, str]]:
        if self._hint:
            words = "  ".join(piece.text for piece in fit(self._hint, width - 2))
            yield f" {words} ", "mark"
            return
        pieces = fit(self._pieces, width - 2)
        used = 1
        yield " ", "plain"
        for number, piece in enumerate(pieces):
            text = piece.text if number == 0 else f"  {piece.text}"
            used += cell_len(text)
            yield text, piece.tone
        if used + 2 + len(_HELP) <= width:
            yield " " * (width - used - len(_HELP)), "plain"
            yield _HELP, "dim"
