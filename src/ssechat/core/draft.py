"""A draft: what is typed, and between it the long texts that were pasted, each as one thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

FOLD_OVER = 20_000  # bytes of UTF-8


@dataclass(frozen=True, slots=True)
class Pasted:
    """A long text that stands before character `at` of what is typed."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What is `typed`, without the `pastes`; those are in the order of their places."""

    typed: str = ""
    pastes: tuple[Pasted, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.typed or self.pastes)

    def __add__(self, other: Draft) -> Draft:
        return Draft(self.typed + other.typed, self.pastes + other._moved(len(self.typed)))

    def pieces(self) -> Iterator[str | Pasted]:
        """All of it in its order; what is typed as text."""
        at = 0
        for paste in self.pastes:
            yield self.typed[at : paste.at]
            yield paste
            at = paste.at
        yield self.typed[at:]

    @property
    def whole(self) -> str:
        """The text that it is, with what was pasted in its places."""
        return "".join(
            piece.text if isinstance(piece, Pasted) else piece for piece in self.pieces()
        )

    @property
    def stripped(self) -> Draft:
        """Without empty lines before, and blanks after. A paste stays as it is."""
        first = self.pastes[0].at if self.pastes else len(self.typed)
        last = self.pastes[-1].at if self.pastes else 0
        start = min(first, len(self.typed) - len(self.typed.lstrip("\n")))
        stop = max(last, len(self.typed.rstrip()))
        return Draft(self.typed[start:stop], self._moved(-start))

    def _moved(self, by: int) -> tuple[Pasted, ...]:
        return tuple(replace(paste, at=paste.at + by) for paste in self.pastes)


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def is_long(text: str) -> bool:
    """Whether a text is shown folded in a draft."""
    return len(text) > FOLD_OVER or size(text) > FOLD_OVER


def folded(text: str, known: Iterable[Pasted] = ()) -> Draft:
    """`text` as a draft. In it are folded the `known` pastes, as far as they stand in it unchanged
    and in their order, and what is too long before, between and after them."""
    draft = Draft()
    for paste in known:
        before, found, after = text.partition(paste.text)
        if found:
            draft, text = draft + _piece(before) + _paste(found), after
    return draft + _piece(text)


def joined(*drafts: Draft) -> Draft:
    """Drafts below each other, without those that are empty."""
    whole = Draft()
    for draft in filter(None, drafts):
        whole = whole + Draft("\n") + draft if whole else draft
    return whole


def _piece(text: str) -> Draft:
    return _paste(text) if is_long(text) else Draft(text)


def _paste(text: str) -> Draft:
    return Draft("", (Pasted(0, text),))
