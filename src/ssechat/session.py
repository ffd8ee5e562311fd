"""A session: configuration, journal, hub and the demo's process; what every front end needs."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec

from ssechat import first_run, link, paths, settings
from ssechat.background import Background
from ssechat.core.conversation import Call
from ssechat.core.errors import ConfigProblem, LinkProblem, Problem
from ssechat.hub import Hub
from ssechat.hub.route import route
from ssechat.journal import Journal
from ssechat.link import Clients
from ssechat.profiles import PROVIDERS, Choice, choose, demo_profile, found_keys
from ssechat.settings import DEMO, Profile, Settings
from ssechat.toml_tables import ConfigWarning

if TYPE_CHECKING:
    from ssechat.demo.child import DemoChild


class Session:
    """Opened once a process. `extra` are profiles that were found rather than configured."""

    def __init__(
        self, config: Settings, warnings: list[ConfigWarning], journal: Journal, clients: Clients
    ) -> None:
        self.settings = config
        self.warnings = warnings
        self.journal = journal
        self.extra: dict[str, Profile] = {}
        self.background = Background(clients, self._is_stored)
        self.hub = Hub(journal, clients, self.profile, via=self.background)
        self._clients = clients
        self._demo: DemoChild | None = None
        self._demo_starting = asyncio.Lock()

    @classmethod
    async def open(cls) -> Session:
        """Read config.toml and open the journal. JournalProblem or ConfigProblem if that fails."""
        config, warnings = settings.load(paths.config_file())
        journal = await Journal.open(paths.database_file())
        return cls(config, warnings, journal, Clients())

    def _is_stored(self, profile: Profile) -> bool:
        """Whether another process finds the same profile under its name."""
        known = {one.name: one for one in PROVIDERS} | self.settings.profiles
        found = known.get(profile.name)
        return found is not None and found.base_url == profile.base_url

    def choose(
        self, *, profile: str | None, model: str | None, demo: bool, ask: bool = False
    ) -> Choice:
        if model is not None and not model.isprintable():
            raise ConfigProblem("the model's name holds characters that cannot be sent")
        return choose(self.settings, os.environ, profile=profile, model=model, demo=demo, ask=ask)

    async def profile(self, name: str) -> Profile | None:
        """The profile called `name`; starts the demo provider if it is that one."""
        if name == DEMO:
            return await self.demo()
        if name in self.settings.profiles:
            return self.settings.profiles[name]
        found = self.extra.get(name)
        return found or next((p for p in PROVIDERS if p.name == name), None)

    async def prepare(self, profile: Profile) -> None:
        """Load and start what a request for the profile needs. Raises Problem."""
        await self._clients.prepare(profile.base_url, profile.ca_file)
        await self.background.prepare(profile)

    async def ready(self, profile: Profile | None) -> Profile:
        """`profile`, or the demo's once its server runs; a demo's origin is only known then."""
        if profile is None:
            return await self.demo()
        if profile.name == DEMO:
            demo = await self.demo()
            return msgspec.structs.replace(profile, base_url=demo.base_url)
        return profile

    async def demo(self) -> Profile:
        """The built-in provider, as a child that ends when we do."""
        from ssechat.demo.child import DemoChild

        async with self._demo_starting:
            if self._demo is None or not self._demo.running:
                self._demo = await DemoChild.start(paths.demo_dir())
        return demo_profile(self._demo.base_url)

    async def profiles(self) -> list[Profile]:
        """All that can answer: configured, by a key in the environment, found here, the demo.

        Raises Problem if the demo cannot start and nothing else could answer.
        """
        named = [*self.settings.profiles.values(), *found_keys(os.environ), *self.extra.values()]
        unique = {profile.name: profile for profile in reversed(named)}
        others = list(reversed(unique.values()))
        try:
            return [*others, await self.demo()]
        except Problem:
            if not others:
                raise
            return others

    async def models(self, profile: Profile) -> list[str]:
        """The models that the profile's server offers. Raises Problem."""
        way = await route(profile)
        if not way.dialect.MODELS_PATH:
            return []
        call = Call("GET", way.dialect.MODELS_PATH, {})
        answer = await link.fetch(self._clients, way.target, call)
        if answer.status != 200:
            said = way.dialect.error_text(answer.body)
            raise LinkProblem(
                f"{way.target.where} lists no models: {said or answer.status}", kind="status"
            )
        return way.dialect.models(answer.body)

    async def probe(self) -> list[first_run.Found]:
        """Servers on loopback that can be used at once."""
        found = await first_run.probe()
        self.extra |= {one.profile.name: one.profile for one in found}
        return found

    async def close(self) -> None:
        """Save, and let go, in a few seconds. Runs to its end even if something in it fails."""
        self.journal.hurry()
        try:
            await self.hub.close()
        finally:
            await self._clients.close()
            await self.journal.close()
            if self._demo is not None:
                await self._demo.close()
