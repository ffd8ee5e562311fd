"""Who answers: profiles and their models."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ssechat.core.errors import Problem
from ssechat.core.safe import clean_line
from ssechat.session import Session
from ssechat.settings import Profile
from ssechat.tui.screens.picker import Choice, Picker


class Models(Picker[Profile]):
    """Gives a profile with the chosen model. What is typed can be used as a model's name.

    `current` answers now; None is the demo, which may have to be started first.
    """

    def __init__(self, session: Session, current: Profile | None) -> None:
        super().__init__(
            "Profile and model",
            "enter chooses · type a name that is not listed to use it · escape closes",
            "profile or model",
            "looking for who could answer …",
        )
        self._session = session
        self._current = current
        self._profiles: list[Profile] = [] if current is None else [current]
        self._listed: list[Profile] = []

    async def on_mount(self) -> None:
        await super().on_mount()
        self.run_worker(self._gather(), exclusive=True)

    async def find(self, query: str) -> Sequence[Choice[Profile]]:
        words = query.lower().split()
        known = _unique([*self._profiles, *self._listed])
        found = [p for p in known if all(word in _text(p).lower() for word in words)]
        if self._current and len(words) == 1 and all(p.model != query for p in found):
            found.append(msgspec.structs.replace(self._current, model=query))
        return [Choice(profile, _text(profile), self._aside(profile)) for profile in found]

    async def _gather(self) -> None:
        """Find the profiles, then ask the current one's server for its models."""
        try:
            self._profiles = await self._session.profiles()
            self._current = self._current or self._profiles[-1]
            await self.renew()
            current = self._current
            names = await self._session.models(current)
        except Problem as problem:
            self.complain(problem)
        else:
            self._listed = [msgspec.structs.replace(current, model=name) for name in names]
            await self.renew()

    def _aside(self, profile: Profile) -> str:
        return "now" if profile == self._current else clean_line(profile.dialect, 20)


def _text(profile: Profile) -> str:
    return f"{clean_line(profile.name, 30)} · {clean_line(profile.model, 80) or 'no model yet'}"


def _unique(profiles: list[Profile]) -> list[Profile]:
    seen: dict[tuple[str, str], Profile] = {}
    for profile in profiles:
        seen.setdefault((profile.name, profile.model), profile)
    return list(seen.values())
