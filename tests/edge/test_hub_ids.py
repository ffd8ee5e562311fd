"""Ids as servers send them: NUL, empty, sparse, odd, huge. A cut answer is whole again anyway."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.fault_server import FaultServer, Request, Wire
from support.hubs import DONE, FINISH, HERE, ask, ended, opened, profile, stored, words

TEXTS = ["one ", "two ", "three ", "four ", "five"]
EVENTS = [*map(words, TEXTS), FINISH, DONE]

SCHEMES = {
    "none at all": [None] * 7,
    "NUL": [f"a\0{n}" for n in range(7)],
    "empty": [""] * 7,
    "empty in between": ["e0", "", "e2", "", "e4", "", "e6"],
    "sparse": [None, "e1", None, None, "e4", None, None],
    "one for all": ["checkpoint"] * 7,
    "with spaces around": [f" e{n} " for n in range(7)],
    "not ASCII": [f"ü{n}" for n in range(7)],
    "huge": [str(n) * 7000 for n in range(7)],
    "numbers that fall": [str(9 - n) for n in range(7)],
}


class Server:
    """Cuts its first connection after `cut` events, then goes on behind the id that it is sent, or
    from the start without one that it knows."""

    def __init__(self, ids: list[str | None], cut: int) -> None:
        self.ids = ids
        self.cut = cut

    async def __call__(self, request: Request, wire: Wire) -> None:
        first = request.method == "POST"
        await wire.open_stream(HERE if first else None)
        start = 0 if first else self._behind(request.headers.get("last-event-id", ""))
        stop = self.cut if first else len(EVENTS)
        for number in range(start, stop):
            await wire.event(EVENTS[number], id=self.ids[number])
        if first:
            wire.cut()
        else:
            await wire.end()

    def _behind(self, cursor: str) -> int:
        sent = cursor.encode("latin-1").decode("utf-8")
        known = [n for n, own in enumerate(self.ids[: self.cut]) if own and own.strip() == sent]
        return known[-1] + 1 if sent and known else 0


@pytest.mark.parametrize("ids", SCHEMES.values(), ids=SCHEMES)
async def test_whatever_its_ids_are_a_cut_answer_is_whole_again(
    ids: list[str | None], tmp_path: Path
) -> None:
    async def cut_after(cut: int) -> tuple[str, str, int]:
        async with FaultServer(Server(ids, cut)) as server:
            live = await ended(await ask(hub, profile(server.base_url, name=f"p{cut}")))
            row = await stored(hub, live)
            posts = sum(request.method == "POST" for request in server.requests)
            return row.state, row.text, posts

    async with opened(tmp_path) as hub:
        found = await asyncio.gather(*map(cut_after, range(1, 6)))
    assert found == [("complete", "".join(TEXTS), 1)] * 5


async def test_an_id_that_no_header_can_hold_ends_the_answer_with_a_word(tmp_path: Path) -> None:
    ids: list[str | None] = ["x" * 9000] * 7
    async with FaultServer(Server(ids, 3)) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert row.state in ("failed", "cut")
        assert "an id of more than" in row.note
