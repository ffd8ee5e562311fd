"""Who answers: profiles and their models."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from ssechat.core.errors import Problem
from ssechat.core.safe import clean_line
from ssechat.settings import Profile
from ssechat.tui.screens.picker import Choice, Picker

Lister = Callable[[Profile], Awaitable[list[str]]]


class Models(Picker[Profile]):
    """Gives a profile with the chosen model. What is typed can be used as a model's name."""

    def __init__(self, profiles: list[Profile], current: Profile | None, lister: Lister) -> None:
        super().__init__(
            "Profile and model",
            "enter chooses · type a name that is not listed to use it · escape closes",
            "profile or model",
            "asking the server for its models …",
        )
        self._profiles = profiles
        self._current = current
        self._lister = lister
        self._listed: list[Profile] = []

    async def on_mount(self) -> None:
        await super().on_mount()
        self.run_worker(self._list(), exclusive=True, exit_on_error=False)

    async def find(self, query: str) -> Sequence[Choice[Profile]]:
        words = query.lower().split()
        known = _unique([*self._profiles, *self._listed])
        found = [p for p in known if all(word in _text(p).lower() for word in words)]
        typed = query.strip()
        base = self._current or (self._profiles[0] if self._profiles else None)
        if (
            typed
            and base is not None
            and " " not in typed
            and not any(p.model == typed for p in found)
        ):
            found.append(msgspec.structs.replace(base, model=typed))
        return [Choice(profile, _text(profile), self._aside(profile)) for profile in found]

    async def _list(self) -> None:
        """Ask the current profile's server; what it says is added."""
        if self._current is None:
            return
        try:
            names = await self._lister(self._current)
        except Problem as problem:
            self.notify(clean_line(str(problem)), severity="warning", markup=False)
            return
        self._listed = [msgspec.structs.replace(self._current, model=name) for name in names]
        query = self.query_one("Input").value  # type: ignore[attr-defined]
        await self.refill(query)

    def _aside(self, profile: Profile) -> str:
        same = self._current is not None and profile == self._current
        return "now" if same else clean_line(profile.dialect, 20)


def _text(profile: Profile) -> str:
    return f"{clean_line(profile.name, 30)} · {clean_line(profile.model, 80) or 'no model yet'}"


def _unique(profiles: list[Profile]) -> list[Profile]:
    seen: dict[tuple[str, str], Profile] = {}
    for profile in profiles:
        seen.setdefault((profile.name, profile.model), profile)
    return list(seen.values())
