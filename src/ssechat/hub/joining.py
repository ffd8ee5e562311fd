"""Answers that a relay gets for its owner: seen from any machine that has a token, and joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from itertools import groupby

import msgspec

from ssechat import link
from ssechat.core.conversation import Call
from ssechat.core.dialects import DIALECTS
from ssechat.core.dialects.sse import SIMPLE_VIEW
from ssechat.core.errors import ConfigProblem, LinkProblem, Problem
from ssechat.core.relay_ids import STREAM
from ssechat.core.resume import Rung
from ssechat.core.schemes import Handle
from ssechat.hub.relays import Relays, may_be_one, origin_of, upstream_of
from ssechat.hub.route import Route, route
from ssechat.journal import Journal, NewStream, StreamRow
from ssechat.journal.remote import conversations_of
from ssechat.link import Clients
from ssechat.settings import Profile

UNKNOWN = "(asked elsewhere)"
"""What stands for a question that the relay does not tell."""
_TIME = 3.0  # s that an answer may take
_MOST = 100
_LONGEST = 200  # characters of a text
_LATEST = 2.0**33
_LIST = Call("GET", "/v1/streams?state=unfinished", {})


class _Told(msgspec.Struct):
    """What a relay says of a stream."""

    id: str = ""
    upstream: str = ""
    dialect: str = ""
    view: str = ""
    model: str = ""
    prompt: str = ""
    created_at: float = 0.0


class _Listed(msgspec.Struct):
    streams: list[_Told]


class Elsewhere(msgspec.Struct, frozen=True):
    """An answer that a relay gets; `profile` leads there. The relay's own words, untrusted, are
    `dialect`, `view`, `model`, `prompt` and `started`, in seconds since the epoch; `id` is fit for
    a path."""

    profile: Profile
    id: str
    dialect: str
    view: str
    model: str
    prompt: str
    started: float

    @property
    def spoken(self) -> tuple[str, dict[str, str]]:
        """The dialect of its events and that one's options; "" if we do not know it."""
        if self.view == SIMPLE_VIEW:
            return "sse", {"view": self.view}
        known = self.dialect in DIALECTS and self.dialect != "sse" and not self.view
        return self.dialect if known else "", {}

    @property
    def handle(self) -> Handle:
        return Handle("relay", f"/v1/streams/{self.id}/events", self.id)


async def running(
    journal: Journal, clients: Clients, relays: Relays, profiles: Iterable[Profile]
) -> AsyncIterator[list[Elsewhere]]:
    """What runs at each relay to which `profiles` lead, as soon as that has told it, but for what
    the journal has already. A server that is no relay, or cannot be reached, adds nothing."""
    able = [one for one in profiles if one.resume != "off" and may_be_one(one)]
    work = [
        asyncio.ensure_future(_at(journal, clients, relays, list(same)))
        for _, same in groupby(sorted(able, key=origin_of), origin_of)
    ]
    try:
        for done in asyncio.as_completed(work):
            yield await done
    finally:
        for one in work:
            one.cancel()


async def _at(
    journal: Journal, clients: Clients, relays: Relays, profiles: Sequence[Profile]
) -> list[Elsewhere]:
    """What runs for us at one server; its profiles may have tokens of several owners."""
    if not await relays.found(profiles[0]):
        return []
    owners: dict[str, list[Route]] = {}
    for profile in profiles:
        with suppress(Problem):
            way = await route(profile)
            owners.setdefault(way.secret.reveal() if way.secret else "", []).append(way)
    told = await asyncio.gather(*(_listed(clients, ways) for ways in owners.values()))
    found = {one.id: one for streams in told for one in streams}
    try:
        known = await conversations_of(journal, found)
    except Problem:
        return []
    return [one for one in found.values() if one.id not in known]


async def _listed(clients: Clients, ways: Sequence[Route]) -> list[Elsewhere]:
    """What runs for the owner of a token; `ways` lead to the same relay with it."""
    try:
        answer = await link.fetch(clients, ways[0].target, _LIST, seconds=_TIME)
        told = msgspec.json.decode(answer.body, type=_Listed).streams
    except (Problem, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [_elsewhere(one, ways) for one in told[:_MOST] if STREAM.fullmatch(one.id)]


def _elsewhere(told: _Told, ways: Sequence[Route]) -> Elsewhere:
    """With the one of the profiles that lead there which is most like that of the question."""

    def unlike(profile: Profile) -> tuple[bool, bool]:
        return profile.dialect != told.dialect, upstream_of(profile) != told.upstream

    return Elsewhere(
        profile=min((way.profile for way in ways), key=unlike),
        id=told.id,
        dialect=told.dialect[:_LONGEST],
        view=told.view[:_LONGEST],
        model=told.model[:_LONGEST] if told.model.isprintable() else "",
        prompt=told.prompt.strip()[:_LONGEST],
        started=min(max(told.created_at, 0.0), _LATEST),
    )


async def begun(journal: Journal, clients: Clients, there: Elsewhere) -> StreamRow:
    """A stream of our own that has everything to come of the answer, and no frame yet, in a new
    conversation. Raises Problem, and nothing is written, if it cannot be had."""
    await _check(clients, there)
    dialect, options = there.spoken
    place = await journal.begin(
        NewStream(
            text=there.prompt or UNKNOWN,
            profile=there.profile.name,
            model=there.model,
            dialect=dialect,
            options=options,
            call=Call("GET", there.handle.path, {}),
        )
    )
    await journal.update_stream(
        place.stream_id,
        scheme=there.handle.scheme,
        resume_path=there.handle.path,
        remote_id=there.handle.id,
        rung=Rung.EXACT,
    )
    return await journal.stream(place.stream_id)


async def _check(clients: Clients, there: Elsewhere) -> None:
    """Raises Problem if the answer cannot be joined."""
    if not there.spoken[0]:
        raise ConfigProblem(
            "this version of ssechat cannot read that answer",
            detail=f"it comes as {there.view or there.dialect}",
            remedy="read it where it was asked",
        )
    way = await route(there.profile)
    call = Call("GET", f"/v1/streams/{there.id}", {})
    answer = await link.fetch(clients, way.target, call, seconds=_TIME)
    where = way.target.where
    if answer.status in (401, 403):
        raise ConfigProblem(
            f"the relay at {where} refuses this token",
            remedy=f"give profile {there.profile.name} the token of an owner there",
        )
    if answer.status in (404, 410):
        raise LinkProblem(
            f"the relay at {where} has forgotten this answer",
            kind="status",
            status=answer.status,
            remedy="F2 shows what runs there now",
        )
    if answer.status != 200:
        raise LinkProblem(
            f"the relay at {where} answers {answer.status}",
            kind="status",
            status=answer.status,
            remedy="try again in a while",
        )
